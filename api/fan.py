"""The listeners that have all there is: what is published is written to all of them in one go.

A listener joins once it has caught up, and stays until it goes. What comes then is put together once
and written to each connection as it is: a few microseconds a listener, where a task, a lock and the
server's framing for each would take a hundred, and the last of a thousand would hear of an alarm a
tenth of a second after the first. How bytes get to many connections at once is the service's affair
(``WriteToAll``).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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

    def get_extra_info(self, name: str) -> Any:
        """Return what is known of the connection by that name (``socket``, ``sslcontext``), or ``None``."""


WriteToAll = Callable[[Sequence[Transport], bytes], None]
"""Writes to connections that have nothing left to send; never waits."""


def one_by_one(transports: Sequence[Transport], data: bytes) -> None:
    """Write ``data`` to each."""
    for transport in transports:
        transport.write(data)


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

    def __init__(self, write_to_all: WriteToAll = one_by_one) -> None:
        self._write_to_all = write_to_all
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
        ready: list[Transport] = []
        for place in list(self._places):
            transport, cursor = place.transport, place.cursor
            place.cursor = last if cursor is None else max(cursor, last)
            behind_bytes = transport.get_write_buffer_size()
            if transport.is_closing():
                self.leave(place)
            elif behind_bytes > BEHIND_BYTES_MAX:
                self.leave(place)
                place.cut()
            elif cursor is not None and cursor >= first:  # it read the store meanwhile
                missing = [text for number, text in events if number > cursor]
                if missing:
                    transport.write(chunk(b"".join(missing)))
            elif behind_bytes:
                transport.write(whole)
            else:
                ready.append(transport)
        self._write_to_all(ready, whole)
