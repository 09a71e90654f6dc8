"""Alarms first: while the service's own loop is late, requests wait a little before they begin.

The interface has a loop of its own, but both share one interpreter. A crowd at the interface can ask for
more Python than there is; what it gets too much of, the way of an alarm would lack.
"""

import asyncio
import time

from starlette.types import ASGIApp, Receive, Scope, Send

BEAT_S = 0.01
LATE_S = 0.03
WAIT_S_MAX = 1.0
LOOK_S = 0.02
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


class AlarmsFirst:
    """Has a request wait, a second at most, while alarms are held up; health and events go at once."""

    def __init__(self, app: ASGIApp, punctuality: Punctuality) -> None:
        self._app = app
        self._punctuality = punctuality

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not scope["path"].startswith(AT_ONCE):
            until_s = time.monotonic() + WAIT_S_MAX
            # Another thread's loop: there is nothing to be told by.
            while self._punctuality.late_s > LATE_S and time.monotonic() < until_s:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
        await self._app(scope, receive, send)
