"""What stands before every route: bounds on bodies, and the headers of every answer."""

import asyncio
import re
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import MEDIA_TYPE, problem_body

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PUSH = re.compile(r"/api/v1/gateways/[^/]*/frames")
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class SecureHeaders:
    """Gives every answer the headers that keep a browser from harm; nothing is kept in caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class UnfitError(Exception):
    """A body that is not read on: ``answer`` is the status, what is wrong, and the remedy."""

    def __init__(self, status: int, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.answer = (status, detail, remedy)


async def read_body(
    scope: Scope, receive: Receive, bytes_max: int, timeout_s: float
) -> bytes | None:
    """Return the body; ``None`` where the caller has gone. Raises :class:`UnfitError`."""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if announced.isdigit() and (len(announced) > 12 or int(announced) > bytes_max):
        raise _too_large(bytes_max)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if len(body) > bytes_max:
                    raise _too_large(bytes_max)
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise UnfitError(408, "The body took too long to come.", "Send it at once.") from None


class BoundedBody:
    """Reads the whole body before the route is asked: at most so many bytes, within so long.

    Bodies of this interface are small, so none needs to be streamed; but for frames, which only a
    gateway may send: that route reads them itself, once it knows who asks. ``larger`` says at which
    addresses a caller that shows a key may send more.
    """

    def __init__(
        self,
        app: ASGIApp,
        bytes_max: int,
        timeout_s: float,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._larger = larger or {}
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body in hand, or answer 413 or 408."""
        if scope["type"] != "http" or not _announces_body(scope) or _is_push(scope):
            await self._app(scope, receive, send)
            return
        try:
            bytes_max = self._bytes_max
            if any(name == b"authorization" for name, _ in scope["headers"]):
                bytes_max = self._larger.get(scope["path"], bytes_max)
            body = await read_body(scope, receive, bytes_max, self._timeout_s)
        except UnfitError as unfit:
            await _refuse(send, *unfit.answer)
            return
        if body is None:  # the caller has gone
            return
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replay, send)


def _too_large(bytes_max: int) -> UnfitError:
    return UnfitError(
        413, f"The body is larger than {bytes_max} bytes.", f"Send at most {bytes_max} bytes."
    )


def _is_push(scope: Scope) -> bool:
    return scope["method"] == "POST" and _PUSH.fullmatch(scope["path"]) is not None


def _announces_body(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return b"content-length" in names or b"transfer-encoding" in names


async def _refuse(send: Send, status: int, detail: str, remedy: str) -> None:
    body = problem_body(status, detail, remedy)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # the rest of the body is not read
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
