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


def transport_of(scope: Scope) -> Transport | None:
    """Return the connection of a request whose answer will be chunked, where the server shows it."""
    if scope.get("http_version") != "1.1" or scope.get("method") != "GET":
        return None
    transport: Transport | None = scope.get("extensions", {}).get(DIRECT)
    return transport


def chunk(data: bytes) -> bytes:
    """Return ``data`` as a chunk of HTTP/1.1 (RFC 9112, 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def descriptor_of(transport: Transport) -> int:
    """Return the descriptor of a connection's socket; -1 where not just bytes go through it."""
    if transport.get_extra_info("sslcontext") is not None:
        return -1
    sock = transport.get_extra_info("socket")
    return -1 if sock is None else int(sock.fileno())


@dataclass(slots=True, eq=False)
class Place:
    """One listener's place: what it has up to when it joins, and whether its stream is to end."""

    transport: Transport
    cursor: int | None
    on_cut: Callable[[], None]
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    descriptor: int = field(init=False)  # good for as long as the transport is not closing

    def __post_init__(self) -> None:
        """Find the descriptor once: asking a thousand transports would take half a millisecond."""
        self.descriptor = descriptor_of(self.transport)

    def has(self, number: int) -> bool:
        """Whether it read that number from the store before it joined."""
        return self.cursor is not None and self.cursor >= number

    def cut(self) -> None:
        """End the connection of a listener that does not take what it is sent."""
        self.on_cut()
        self.ended.set()
        self.transport.abort()


WriteToAll = Callable[[Sequence[Place], bytes], None]
"""Writes to connections that have nothing left to send; never waits."""


def one_by_one(places: Sequence[Place], data: bytes) -> None:
    """Write ``data`` to each."""
    for place in places:
        place.transport.write(data)


class Fan:
    """The places of all who listen live. Used on one event loop only.

    What is done for each of a thousand listeners holds the interpreter, and every alarm with it: so
    for those of whom there is nothing to say (all, but for a few) it is next to nothing.
    """

    def __init__(self, write_to_all: WriteToAll = one_by_one) -> None:
        self._write_to_all = write_to_all
        self._level: dict[Place, None] = {}  # all of these have all that was written
        self._new: dict[Place, None] = {}  # joined since, or have more than that

    def __len__(self) -> int:
        """How many there are."""
        return len(self._level) + len(self._new)

    def join(self, place: Place) -> None:
        """Take a listener that has caught up."""
        self._new[place] = None

    def leave(self, place: Place) -> None:
        """Let a listener go; it may have gone."""
        self._level.pop(place, None)
        self._new.pop(place, None)

    def close(self) -> None:
        """End every stream."""
        for place in (*self._level, *self._new):
            place.ended.set()

    def write(self, events: Sequence[Numbered]) -> None:
        """Write numbered events, in rising order, to all who do not have them."""
        if not len(self) or not events:
            return
        (first, _), (last, _) = events[0], events[-1]
        whole = chunk(b"".join(text for _, text in events))
        ahead = [place for place in self._new if place.has(first)]  # it read the store meanwhile
        self._level.update((place, None) for place in self._new if not place.has(last))
        self._new = {place: None for place in ahead if place.has(last)}
        to_all = [place for place in self._level if not (ahead and place.has(first))]
        self._write_to_all(self._ready(to_all, whole), whole)
        for place in ahead:
            missing = [text for number, text in events if not place.has(number)]
            if missing and not place.transport.is_closing():
                place.transport.write(chunk(b"".join(missing)))

    def _ready(self, places: list[Place], data: bytes) -> list[Place]:
        """Return those that have nothing left to send; others have ``data`` put behind it, or are gone."""
        transports = [place.transport for place in places]
        behind = any(each.get_write_buffer_size() for each in transports)
        if not behind and not any(each.is_closing() for each in transports):
            return places
        return [place for place in places if not self._is_settled(place, data)]

    def _is_settled(self, place: Place, data: bytes) -> bool:
        """Deal with one that is gone, too far behind or has bytes waiting; False where it is none of them."""
        behind_bytes = place.transport.get_write_buffer_size()
        if place.transport.is_closing():
            self.leave(place)
        elif behind_bytes > BEHIND_BYTES_MAX:
            self.leave(place)
            place.cut()
        elif behind_bytes:
            place.transport.write(data)
        else:
            return False
        return True
