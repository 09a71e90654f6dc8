"""Readings on their way to the archive: a bounded queue, and a catch-up from the journal.

The archive is a consumer like any other, with its own cursor. As long as it keeps up it is fed from
memory; when the queue is full the queue is let go, and a second evaluator, restored from a snapshot
at or before the archive's cursor, makes the same readings again from the journal, until the archive
stands where the live evaluator does.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from domain.accounting import Accounts, Fate, Unit
from domain.journal import Rows
from domain.readings import Readings
from service.evaluator import Evaluator, Step
from storage.archive import ArchiveError

FLUSH_ROWS = 122_880  # a row group of DuckDB
FLUSH_INTERVAL_S = 1.0
WRITE_ROWS_MAX = 8 * FLUSH_ROWS
QUEUE_ROWS_MAX = 8_000_000  # about 170 MB
RETRY_S = 1.0

log = structlog.get_logger(__name__)


class Archive(Protocol):
    """What is needed of an archive: synchronous, called in one thread."""

    @property
    def cursor(self) -> int:
        """The last journal row whose readings are durably in."""
        ...

    def write(self, last_seq: int, readings: list[Readings]) -> None:
        """Take the readings up to a journal row, in one transaction."""
        ...

    def maintain(self) -> bool:
        """Do a bounded step of housekeeping; return whether there is more to do."""
        ...


class Span(Protocol):
    """Reads a span of the journal."""

    def __call__(self, after_seq: int, last_seq: int) -> Iterator[Rows]:
        """Return the rows after ``after_seq`` up to ``last_seq``."""
        ...


@dataclass(slots=True)
class Offer:
    """What one step has for the archive; ``readings`` is let go where memory runs short."""

    last_seq: int
    readings: list[Readings]
    row_count: int
    stored: Accounts


class Archiver:
    """Feeds an archive from steps offered, in order, and catches up by itself.

    ``shadow(seq)`` returns an evaluator that stands at or before row ``seq``.
    """

    def __init__(
        self,
        archive: Archive,
        shadow: Callable[[int], Evaluator],
        read_span: Span,
        *,
        queue_rows_max: int = QUEUE_ROWS_MAX,
    ) -> None:
        self._archive = archive
        self._shadow = shadow
        self._read_span = read_span
        self._queue_rows_max = queue_rows_max
        self._queue: deque[Offer] = deque()
        self._queued_rows = 0
        self._from_journal_seq = 0  # rows up to here are taken from the journal
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "archive")
        self.overflows = 0

    @property
    def cursor(self) -> int:
        """The last journal row whose readings are durably in the archive."""
        return self._archive.cursor

    @property
    def behind(self) -> bool:
        """True while the archive catches up from the journal."""
        return self._archive.cursor < self._from_journal_seq

    @property
    def queued_rows(self) -> int:
        """How many readings wait in memory."""
        return self._queued_rows

    def pending(self, seq: int) -> Accounts:
        """Return the readings of rows up to ``seq`` that are not yet in the archive, by gateway."""
        pending: Accounts = Counter()
        for offer in list(self._queue):
            if offer.last_seq <= seq:
                pending.update(offer.stored)
        return pending

    def offer(self, step: Step) -> None:
        """Take a step's readings without waiting; see ``service.pipeline.Sink``."""
        if step.last_seq <= self._archive.cursor:
            return
        stored = Counter(
            {
                account: count
                for account, count in step.accounts.items()
                if account.unit is Unit.READINGS and account.fate is Fate.STORED
            }
        )
        self._queue.append(Offer(step.last_seq, step.readings, step.row_count, stored))
        self._queued_rows += step.row_count
        if self._queued_rows > self._queue_rows_max:
            self._let_go()
        self._wake.set()

    def _let_go(self) -> None:
        """Drop the readings that the journal has, too, and keep what is counted."""
        log.warning("the archive is behind and will catch up from the journal")
        self.overflows += 1
        for offer in self._queue:
            offer.readings, offer.row_count = [], 0
        self._queued_rows = 0
        self._from_journal_seq = self._queue[-1].last_seq

    async def run(self) -> None:
        """Write what is offered, for ever; what the archive refuses is tried again."""
        while True:
            await self._wake.wait()
            if self._queued_rows < FLUSH_ROWS:
                await asyncio.sleep(FLUSH_INTERVAL_S)  # company makes a write worth its price
            self._wake.clear()
            try:
                await self.flush()
                await self._maintain()
            except ArchiveError as error:
                log.error("the archive refuses, trying again", error=str(error))
                self._wake.set()
                await asyncio.sleep(RETRY_S)

    async def _maintain(self) -> None:
        """Do one step of housekeeping, and another the next time where there is more."""
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(self._thread, self._archive.maintain):
            self._wake.set()

    async def flush(self) -> None:
        """Write everything offered so far."""
        if self.behind:
            await self._in_thread(self._catch_up)
        self._forget(self._archive.cursor)
        while self._queue and not self.behind:
            offers = self._next_write()
            readings = [each for offer in offers for each in offer.readings]
            write = partial(self._archive.write, offers[-1].last_seq, readings)
            await self._in_thread(write)
            self._forget(self._archive.cursor)

    def expect(self, seq: int) -> None:
        """Take what the archive lacks up to row ``seq`` from the journal: nobody offered it."""
        if self._archive.cursor < seq:
            self._from_journal_seq = max(self._from_journal_seq, seq)
            self._wake.set()

    def close(self) -> None:
        """Let the archive's thread end."""
        self._thread.shutdown()

    async def _in_thread(self, call: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _next_write(self) -> list[Offer]:
        offers: list[Offer] = []
        rows = 0
        for offer in self._queue:
            if offers and rows + offer.row_count > WRITE_ROWS_MAX:
                break
            offers.append(offer)
            rows += offer.row_count
        return offers

    def _forget(self, seq: int) -> None:
        while self._queue and self._queue[0].last_seq <= seq:
            self._queued_rows -= self._queue.popleft().row_count

    def _catch_up(self) -> None:
        """Write from the journal what was let go; runs in the archive's thread."""
        evaluator = self._shadow(self._archive.cursor)
        while self.behind:
            until_seq = self._from_journal_seq
            waiting: list[Readings] = []
            for rows in self._read_span(evaluator.seq, until_seq):
                waiting += evaluator.step(rows).readings
                if sum(map(len, waiting)) >= FLUSH_ROWS:
                    self._archive.write(evaluator.seq, waiting)
                    waiting = []
            self._archive.write(until_seq, waiting)
