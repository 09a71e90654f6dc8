"""The event stream (SSE): every transition once, in order, resumed by its number.

A listener is nothing but a cursor. What was written lately stands in one ring for all; a listener
that is further behind reads the store, and one that has caught up joins the fan, to which new events
are written in one go. So nobody's slowness costs the others anything, nothing is lost or doubled at
the seam, and a listener that takes nothing for a while is cut off and resumes by the number of its
last event.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.fan import Fan, Place, WriteToAll, one_by_one
from api.ports import Store, Written
from domain.alarm import Transition

BATCH_MAX = 200
Encode = Callable[[int, Transition], bytes]


@dataclass(slots=True)
class Event:
    """A transition in the ring; encoded once, when the first listener takes it."""

    number: int
    transition: Transition
    document: bytes | None = None


def event_text(name: str, document: bytes, number: int | None = None) -> bytes:
    """Return an event as it goes over the wire; ``document`` is JSON on one line."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: %s\ndata: %s\n\n" % (name.encode(), document)


class Hub:
    """The ring that all listeners read. Used on one event loop only."""

    def __init__(
        self, store: Store, encode: Encode, ring: int, write_to_all: WriteToAll = one_by_one
    ) -> None:
        self._store = store
        self._encode = encode
        self._ring: deque[Event] = deque(maxlen=ring)
        self._origin: int | None = None  # just before the first number ever published here
        self._floor: int | None = None  # the ring holds all that was written after this number
        self.last: int | None = None
        self.fan = Fan(write_to_all)
        self.wake = asyncio.Event()
        self.closed = False

    def publish(self, written: Written) -> None:
        """Take transitions just committed, with rising numbers, and wake the listeners."""
        events = [Event(number, transition) for number, transition in written]
        for event in events:
            if self._origin is None:
                self._origin = self._floor = event.number - 1
            if len(self._ring) == self._ring.maxlen:
                self._floor = self._ring[0].number
            self._ring.append(event)
            self.last = event.number
        if len(self.fan):
            self.fan.write([(event.number, self._text(event)) for event in events])
        self._rouse()

    def _text(self, event: Event) -> bytes:
        return event_text("transition", self._document(event), event.number)

    def join(self, place: Place) -> bool:
        """Take a listener into the fan; False where it has not caught up."""
        if self.closed or (self.last is not None and (place.cursor or -1) < self.last):
            return False
        self.fan.join(place)
        return True

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self.fan.close()
        self._rouse()

    def _rouse(self) -> None:
        old, self.wake = self.wake, asyncio.Event()
        old.set()

    async def start(self, after: int | None) -> int | None:
        """Return the cursor of a new listener; ``None`` waits for what is published first.

        A number that the store has never reached comes from another life of the service (a
        state restored or begun anew); waiting for it would mean to hear nothing, so it counts as now.
        """
        if after is None or (after > 0 and not await self._store.transitions(after - 1, 1)):
            return self.last
        return after

    async def after(self, cursor: int | None) -> list[tuple[int, bytes]]:
        """Return the next documents after ``cursor``, at most a batch; empty at the end."""
        if cursor is None:
            cursor = self._origin
        if cursor is None:
            return []
        if self._floor is None or cursor < self._floor:
            written = await self._store.transitions(cursor, BATCH_MAX)
            return [(number, self._encode(number, transition)) for number, transition in written]
        if self.last is None or self.last <= cursor:
            return []
        newer: list[Event] = []
        for event in reversed(self._ring):  # a live listener needs only the last few
            if event.number <= cursor:
                break
            newer.append(event)
        newer.reverse()
        return [(event.number, self._document(event)) for event in newer[:BATCH_MAX]]

    def _document(self, event: Event) -> bytes:
        if event.document is None:
            event.document = self._encode(event.number, event.transition)
        return event.document


class EventStream(Response):
    """An endless answer. Ends when its source does, its reader goes, or a send takes too long."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncIterator[bytes], send_timeout_s: float, on_cut: Callable[[], None]
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._send_timeout_s = send_timeout_s
        self._on_cut = on_cut

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until one side has had enough."""
        pump = asyncio.create_task(self._pump(send), name="event stream")
        gone = asyncio.create_task(_disconnected(receive), name="event stream's reader")
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            pump.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        if not pump.cancelled() and (error := pump.exception()) is not None:
            raise error

    async def _pump(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(start)
            async for chunk in self._events:
                if not await self._sent(send, chunk):
                    return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if isinstance(self._events, AsyncGenerator):
                await self._events.aclose()

    async def _sent(self, send: Send, chunk: bytes) -> bool:
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            self._on_cut()
            return False
        return True


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
