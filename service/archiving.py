"""Readings on their way to the archive: a bounded queue, and a catch-up from the journal.

The archive is a consumer like any other, with its own cursor. As long as it keeps up it is fed from
memory; when the queue is full the queue is let go, and a second evaluator, restored from a snapshot
at or before the archive's cursor, makes the same readings again from the journal, until the archive
stands where the live evaluator does.
"""

import asyncio
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from domain.accounting import Accounts, Fate, Unit
from domain.journal import Rows
from domain.readings import Readings
from service.evaluator import Evaluator, Step
from service.threads import patient_threads
from storage.archive import ArchiveError, RefusedReading, TakeRefused, nobody_takes

FLUSH_ROWS = 122_880  # a row group of DuckDB
FLUSH_INTERVAL_S = 1.0
QUEUE_ROWS_MAX = 8_000_000
QUEUE_BYTES_MAX = 192 << 20
READING_BYTES, OFFER_BYTES = 21, 2_000  # four columns; and the objects around those of one step
COUNTS_KEPT = 1_000
RETRY_S, RETRY_S_MAX = 0.5, 30.0
RETRY_AFTER_S_MAX = 300.0

log = structlog.get_logger(__name__)


class Archive(Protocol):
    """What is needed of an archive: synchronous, called in one thread."""

    @property
    def ready(self) -> bool:
        """Whether its cursor is known; False while its server has not been reached yet."""
        ...

    @property
    def cursor(self) -> int:
        """The last journal row whose readings are durably in."""
        ...

    @property
    def write_rows_max(self) -> int:
        """How many readings one write had best have."""
        ...

    def connect(self) -> None:
        """Become ready."""
        ...

    def write(self, last_seq: int, readings: list[Readings], refused: TakeRefused) -> None:
        """Take the readings up to a journal row; hand over what it will never take."""
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
    offered_s: float

    @property
    def bytes(self) -> int:
        """About what it holds in memory."""
        return OFFER_BYTES + READING_BYTES * self.row_count


@dataclass(slots=True)
class Replay:
    """A catch-up under way: it goes on where it stood when the archive fails in the middle."""

    evaluator: Evaluator
    waiting: list[Readings]
    row_count: int = 0

    def take(self, rows: Rows) -> None:
        """Make the readings of some rows again."""
        step = self.evaluator.step(rows)
        self.waiting += step.readings
        self.row_count += step.row_count

    def forget(self) -> None:
        """Let go what is written."""
        self.waiting, self.row_count = [], 0


class Archiver:
    """Feeds an archive from steps offered, in order, and catches up by itself.

    ``shadow(seq)`` returns an evaluator that stands at or before row ``seq``. ``housekeep`` does one
    step of the archive's housekeeping, in its thread; the archive's own where it is left out. The end
    waits ``finish_s`` for what is under way: a server may hang, an archive in files ends by itself.
    """

    def __init__(
        self,
        archive: Archive,
        shadow: Callable[[int], Evaluator],
        read_span: Span,
        *,
        housekeep: Callable[[], bool] | None = None,
        refused: TakeRefused = nobody_takes,
        committed_seq: int = 0,
        queue_rows_max: int = QUEUE_ROWS_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        finish_s: float | None = None,
    ) -> None:
        self._archive = archive
        self._shadow = shadow
        self._read_span = read_span
        self._housekeep = housekeep or archive.maintain
        self._refused = refused
        self._queue_rows_max = queue_rows_max
        self._queue_bytes_max = queue_bytes_max
        self._finish_s = finish_s
        self._queue: deque[Offer] = deque()
        self._queued_rows = self._queued_bytes = 0
        # Rows up to here are taken from the journal: of an archive that nobody has reached yet, all.
        self._from_journal_seq = 0 if archive.ready else committed_seq
        self._offered_seq = committed_seq
        self._taken_seq = archive.cursor if archive.ready else 0  # what it said that it has
        self._replay: Replay | None = None
        self._wake = asyncio.Event()
        if not archive.ready:
            self._wake.set()
        self._stopping = threading.Event()
        self._thread = patient_threads("archive", 1)
        self.overflows = self.writes = self.errors = self.refused = 0
        self.failures = 0  # since the last success
        self.away_since_s: float | None = None  # by the wall's clock
        self.last_error = ""

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

    @property
    def lag_rows(self) -> int:
        """How many journal rows the archive is behind what is judged."""
        return max(0, self._offered_seq - self._archive.cursor)

    @property
    def lag_s(self) -> float:
        """How long the oldest reading has waited that is not in the archive."""
        queue = self._queue
        return time.monotonic() - queue[0].offered_s if queue else 0.0

    def pending(self, seq: int) -> Accounts:
        """Return the readings of rows up to ``seq`` that are not yet in the archive, by gateway."""
        pending: Accounts = Counter()
        for offer in list(self._queue):
            if offer.last_seq <= seq:
                pending.update(offer.stored)
        return pending

    def offer(self, step: Step) -> None:
        """Take a step's readings without waiting; see ``service.pipeline.Sink``."""
        self._offered_seq = step.last_seq
        if step.last_seq <= self._archive.cursor:
            return
        stored = Counter(
            {
                account: count
                for account, count in step.accounts.items()
                if account.unit is Unit.READINGS and account.fate is Fate.STORED
            }
        )
        offer = Offer(step.last_seq, step.readings, step.row_count, stored, time.monotonic())
        self._queue.append(offer)
        self._queued_rows += offer.row_count
        self._queued_bytes += offer.bytes
        if self._queued_rows > self._queue_rows_max or self._queued_bytes > self._queue_bytes_max:
            self._let_go()
        self._wake.set()

    def _let_go(self) -> None:
        """Drop the readings that the journal has, too, and keep what is counted."""
        log.warning("the archive is behind and will catch up from the journal")
        self.overflows += 1
        self._from_journal_seq = self._queue[-1].last_seq
        for offer in self._queue:
            offer.readings, offer.row_count = [], 0
        self._queued_rows = self._queued_bytes = 0
        # Only the newest counts are asked for by row: those that may not be committed yet.
        while len(self._queue) > COUNTS_KEPT:
            oldest = self._queue.popleft()
            oldest.stored.update(self._queue[0].stored)
            self._queue[0].stored = oldest.stored
            self._queue[0].offered_s = oldest.offered_s

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
                self._wake.set()
                await asyncio.sleep(self._note_failure(error))

    def _note_failure(self, error: ArchiveError) -> float:
        """Remember what went wrong, and return how long to wait: longer each time, never the same."""
        self.errors += 1
        self.failures += 1
        self.last_error = str(error)
        if self.away_since_s is None:
            self.away_since_s = time.time()
        pause_s = min(RETRY_S * 2.0 ** min(self.failures - 1, 16), RETRY_S_MAX)
        pause_s *= random.uniform(0.5, 1.0)  # noqa: S311  so that not all come back at once
        pause_s = max(pause_s, min(error.retry_after_s, RETRY_AFTER_S_MAX))
        log.error(
            "the archive refuses, trying again",
            error=str(error),
            pause_s=round(pause_s, 1),
            failures=self.failures,
        )
        return pause_s

    def _note_success(self) -> None:
        self.writes += 1
        self.failures = 0
        if self.away_since_s is not None:
            away_s = round(time.time() - self.away_since_s, 1)
            log.warning("the archive is back", away_s=away_s, rows_behind=self.lag_rows)
            self.away_since_s, self.last_error = None, ""

    async def _maintain(self) -> None:
        """Do one step of housekeeping, and another the next time where there is more."""
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(self._thread, self._housekeep):
            self._wake.set()

    async def flush(self) -> None:
        """Write everything offered so far."""
        if not self._archive.ready:
            await self._in_thread(self._archive.connect)
        self._take_again_what_was_lost()
        if self.behind:
            await self._in_thread(self._catch_up)
        self._forget(self._archive.cursor)
        while self._queue and not self.behind:
            offers = self._next_write()
            readings = [each for offer in offers for each in offer.readings]
            write = partial(self._write, offers[-1].last_seq, readings)
            await self._in_thread(write)
            self._forget(self._archive.cursor)

    def _take_again_what_was_lost(self) -> None:
        """Take from the journal what a server came back without; see ``InfluxArchive.write``."""
        if self._archive.cursor < self._taken_seq:
            log.error(
                "the archive lost rows that it had taken; they are taken from the journal again",
                from_row=self._archive.cursor + 1,
                to_row=self._taken_seq,
            )
            self._from_journal_seq = max(self._from_journal_seq, self._taken_seq)
            self._replay = None
        self._taken_seq = self._archive.cursor

    def refuse_with(self, take: TakeRefused) -> None:
        """Hand what the archive refuses for good to ``take``."""
        self._refused = take

    def keep_house_with(self, step: Callable[[], bool]) -> None:
        """Have ``step`` do the housekeeping, in the archive's thread."""
        self._housekeep = step

    def expect(self, seq: int) -> None:
        """Take what the archive lacks up to row ``seq`` from the journal: nobody offered it."""
        self._from_journal_seq = max(self._from_journal_seq, seq)
        self._offered_seq = max(self._offered_seq, seq)
        self._wake.set()

    async def finish(self) -> None:
        """Write what waits in memory, at an orderly stop; a catch-up is left to the next start.

        Raises ``ArchiveError`` where the archive does not answer.
        """
        self._stopping.set()
        try:
            async with asyncio.timeout(self._finish_s):
                await self._in_thread(lambda: None)  # what is under way ends first
        except TimeoutError:
            raise ArchiveError("the archive does not answer", permanent=False) from None
        if self._archive.ready and not self.behind and self.away_since_s is None:
            await self.flush()

    def close(self) -> None:
        """Let the archive's thread end; one that waits for a server that hangs is not waited for."""
        self._stopping.set()
        idle = self._thread.submit(lambda: None)
        wait([idle], self._finish_s)
        self._thread.shutdown(wait=idle.done(), cancel_futures=True)

    async def _in_thread(self, call: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _write(self, last_seq: int, readings: list[Readings]) -> None:
        self._archive.write(last_seq, readings, self._take_refused)
        self._taken_seq = max(self._taken_seq, self._archive.cursor)
        self._note_success()

    def _take_refused(self, refused: Sequence[RefusedReading]) -> None:
        self._refused(refused)
        self.refused += len(refused)

    def _next_write(self) -> list[Offer]:
        offers: list[Offer] = []
        rows = 0
        for offer in self._queue:
            if offers and rows + offer.row_count > self._archive.write_rows_max:
                break
            offers.append(offer)
            rows += offer.row_count
        return offers

    def _forget(self, seq: int) -> None:
        while self._queue and self._queue[0].last_seq <= seq:
            offer = self._queue.popleft()
            self._queued_rows -= offer.row_count
            # What was let go is not counted any more.
            self._queued_bytes = max(0, self._queued_bytes - offer.bytes)

    def _catch_up(self) -> None:
        """Write from the journal what was let go; runs in the archive's thread."""
        if self._replay is None:
            self._replay = Replay(self._shadow(self._archive.cursor), [])
        replay = self._replay
        if not replay.evaluator.whole:  # a step was broken off: its state is of no row
            self._replay = None
            raise ArchiveError("the catch-up was broken off and begins anew", permanent=False)
        self._write_replayed(replay)
        while self.behind and not self._stopping.is_set():
            until_seq = self._from_journal_seq
            for rows in self._read_span(replay.evaluator.seq, until_seq):
                replay.take(rows)
                if replay.row_count >= min(FLUSH_ROWS, self._archive.write_rows_max):
                    self._write_replayed(replay)
                if self._stopping.is_set():
                    return
            self._write_replayed(replay, until_seq)
        self._replay = None

    def _write_replayed(self, replay: Replay, until_seq: int = 0) -> None:
        """Write what waits; where that fails it goes on waiting, and nothing is made anew."""
        if replay.row_count or until_seq:
            self._write(max(replay.evaluator.seq, until_seq), replay.waiting)
            replay.forget()
