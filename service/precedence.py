"""Alarms first: while the service's own loop is late, requests wait a little before they begin.

The interface has a loop of its own, but both share one interpreter. A crowd at the interface can ask for
more Python than there is; what it gets too much of, the way of an alarm would lack.
"""

import asyncio
import time
from contextlib import ExitStack, suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BEAT_S = 0.01
LATE_S = 0.03
WAIT_S_MAX = 1.0
LOOK_S = 0.02
TURNS, TURN_WAIT_S_MAX = 4, 5.0
AT_ONCE = ("/health", "/api/v1/events")


class Punctuality:
    """How late the service's loop is; ``beat`` runs on it, ``late_s`` is asked from anywhere."""

    def __init__(self) -> None:
        self._beaten_s = time.monotonic()

    async def beat(self) -> None:
        """Say for ever that the loop is there."""
        while True:
            await asyncio.sleep(BEAT_S)
            self._beaten_s = time.monotonic()

    @property
    def late_s(self) -> float:
        """By how much the last beat is overdue."""
        return max(0.0, time.monotonic() - self._beaten_s - BEAT_S)


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
        # Another thread's loop: there is nothing to be told by.
        while self._punctuality.late_s > LATE_S and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
