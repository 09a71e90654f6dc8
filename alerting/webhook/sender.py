"""One signed request to an endpoint, after Standard Webhooks 1.0, and what its answer means."""

import asyncio
import binascii
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import httpx
from standardwebhooks import Webhook

from domain.grade import Grade

RETRY_AFTER_S_MAX = 300.0
ANSWER_BYTES_MAX = 65_536
SECRET_BYTES = range(24, 65)  # as Standard Webhooks asks for
NS_PER_S = 1_000_000_000


class Trouble(StrEnum):
    """Why a delivery failed, as far as it decides what to do next."""

    UNREACHABLE = "unreachable"  # no answer of any kind: it is the endpoint, not the notice
    ANSWERED = "answered"  # 5xx, 408, 429, or no answer in time: the endpoint or the notice
    REFUSED = "refused"  # 3xx or another 4xx: this notice, or the address or secret
    GONE = "gone"  # 410: nothing is wanted here any more


class Failure(Exception):  # noqa: N818  an answer, not a defect
    """A delivery that failed. The text names neither address nor secret."""

    def __init__(self, trouble: Trouble, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Endpoint:
    """Where notices go, and which. ``secrets`` all sign: there are two while one is replaced.

    ``grade_min`` is compared with the alarm's worst grade so far, so that who hears of an alarm also
    hears of its end. Empty ``facility_kinds`` are all; ``faults`` False leaves instruments out.
    """

    name: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    grade_min: Grade = Grade.BLUE
    facility_kinds: frozenset[str] = frozenset()
    faults: bool = True
    timeout_s: float = 15.0
    ca_file: Path | None = None

    @property
    def consumer(self) -> str:
        """Its name among the consumers of the outbox."""
        return f"webhook:{self.name}"

    @property
    def host(self) -> str:
        """Scheme, host and port: what may be shown of the address, whose path may be a secret."""
        url = httpx.URL(self.url)
        return f"{url.scheme}://{url.netloc.decode('ascii')}"


def check_secret(secret: str) -> None:
    """Raise ``ValueError`` for a secret that is none, without repeating it."""
    remedy = "write whsec_ and 24 to 64 random bytes in base64: openssl rand -base64 32"
    try:
        key = binascii.a2b_base64(secret.removeprefix("whsec_") + "==")
    except (ValueError, binascii.Error):
        raise ValueError(f"not a signing secret; {remedy}") from None
    if len(key) not in SECRET_BYTES:
        raise ValueError(f"a signing secret of {len(key)} bytes; {remedy}")


class Sender:
    """Sends to one endpoint; ``now_ns`` is the wall's time, for the signature."""

    def __init__(self, endpoint: Endpoint, now_ns: Callable[[], int]) -> None:
        self._endpoint = endpoint
        self._now_ns = now_ns
        self._signers = [Webhook(secret) for secret in endpoint.secrets]
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        self._client = httpx.AsyncClient(
            verify=context,
            timeout=endpoint.timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=4, keepalive_expiry=30),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def headers(self, message_id: str, body: str) -> dict[str, str]:
        """Return the headers of a request; the signatures are of all secrets, in their order."""
        seconds = self._now_ns() // NS_PER_S
        at = datetime.fromtimestamp(seconds, UTC)
        return {
            "content-type": "application/json",
            "user-agent": "lifeline-webhook/1",
            "webhook-id": message_id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": " ".join(
                signer.sign(message_id, at, body) for signer in self._signers
            ),
        }

    async def send(self, message_id: str, body: str) -> int:
        """Return the status of an answer of 2xx; raises ``Failure`` for anything else."""
        timeout_s = self._endpoint.timeout_s
        try:
            async with asyncio.timeout(timeout_s):  # httpx's own bounds are per read and write
                return await self._post(message_id, body)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Failure(Trouble.UNREACHABLE, _why(error)) from None
        except (TimeoutError, httpx.TimeoutException):
            detail = f"no answer within {timeout_s:g} s"
            raise Failure(Trouble.ANSWERED, detail) from None
        except httpx.HTTPError as error:
            raise Failure(Trouble.ANSWERED, _why(error)) from None

    async def _post(self, message_id: str, body: str) -> int:
        request = self._client.stream(
            "POST", self._endpoint.url, content=body, headers=self.headers(message_id, body)
        )
        async with request as answer:
            size = 0
            async for part in answer.aiter_raw():  # read, so that the connection can be used again
                size += len(part)
                if size > ANSWER_BYTES_MAX:
                    break
            _judge(answer)
            return answer.status_code


def _why(error: httpx.HTTPError) -> str:
    """Return what went wrong, without the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    words: dict[type[httpx.HTTPError], str] = {
        httpx.ConnectError: "cannot connect",
        httpx.ConnectTimeout: "cannot connect in time",
        httpx.ReadError: "the connection broke before the answer",
        httpx.RemoteProtocolError: "the answer is no HTTP, or was cut short",
    }
    return words.get(type(error), type(error).__name__)


def _judge(answer: httpx.Response) -> None:
    """Raise ``Failure`` where the answer is not a success."""
    status = answer.status_code
    if 200 <= status < 300:
        return
    if status == 410:
        raise Failure(Trouble.GONE, "answered 410: gone")
    if status >= 500 or status in (408, 425, 429):
        raise Failure(Trouble.ANSWERED, f"answered {status}", _retry_after_s(answer))
    redirect = ": redirects are not followed" if 300 <= status < 400 else ""
    raise Failure(Trouble.REFUSED, f"answered {status}{redirect}")


def _retry_after_s(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), RETRY_AFTER_S_MAX) if text.isascii() and text.isdecimal() else 0.0
