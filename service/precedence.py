"""Alarms first: while the service's own loop is late, requests wait a little before they begin.

The interface is a process of its own, but what it answers with it asks of the one that judges. A crowd can
ask for more than there is; what it gets too much of, the way of an alarm would lack.
"""

import asyncio
import mmap
import os
import struct
import time
from contextlib import ExitStack, suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BEAT_S = 0.01
LATE_S = 0.03
WAIT_S_MAX = 1.0
LOOK_S = 0.02
TURNS, TURN_WAIT_S_MAX = 4, 5.0
AT_ONCE = ("/health", "/api/v1/events")
_BEAT = struct.Struct("d")


class Punctuality:
    """How late the service's loop is: ``beat`` runs on it, ``late_s`` is asked in the other process.

    When it last beat stands in eight bytes of memory that both have; ``descriptor`` is of that memory.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.memfd_create("lifeline-punctuality")
            os.ftruncate(descriptor, _BEAT.size)
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _BEAT.size)

    def fileno(self) -> int:
        """Return the descriptor of the memory, to be handed to the other process."""
        return self._descriptor

    async def beat(self) -> None:
        """Say for ever that the loop is there."""
        while True:
            _BEAT.pack_into(self._memory, 0, time.monotonic())  # one clock for the whole machine
            await asyncio.sleep(BEAT_S)

    @property
    def late_s(self) -> float:
        """By how much the last beat is overdue; 0 before the first."""
        beaten_s: float = _BEAT.unpack_from(self._memory)[0]
        return max(0.0, time.monotonic() - beaten_s - BEAT_S) if beaten_s else 0.0

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self._descriptor)


def _waits(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and not scope["path"].startswith(AT_ONCE)
    )


class AlarmsFirst:
    """Has requests begin a few at a time, and wait while alarms are held up; for seconds at most.

    An event waits on the interface's loop behind all requests that have begun: so there are never
    many. A turn ends with the beginning of the answer, lest a slow reader keep it. Health, events and
    whatever is no question (an acknowledgement, frames of a gateway) go at once.
    """

    def __init__(self, app: ASGIApp, punctuality: Punctuality) -> None:
        self._app = app
        self._punctuality = punctuality
        self._turns = asyncio.Semaphore(TURNS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not _waits(scope):
            await self._app(scope, receive, send)
            return
        ending = await self._turn()

        async def begin(message: Message) -> None:
            ending.close()
            await send(message)

        with ending:
            await self._until_alarms_are_in_time()
            await self._app(scope, receive, begin)

    async def _turn(self) -> ExitStack:
        """Wait for a turn, though not for ever; return what ends it."""
        ending = ExitStack()
        with suppress(TimeoutError):
            async with asyncio.timeout(TURN_WAIT_S_MAX):
                await self._turns.acquire()
                ending.callback(self._turns.release)
        return ending

    async def _until_alarms_are_in_time(self) -> None:
        until_s = time.monotonic() + WAIT_S_MAX
        # Another process's loop: there is nothing to be told by.
        while self._punctuality.late_s > LATE_S and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
