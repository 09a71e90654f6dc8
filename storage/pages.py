"""Pages of long lists, and the opaque cursors between them."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
S = TypeVar("S")

LIMIT_MAX = 1000


class BadCursorError(ValueError):
    """A cursor that no page of this list has given out."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, and where to go on: ``next`` is ``None`` on the last page."""

    items: list[T]
    next: str | None = None


def bounded(limit: int) -> int:
    """Return ``limit`` brought into 1..1000."""
    return min(max(limit, 1), LIMIT_MAX)


def encode_cursor(*place: int | str) -> str:
    """Return the place of an item in its list's order as an opaque text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[T]) -> T:
    """Return the place, a tuple of type ``kind``; raises ``BadCursorError`` for any other text."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        document = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
        return msgspec.json.decode(document, type=kind)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadCursorError(f"not a cursor of this list: {cursor[:64]!r}") from error


def page_of(
    found: Sequence[S],
    limit: int,
    place: Callable[[S], tuple[int | str, ...]],
    item: Callable[[S], Any],
) -> Page[Any]:
    """Return the page of ``found``, of which one more than ``limit`` was asked for.

    The one more says whether there is a next page.
    """
    shown = found[:limit]
    more = len(found) > limit
    return Page([item(row) for row in shown], encode_cursor(*place(shown[-1])) if more else None)
