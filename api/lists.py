"""Lists in parts: cursors, limits, and the queries that all lists share."""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.errors import ApiError, bad_request
from domain.time import parse_rfc3339

T = TypeVar("T")
ITEMS_MAX = 1000
INT64_MAX = 2**63 - 1

# In a query string "+08:00" arrives as " 08:00": what was meant is beyond doubt.
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:?\d\d)$", re.ASCII)


def _check_time(text: str) -> str:
    try:
        parse_time(text)
    except ValueError:
        raise ValueError(
            "not a time from 1970 to 2261 — give RFC 3339, such as 2026-03-01T08:00:00Z"
        ) from None
    return text


def parse_time(text: str) -> int:
    """Return the nanoseconds of an RFC 3339 time from a query string."""
    return parse_rfc3339(_LOST_PLUS.sub(r"\1+\2", text))


QueryTime = Annotated[
    str, Field(max_length=64, examples=["2026-03-01T08:00:00Z"]), AfterValidator(_check_time)
]
QueryId = Annotated[str, Field(pattern=r"^[a-z0-9._/:-]{1,192}$", description="An id of ours.")]


class ListQuery(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid")
    cursor: str | None = Field(
        None, pattern=r"^[\x21-\x7e]{1,512}$", description="The next of the part before."
    )
    limit: int = Field(100, ge=1, le=ITEMS_MAX, description="How many items at most.")


def bad_cursor() -> ApiError:
    """Return the error for a cursor that is none of ours."""
    return bad_request(
        "query.cursor", "not a cursor of this list", "pass next of the part before, unchanged"
    )


async def from_store(page: Awaitable[T]) -> T:
    """Return what the store answers; it raises ``ValueError`` for a cursor it cannot read."""
    try:
        return await page
    except ValueError:
        raise bad_cursor() from None


def encode_cursor(key: str) -> str:
    """Return the cursor that stands after ``key``."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the key that ``cursor`` stands after."""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise bad_cursor() from None


def cut(
    keys: Sequence[str],
    cursor: str | None,
    limit: int,
    fits: Callable[[str], bool] = lambda _: True,
) -> tuple[list[str], str | None]:
    """Return up to ``limit`` of the ascending ``keys`` that fit, after ``cursor``; the next cursor.

    A cursor holds a key, not a place: what comes and goes meanwhile shifts nothing. Looks no
    further than it must, since there may be many.
    """
    start = bisect_right(keys, decode_cursor(cursor)) if cursor else 0
    found = list(islice(filter(fits, islice(keys, start, None)), limit + 1))
    part = found[:limit]
    return part, encode_cursor(part[-1]) if len(found) > limit else None
