"""Delivers the outbox to one endpoint; begin reading at ``WebhookConsumer.run``.

Each notice at least once: the mark is written after the delivery, so a stop in between delivers it
again, under the same id. Endpoints know nothing of one another.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from alerting.outbox import LOOK_AGAIN_S, OutboxRow
from alerting.webhook.backlog import Backlog, Pending
from alerting.webhook.body import BodyWriter, ToldRow
from alerting.webhook.sender import NS_PER_S, Endpoint, Failure, Trouble
from domain.alarm import Alarm

ROWS_MAX = 100
OUTAGE_S = 60.0


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A notice that fails alone, for the dead letters."""

    number: int
    attempts: int
    error: str
    first_tried_ns: int
    last_tried_ns: int


class WebhookStore(Protocol):
    """The outbox, and what is kept of endpoints."""

    async def begin(self, consumer: str) -> int:
        """Return the consumer's cursor; a new one begins at the newest row."""
        ...

    async def rows_after(self, number: int, limit: int) -> Sequence[OutboxRow]:
        """Return the outbox's rows after ``number``, in order."""
        ...

    async def told(self, number: int) -> ToldRow | None:
        """Return one row with its transition; ``None`` where it is no longer there."""
        ...

    async def mark(self, consumer: str, number: int, given_up: Sequence[GivenUp]) -> None:
        """Keep those given up, and mark all rows up to ``number`` done, in one transaction."""
        ...

    async def is_disabled(self, name: str, url: str) -> bool:
        """Return whether the endpoint said at this address that it is gone."""
        ...

    async def disable(self, name: str, url: str, now_ns: int) -> None:
        """Keep that the endpoint is gone."""
        ...

    async def enable(self, name: str) -> None:
        """Forget that the endpoint was gone."""
        ...


@dataclass(slots=True)
class Status:
    """How an endpoint is. Times are 0 for never; ``oldest_ns`` is 0 where nothing waits."""

    state: str = "starting"  # starting, working, failing, disabled
    cursor: int = 0
    waiting: int = 0
    oldest_ns: int = 0
    last_success_ns: int = 0
    failing_since_ns: int = 0
    last_error: str = ""
    last_error_ns: int = 0
    catching_up: bool = False
    delivered: int = 0
    failures: int = 0
    given_up: int = 0
    superseded: int = 0


Send = Callable[[str, str], Awaitable[int]]


class WebhookConsumer:
    """One endpoint's consumer. Errors of the store are the supervisor's."""

    def __init__(
        self,
        store: WebhookStore,
        endpoint: Endpoint,
        send: Send,
        writer: BodyWriter,
        now_ns: Callable[[], int],
        *,
        pause: Callable[[float], Awaitable[None]] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._send = send
        self._writer = writer
        self._now_ns = now_ns
        self._pause = pause or self._rest
        self._jitter = jitter
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._backlog = Backlog(0)
        self._log: Any = structlog.get_logger("webhook").bind(webhook=endpoint.name)
        self.status = Status()

    def wake(self) -> None:
        """Say that there may be new rows; called after a commit that wrote notices."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for ever."""
        await self.open()
        while True:
            self._news.clear()  # before looking: what is written while we look wakes us again
            pause_s = await self.advance()
            if pause_s is None:
                await self._wait_for_news()
            elif pause_s:
                await self._pause(pause_s)

    async def open(self) -> None:
        """Go to where the last run stopped; a new endpoint begins with what comes from now on."""
        self._backlog = Backlog(await self._store.begin(self._endpoint.consumer))
        self.status.cursor = self._backlog.cursor
        if await self._store.is_disabled(self._endpoint.name, self._endpoint.url):
            self._say_disabled()
            return
        self.status.state = "working"
        if await self._read() == ROWS_MAX:
            self._backlog.catch_up()  # away for long: newest and worst first

    async def advance(self) -> float | None:
        """Try one notice; return how long to pause then, ``None`` where nothing is to be done."""
        if self.status.state == "disabled":
            return None
        await self._read()
        entry = self._backlog.next()
        if entry is None:
            await self._mark([])
            return None
        told = await self._store.told(entry.number)
        if told is None:
            self._log.error("notice removed before it was delivered", number=entry.number)
            self._backlog.drop(entry)  # older than the outbox keeps
            return 0.0
        self.status.oldest_ns = self.status.oldest_ns or _recorded_ns(told)
        return await self._try(entry, told)

    async def _read(self) -> int:
        """Read on: a little while in order, all there is while catching up."""
        backlog = self._backlog
        count = 0
        while backlog.catching_up or len(backlog) < ROWS_MAX:
            rows = await self._store.rows_after(backlog.read_to, ROWS_MAX)
            for row in rows:
                self._take(row)
            count += len(rows)
            if len(rows) < ROWS_MAX or not backlog.catching_up:
                break
        self._show()
        return count

    def _take(self, row: OutboxRow) -> None:
        alarm = row.notice.alarm
        if self._wants(alarm):
            self._backlog.add(row.number, alarm.id, alarm.grade)
        else:
            self._backlog.skip_to(row.number)

    def _wants(self, alarm: Alarm) -> bool:
        endpoint = self._endpoint
        kinds = endpoint.facility_kinds
        return (
            alarm.peak_grade >= endpoint.grade_min
            and (not kinds or alarm.facility_kind in kinds)
            and (endpoint.faults or not alarm.instrument)
        )

    async def _try(self, entry: Pending, told: ToldRow) -> float:
        now_ns = self._now_ns()
        entry.first_tried_ns = entry.first_tried_ns or now_ns
        entry.last_tried_ns = now_ns
        try:
            await self._send(told.notice.id, self._write(told, entry))
        except Failure as failure:
            return await self._failed(entry, failure)
        await self._delivered(entry)
        return 0.0

    def _write(self, told: ToldRow, entry: Pending) -> str:
        return self._writer.write(told, self._backlog.behind(entry))

    async def _delivered(self, entry: Pending) -> None:
        status = self.status
        if status.failing_since_ns:
            self._log.info("endpoint works again", waiting=len(self._backlog))
        status.state, status.failing_since_ns, status.oldest_ns = "working", 0, 0
        status.delivered += 1
        status.last_success_ns = self._now_ns()
        await self._mark(self._backlog.delivered(entry))

    async def _failed(self, entry: Pending, failure: Failure) -> float:
        status, now_ns = self.status, self._now_ns()
        status.failures += 1
        status.last_error, status.last_error_ns = str(failure), now_ns
        entry.error = str(failure)
        if failure.trouble is Trouble.GONE:
            await self._store.disable(self._endpoint.name, self._endpoint.url, now_ns)
            self._say_disabled()
            return 0.0
        if not status.failing_since_ns:
            status.failing_since_ns = now_ns
        status.state = "failing"
        given_up = self._backlog.failed(
            entry,
            reached=failure.trouble is not Trouble.UNREACHABLE,
            refused=failure.trouble is Trouble.REFUSED,
        )
        if given_up:
            status.state, status.failing_since_ns, status.oldest_ns = "working", 0, 0
        elif now_ns - status.failing_since_ns >= OUTAGE_S * NS_PER_S:
            self._backlog.catch_up()
        await self._mark(given_up)
        pause_s = self._backlog.pause_s(self._jitter(), failure.retry_after_s)
        self._log.warning(
            "delivery failed", number=entry.number, problem=str(failure), pause_s=round(pause_s, 1)
        )
        return pause_s

    async def _mark(self, given_up: Sequence[Pending]) -> None:
        """Write down how far we are, where that has changed."""
        cursor = self._backlog.cursor
        if given_up or cursor > self.status.cursor:
            letters = [
                GivenUp(one.number, one.attempts, one.error, one.first_tried_ns, one.last_tried_ns)
                for one in given_up
            ]
            await self._store.mark(self._endpoint.consumer, cursor, letters)
        for one in given_up:
            self.status.given_up += 1
            self._log.error("notice given up", number=one.number, problem=one.error)
        self.status.cursor = cursor
        self._show()

    def _show(self) -> None:
        self.status.waiting = len(self._backlog)
        self.status.catching_up = self._backlog.catching_up
        self.status.superseded = self._backlog.superseded
        if not self.status.waiting:
            self.status.oldest_ns = 0

    def _say_disabled(self) -> None:
        self.status.state = "disabled"
        self._log.error(
            "the endpoint answered 410 and gets nothing more; a test that succeeds, "
            "or another address, enables it again"
        )

    async def reached(self) -> None:
        """Note that the endpoint was reached by other means, as by a test: go on at once."""
        if self.status.state == "disabled":
            await self._store.enable(self._endpoint.name)
            self.status.state = "working"
            self._log.info("endpoint enabled again")
        self._hurry.set()
        self._news.set()

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._news.wait()
        except TimeoutError:
            return

    async def _rest(self, seconds: float) -> None:
        """Pause, unless the endpoint turns out to be there."""
        self._hurry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return


def _recorded_ns(told: ToldRow) -> int:
    transition = told.transition
    return transition.recorded_ns if transition is not None else told.notice.alarm.active_since_ns
