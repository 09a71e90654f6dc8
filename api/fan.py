"""The listeners that have all there is: what is published is written to all of them in one go.

A listener joins once it has caught up, and stays until it goes. What comes then is put together once
and written to each connection as it is: a few microseconds a listener, where a task, a lock and the
server's framing for each would take a hundred, and the last of a thousand would hear of an alarm a
tenth of a second after the first.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.types import Scope

DIRECT = "lifeline.transport"
BEHIND_BYTES_MAX = 1 << 20  # that a listener has not taken yet

Numbered = tuple[int, bytes]


class Transport(Protocol):
    """A connection that takes whole HTTP chunks."""

    def write(self, data: bytes) -> None:
        """Send now or as soon as it can; never waits."""

    def is_closing(self) -> bool:
        """Whether it is at its end."""
        ...

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the other side has not taken."""
        ...

    def abort(self) -> None:
        """End it at once."""


def transport_of(scope: Scope) -> Transport | None:
    """Return the connection of a request whose answer will be chunked, where the server shows it."""
    if scope.get("http_version") != "1.1" or scope.get("method") != "GET":
        return None
    transport: Transport | None = scope.get("extensions", {}).get(DIRECT)
    return transport


def chunk(data: bytes) -> bytes:
    """Return ``data`` as a chunk of HTTP/1.1 (RFC 9112, 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass(slots=True, eq=False)
class Place:
    """One listener's place: what it has up to, and whether its stream is to end."""

    transport: Transport
    cursor: int | None
    on_cut: Callable[[], None]
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def cut(self) -> None:
        """End the connection of a listener that does not take what it is sent."""
        self.on_cut()
        self.ended.set()
        self.transport.abort()


class Fan:
    """The places of all who listen live. Used on one event loop only."""

    def __init__(self) -> None:
        self._places: dict[Place, None] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._places)

    def join(self, place: Place) -> None:
        """Take a listener that has caught up."""
        self._places[place] = None

    def leave(self, place: Place) -> None:
        """Let a listener go; it may have gone."""
        self._places.pop(place, None)

    def close(self) -> None:
        """End every stream."""
        for place in self._places:
            place.ended.set()

    def write(self, events: Sequence[Numbered]) -> None:
        """Write numbered events, in rising order, to all who do not have them."""
        if not self._places or not events:
            return
        first, last = events[0][0], events[-1][0]
        whole = chunk(b"".join(text for _, text in events))
        for place in list(self._places):
            transport, data = place.transport, whole
            if place.cursor is not None and place.cursor >= first:  # it read the store meanwhile
                missing = [text for number, text in events if number > place.cursor]
                if not missing:
                    continue
                data = chunk(b"".join(missing))
            place.cursor = last
            if transport.is_closing():
                self.leave(place)
            elif transport.get_write_buffer_size() > BEHIND_BYTES_MAX:
                self.leave(place)
                place.cut()
            else:
                transport.write(data)
