"""The outbox: notices in the order they were written, each delivered at least once.

A notice is a row that was committed together with the transition behind it, so none is forgotten
by a crash. A consumer keeps its own cursor in the store; a notice may be delivered twice when the
service stops between the delivery and the mark, so receivers go by its id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog

from domain.alarm import Notice
from domain.catalogue import Catalogue
from domain.texts import alarm_text

ROWS_MAX = 100
RETRY_S_MIN = 1.0
RETRY_S_MAX = 300.0
# Somebody else may have written a row: a standby, or a tool. Ours are announced by `wake`.
LOOK_AGAIN_S = 30.0


class DeliveryError(Exception):
    """A delivery that failed; ``permanent`` where trying again cannot help."""

    def __init__(self, problem: str, *, permanent: bool) -> None:
        super().__init__(problem)
        self.permanent = permanent


class OutboxRow(Protocol):
    """One row of the outbox, as the store gives it."""

    @property
    def number(self) -> int:
        """The row's place in the outbox, rising."""
        ...

    @property
    def notice(self) -> Notice:
        """What is to be told."""
        ...


class OutboxStore(Protocol):
    """Where the rows are, and each consumer's cursor among them."""

    async def outbox(self, consumer: str, limit: int) -> Sequence[OutboxRow]:
        """Return the next rows that the consumer has not marked done, in order."""
        ...

    async def outbox_done(self, consumer: str, number: int) -> None:
        """Mark all rows up to ``number`` done for the consumer."""
        ...


Deliver = Callable[[Notice], Awaitable[None]]


class OutboxConsumer:
    """Takes one consumer's rows in order, and delivers each before it looks at the next.

    A delivery that fails for the time being is tried again, waiting 1 s and twice as long each
    time up to 5 min, and holds back those behind it; one that fails for good is logged, counted in
    ``undeliverable``, and passed over. Errors of the store are the supervisor's.
    """

    def __init__(
        self,
        store: OutboxStore,
        consumer: str,
        deliver: Deliver,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._consumer = consumer
        self._deliver = deliver
        self._pause = pause
        self._news = asyncio.Event()
        self._last_id: str | None = None
        self._log: Any = structlog.get_logger("outbox").bind(consumer=consumer)
        self.delivered = 0
        self.undeliverable = 0

    def wake(self) -> None:
        """Say that there may be new rows; called after a commit that wrote notices."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._news.clear()  # before looking: what is written while we look wakes us again
            if not await self.drain():
                await self._wait_for_news()

    async def drain(self) -> int:
        """Deliver what is there, up to `ROWS_MAX` rows; return how many there were."""
        rows = await self._store.outbox(self._consumer, ROWS_MAX)
        for row in rows:
            # After an error of the store the row comes again, though its delivery was done.
            if row.notice.id != self._last_id:
                await self._deliver_or_pass_over(row.notice)
                self._last_id = row.notice.id
            await self._store.outbox_done(self._consumer, row.number)
        return len(rows)

    async def _deliver_or_pass_over(self, notice: Notice) -> None:
        """Return when the notice is delivered, or cannot be."""
        retry_s = RETRY_S_MIN
        while True:
            try:
                await self._deliver(notice)
            except DeliveryError as error:
                if error.permanent:
                    self.undeliverable += 1
                    self._log.error("notice undeliverable", notice=notice.id, problem=str(error))
                    return
                self._log.warning(
                    "delivery failed", notice=notice.id, problem=str(error), retry_s=retry_s
                )
                await self._pause(retry_s)
                retry_s = min(2 * retry_s, RETRY_S_MAX)
            else:
                self.delivered += 1
                return

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._news.wait()
        except TimeoutError:
            return


def log_delivery(catalogue: Callable[[], Catalogue]) -> Deliver:
    """Return the delivery into the service's log; ``catalogue`` gives the active one, for names."""
    log: Any = structlog.get_logger("alarm")

    async def deliver(notice: Notice) -> None:
        alarm = notice.alarm
        text = alarm_text(alarm, catalogue())
        write = log.warning if alarm.active else log.info
        write(
            text.en,
            text_zh=text.zh,
            notice=notice.id,
            alarm=alarm.id,
            channel=alarm.channel,
            condition=alarm.condition.value,
            grade=alarm.grade.word,
            peak_grade=alarm.peak_grade.word,
            active=alarm.active,
            instrument=alarm.instrument,
            delayed=alarm.delayed,
        )

    return deliver
