"""Lifeline watches itself: what its own alerts are made of (deploy/prometheus/alerts.yml).

The health checks and the outbox are asked every few seconds by a task of their own, so that showing
the metrics waits for nothing; the rest is read when the metrics are.
"""

import asyncio
import ctypes
import time
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from api.ports import Check
from domain.accounting import Accounts, Unit, by_fate, frames_balance, readings_balance
from service.evaluator import GatewayState
from service.settings import ROOT, Settings

LOOK_INTERVAL_S = 5.0
STATE_TIMEOUT_S = 5.0
_TIME_ERROR = 5  # what adjtimex(2) returns while the clock is not synchronised
_TIMEX_BYTES = 512  # more than struct timex has on any platform
_LIBC = ctypes.CDLL(None, use_errno=True)

log = structlog.get_logger(__name__)


class Health(Protocol):
    """Says how the service is."""

    async def ready(self) -> Sequence[Check]:
        """Return the checks."""
        ...


class TimedThread(ThreadPoolExecutor):
    """A thread that knows for how long it was busy: whoever has no rest soon falls behind."""

    def __init__(self, name: str) -> None:
        super().__init__(1, name)
        self.busy_s = 0.0

    def submit(self, call: Callable[..., Any], /, *given: Any, **named: Any) -> Any:
        """Run ``call`` in the thread, and count its seconds."""

        def timed() -> Any:
            began_s = time.perf_counter()
            try:
                return call(*given, **named)
            finally:
                self.busy_s += time.perf_counter() - began_s

        return super().submit(timed)


class Watch:
    """Asks for the checks and the outbox now and then, and keeps the answers."""

    def __init__(self, health: Health, waiting: Callable[[], Awaitable[dict[str, int]]]) -> None:
        self._health = health
        self._waiting = waiting
        self.checks: Sequence[Check] = ()
        self.waiting: dict[str, int] = {}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Ask once; where the state database is away, what is known of the outbox stays."""
        self.checks = await self._health.ready()
        try:
            async with asyncio.timeout(STATE_TIMEOUT_S):
                self.waiting = await self._waiting()
        except (TimeoutError, SQLAlchemyError):
            log.debug("the outbox was not asked: the state database is away")


class SelfCollector(Collector):
    """The metrics of the service as a process: checks, clock, threads, snapshot, books."""

    def __init__(
        self,
        settings: Settings,
        watch: Watch,
        *,
        ledger: Callable[[], Accounts],
        gateways: Callable[[], dict[str, GatewayState]],
        snapshot_age_s: Callable[[], float],
        judged_s: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._ledger = ledger
        self._gateways = gateways
        self._snapshot_age_s = snapshot_age_s
        self._judged_s = judged_s

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of this moment."""
        yield _labelled("build_info", "The version that runs.", "version", {_version(): 1})
        checks = {check.name: int(check.ok) for check in self._watch.checks}
        yield _labelled("check_ok", "1 while the health check is well.", "check", checks)
        waiting = self._watch.waiting
        yield _labelled("outbox_waiting", "Notices to be delivered.", "consumer", waiting)
        yield _labelled("gateways", "Gateways by their own word.", "state", self._states())
        unbalanced = unbalanced_gateways(self._ledger())
        yield _gauge("unbalanced_gateways", "Gateways whose books do not balance.", unbalanced)
        yield _gauge(
            "snapshot_age_seconds", "Since the newest snapshot was written.", self._snapshot_age_s()
        )
        yield CounterMetricFamily(
            "lifeline_judging_seconds", "Time spent on judging.", value=self._judged_s()
        )
        maximum = self._settings.journal_bytes_max
        yield _gauge("journal_bytes_max", "The size that the journal is kept to.", maximum)
        yield from _clock()

    def _states(self) -> dict[str, int]:
        words = {True: "online", False: "offline", None: "unknown"}
        counts = Counter(words[state.online] for state in self._gateways().values())
        return {word: counts[word] for word in words.values()}


@cache
def _version() -> str:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(document["project"]["version"])


def unbalanced_gateways(ledger: Accounts) -> int:
    """Return how many gateways have books that do not add up."""
    books: dict[str, Accounts] = {}
    for account, count in ledger.items():
        books.setdefault(account.gateway, Counter())[account] = count
    return sum(
        not (
            frames_balance(by_fate(book, Unit.FRAMES))
            and readings_balance(by_fate(book, Unit.READINGS))
        )
        for book in books.values()
    )


def clock_synchronised() -> bool | None:
    """Return whether the kernel holds its clock for right; ``None`` where it may not be asked."""
    state = _LIBC.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR


def _clock() -> Iterable[Metric]:
    yield _gauge("clock_seconds", "The service's time, UNIX seconds.", time.time())
    synchronised = clock_synchronised()
    if synchronised is not None:
        yield _gauge("clock_synchronised", "1 while the clock is kept right.", synchronised)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"lifeline_{name}", meaning, value=value)


def _labelled(name: str, meaning: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"lifeline_{name}", meaning, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family
