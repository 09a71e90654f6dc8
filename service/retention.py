"""The task that removes what is old and done from the state database, a little at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import structlog

from domain.time import NS_PER_S
from service.settings import Settings
from storage.retention import remove_alarms, remove_audit, remove_notices
from storage.state import StateEngine

INTERVAL_S = 3_600.0
STEP_PAUSE_S = 0.1  # between two steps, so that commits do not wait
STEP_ROWS = 500
NS_PER_DAY = 86_400 * NS_PER_S

log = structlog.get_logger(__name__)

Step = Callable[[], Awaitable[int]]


class Retention:
    """Keeps the settings' word about how long notices, alarms and the audit stay."""

    def __init__(
        self,
        state: StateEngine,
        settings: Settings,
        consumers: Callable[[], list[str]],
        now_ns: Callable[[], int],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._settings = settings
        self._consumers = consumers
        self._now_ns = now_ns
        self._pause = pause

    async def run(self) -> None:
        """Remove each hour, for ever."""
        while True:
            await self._pause(INTERVAL_S)
            await self.remove()

    async def remove(self) -> dict[str, int]:
        """Remove all that is due, and return how many rows of each kind went."""
        removed = {}
        for name, step in self._steps():
            total = 0
            while count := await step():
                total += count
                await self._pause(STEP_PAUSE_S)
            removed[name] = total
        if any(removed.values()):
            log.info("removed what is old", **removed)
        return removed

    def _steps(self) -> Iterator[tuple[str, Step]]:
        settings, state = self._settings, self._state
        yield (
            "notices",
            lambda: remove_notices(
                state,
                self._consumers(),
                self._days_ago_ns(settings.outbox_days),
                self._days_ago_ns(settings.outbox_days_max),
                STEP_ROWS,
            ),
        )
        alarms_days, audit_days = settings.transitions_days, settings.audit_days
        if alarms_days is not None:
            before_ns = self._days_ago_ns(alarms_days)
            yield "transitions", lambda: remove_alarms(state, before_ns, STEP_ROWS)
        if audit_days is not None:
            audit_ns = self._days_ago_ns(audit_days)
            yield "audit", lambda: remove_audit(state, audit_ns, STEP_ROWS)

    def _days_ago_ns(self, days: float) -> int:
        return self._now_ns() - round(days * NS_PER_DAY)
