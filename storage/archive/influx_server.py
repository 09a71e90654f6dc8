"""One InfluxDB over HTTP: bodies of lines in, answers of InfluxQL out, and what its refusals mean.

1.x takes lines at ``/write``; 2.x takes them through influxdb-client. Both answer ``/query``.
"""

import email.utils
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import httpx
import msgspec

from storage.archive import ArchiveError
from storage.archive.influx_url import InfluxUrl

CONNECT_TIMEOUT_S = 2.0
WRITE_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 10.0
_TEXT_MAX = 300
_NEGATIVE_NOUGHT = re.compile(rb"(?<=,)-0(?=[,\]])")
_BAD_REQUEST, _TOO_LARGE, _UNPROCESSABLE = 400, 413, 422
# Said with status 400 of lines that are right: it is the server's settings that stand in the way.
_LIMITS = {
    "max-values-per-tag": "set max-values-per-tag = 0 in [data] of influxdb.conf",
    "max-series-per-database": "set max-series-per-database = 0 in [data] of influxdb.conf",
}


class BodyRefusedError(Exception):
    """The server refused a body; ``too_large``: for its size, else for something in it."""

    def __init__(self, message: str, *, too_large: bool) -> None:
        super().__init__(message)
        self.too_large = too_large


class ExpiredError(Exception):
    """Lines were older than what the server keeps; the others it stored."""


class MissingDatabaseError(Exception):
    """The server is there, and the database is not."""


Row = tuple[Any, ...]
"""A row of an answer: the time, an integer, and then floats or ``None``."""


class _Series(msgspec.Struct):
    columns: list[str]
    values: msgspec.Raw = msgspec.Raw(b"[]")

    def rows(self) -> list[Row]:
        return _rows_decoder(len(self.columns)).decode(self.values)


@cache
def _rows_decoder(columns: int) -> msgspec.json.Decoder[list[Row]]:
    kinds: Any = (int, *[float | None] * (columns - 1))
    return msgspec.json.Decoder(list[tuple[kinds]])


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


class Server(Protocol):
    """What the archive needs of either kind."""

    def write(self, body: bytes) -> None:
        """Store lines. Raises ``BodyRefusedError``, ``ExpiredError``, ``ArchiveError``."""

    def query(self, text: str) -> list[Row]:
        """Return what InfluxQL gives. Raises ``ArchiveError``, ``MissingDatabaseError``."""

    def create(self) -> None:
        """Make the database, where that can be done; raises ``ArchiveError``."""

    def delete_before(self, time_ns: int) -> None:
        """Delete the readings before a time."""

    def delete_of(self, measurement: str, channel_id: str, time_ns: int) -> None:
        """Delete a channel's points of a measurement before a time."""

    def close(self) -> None:
        """Let the connections go."""


def connect_to(url: InfluxUrl) -> Server:
    """Return the server of a URL; nothing is sent yet."""
    if url.version == 1:
        return OneServer(url)
    from storage.archive.influx_two import TwoServer  # noqa: PLC0415  the client takes long to import

    return TwoServer(url)


class Queries:
    """InfluxQL over ``/query``, as 1.x and 2.x both take it."""

    def __init__(self, url: InfluxUrl, *, headers: Mapping[str, str], auth: Any) -> None:
        self.url = url
        self.client = httpx.Client(
            base_url=url.address,
            headers=dict(headers),
            auth=auth,
            timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=16),
            trust_env=False,
        )

    def query(self, text: str, *, post: bool = False) -> list[Row]:
        """Return the rows that InfluxQL gives; raises as ``Server.query`` does."""
        given = {"db": self.url.database, "epoch": "ns", "q": text}
        try:
            if post:
                answer = self.client.post("/query", data=given)
            else:
                answer = self.client.get("/query", params=given)
        except httpx.HTTPError as error:
            raise away(self.url, error) from error
        if answer.status_code != httpx.codes.OK:
            message = said(answer.content)
            if "not found" in message and answer.status_code in (_BAD_REQUEST, 404):
                raise MissingDatabaseError(message)
            raise refusal(self.url, answer.status_code, message, answer.headers)
        return _rows(self.url, answer.content)


def _rows(url: InfluxUrl, content: bytes) -> list[Row]:
    try:
        # A whole number is an integer to the decoder, and of nought it would lose the sign.
        answer = msgspec.json.decode(_NEGATIVE_NOUGHT.sub(b"-0.0", content), type=_Answer)
    except msgspec.DecodeError as error:
        raise ArchiveError(f"{url!r} answers what is not JSON: {error}", permanent=True) from error
    problems = [answer.error, *(result.error for result in answer.results)]
    for problem in filter(None, problems):
        if "not found" in problem:
            raise MissingDatabaseError(problem)
        raise ArchiveError(f"{url!r} cannot answer: {problem[:_TEXT_MAX]}", permanent=False)
    return [row for result in answer.results for series in result.series for row in series.rows()]


class OneServer:
    """InfluxDB 1.x."""

    def __init__(self, url: InfluxUrl) -> None:
        self._url = url
        auth = httpx.BasicAuth(url.user, url.secret) if url.user else None
        self._queries = Queries(url, headers={}, auth=auth)
        self._timeout = httpx.Timeout(WRITE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)

    def write(self, body: bytes) -> None:
        """See ``Server``."""
        given = {"db": self._url.database, "precision": "n"}
        try:
            answer = self._queries.client.post(
                "/write", params=given, content=body, timeout=self._timeout
            )
        except httpx.HTTPError as error:
            raise away(self._url, error) from error
        if answer.status_code >= 300:
            raise_for(self._url, answer.status_code, said(answer.content), answer.headers)

    def query(self, text: str) -> list[Row]:
        """See ``Server``."""
        return self._queries.query(text)

    def create(self) -> None:
        """See ``Server``."""
        name = self._url.database.replace("\\", "\\\\").replace('"', '\\"')
        self._queries.query(f'CREATE DATABASE "{name}"', post=True)

    def delete_before(self, time_ns: int) -> None:
        """See ``Server``."""
        self._queries.query(f"DELETE FROM reading WHERE time < {time_ns}", post=True)  # noqa: S608

    def delete_of(self, measurement: str, channel_id: str, time_ns: int) -> None:
        """See ``Server``."""
        name = channel_id.replace("\\", "\\\\").replace("'", "\\'")
        where = f"WHERE channel = '{name}' AND time < {time_ns}"
        self._queries.query(f"DELETE FROM {measurement} {where}", post=True)  # noqa: S608

    def close(self) -> None:
        """See ``Server``."""
        self._queries.client.close()


def said(content: bytes) -> str:
    """Return what an error's body says."""
    try:
        told = msgspec.json.decode(content)
    except msgspec.DecodeError:
        told = None
    if isinstance(told, dict):
        return str(told.get("error") or told.get("message") or told)
    return content.decode("utf-8", "replace").strip()


def away(url: InfluxUrl, error: Exception) -> ArchiveError:
    """Return the error for a server that does not answer."""
    words = str(error) or type(error).__name__
    return ArchiveError(
        f"InfluxDB at {url!r} does not answer ({words[:_TEXT_MAX]}): see that it runs and can be "
        "reached from here",
        permanent=False,
    )


def raise_for(url: InfluxUrl, status: int, message: str, headers: Mapping[str, str]) -> None:
    """Raise what a refusal of a body means."""
    if status == _TOO_LARGE:
        raise BodyRefusedError(message, too_large=True)
    if status in (_BAD_REQUEST, _UNPROCESSABLE):
        if "retention policy" in message:
            raise ExpiredError(message)
        if not any(limit in message for limit in _LIMITS):
            raise BodyRefusedError(message[:_TEXT_MAX], too_large=False)
    raise refusal(url, status, message, headers)


def refusal(url: InfluxUrl, status: int, message: str, headers: Mapping[str, str]) -> ArchiveError:
    """Return the error for an answer that has nothing to do with what was asked."""
    wait_s = retry_after_s(headers.get("Retry-After", ""))
    remedy = next((r for limit, r in _LIMITS.items() if limit in message), _remedy(url, status))
    text = f"InfluxDB at {url!r} answers {status}: {message[:_TEXT_MAX]}"
    if url.secret:
        text = text.replace(url.secret, "…")
    if wait_s:
        text += f" (try again after {wait_s:.0f} s)"
    return ArchiveError(f"{text}. {remedy}", permanent=False, retry_after_s=wait_s)


def _remedy(url: InfluxUrl, status: int) -> str:
    who = f"user {url.user!r}" if url.version == 1 else "token"
    what = f"database {url.database!r}" if url.version == 1 else f"bucket {url.database!r}"
    if status in (401, 403):
        return (
            f"Correct the {who} in LIFELINE_ARCHIVE_URL, or give it the right to write to {what}."
        )
    if status == 404:
        return f"See that the {what} is there."
    return "It is tried again; nothing is lost meanwhile."


def retry_after_s(text: str) -> float:
    """Return the seconds that a ``Retry-After`` header asks for; 0 where it makes no sense."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
