"""The one task that writes the journal in PostgreSQL: group commit, new tables, retention.

It runs in the journal's thread. Whatever breaks the connection, a group is written again, the same
blocks at the same place, until the server has taken it or another instance leads.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from asyncpg import LockNotAvailableError, UniqueViolationError

from domain.journal import Rows
from storage.journal.appending import Pending
from storage.journal.errors import JournalError
from storage.journal.postgres_blocks import Block, BlockTables, Fenced, checksum_of
from storage.journal.tail import Tail
from storage.journal.writer import NS_PER_S, Bounds
from storage.leadership import Leadership
from storage.postgres import SERVER_ERRORS, connect, is_away, pauses_s

T = TypeVar("T")

GROUP_BYTES_MAX = 8 * 1024 * 1024
WRITE_TIMEOUT_S = 10.0
CURSORS_EACH_S = 1.0

_log = structlog.get_logger(__name__)


class PostgresWriter:
    """Writes appends in the order in which they are given. ``run`` is its task."""

    def __init__(
        self,
        dsn: str,
        *,
        tables: BlockTables,
        leadership: Leadership,
        bounds: Bounds,
        tail: Tail,
        clock: Callable[[], int],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._dsn = dsn
        self._tables = tables
        self._leadership = leadership
        self._bounds = bounds
        self._tail = tail
        self._clock = clock
        self._loop = loop
        self._lock = threading.Lock()  # of what waits, and of the cursors
        self._waiting: deque[Pending] = deque()
        self._woken = asyncio.Event()  # in the thread
        self._connection: Any = None
        self._retained_s = self._saved_s = time.monotonic()
        self.cursors: dict[str, int] = {}
        self.cursors_changed = False
        self.closing = False
        self.ended: JournalError | None = None

    def submit(self, pending: Pending) -> None:
        """Queue an append, from any thread; raises ``JournalError`` once the writer has ended."""
        with self._lock:
            if self.closing or self.ended is not None:
                raise self.ended or JournalError("the journal is closed", permanent=True)
            self._waiting.append(pending)
        self._loop.call_soon_threadsafe(self._woken.set)

    def close(self) -> None:
        """Take nothing more; ``run`` ends when all is written. From any thread."""
        with self._lock:
            self.closing = True
        self._loop.call_soon_threadsafe(self._woken.set)

    def set_cursor(self, consumer: str, seq: int | None) -> None:
        """Set a consumer's cursor; ``None`` forgets it. From any thread."""
        with self._lock:
            cursors = {**self.cursors, consumer: seq}
            self.cursors = {name: at for name, at in cursors.items() if at is not None}
            self.cursors_changed = True

    async def run(self) -> None:
        """Write for ever; ends when closed, or with the lead."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CURSORS_EACH_S):
                        await self._woken.wait()
                self._woken.clear()
                while group := self._take():
                    await self._commit(group)
                await self._keep_house()
                if self.closing and not self._waiting:
                    return
        except JournalError as error:
            self.ended = error
            self.fail(error)
        except Exception as error:
            _log.critical("the journal's writer failed", error=repr(error))
            self.ended = JournalError(f"the journal's writer failed: {error!r}", permanent=True)
            self.fail(self.ended)

    def _take(self) -> list[Pending]:
        """Return what waits, up to a bound."""
        group: list[Pending] = []
        size = 0
        with self._lock:
            while self._waiting and size < GROUP_BYTES_MAX:
                group.append(self._waiting.popleft())
                size += sum(len(block.payload) for block in group[-1].encoded)
        return group

    def fail(self, error: JournalError) -> None:
        """Tell all who wait that nothing comes of it."""
        with self._lock:
            left = list(self._waiting)
            self._waiting.clear()
        for pending in left:
            pending.done(0, error)

    async def _commit(self, group: list[Pending]) -> None:
        """Write a group and tell those who wait for it; again until the server takes it."""
        try:
            await self._write(group)
        except BaseException as error:
            known = isinstance(error, JournalError)
            told = error if known else JournalError("the journal was closed", permanent=True)
            for pending in group:
                pending.done(0, told)  # type: ignore[arg-type]
            raise

    async def _write(self, group: list[Pending]) -> None:
        tables, bounds = self._tables, self._bounds
        if not tables.segments or tables.segments[-1].bytes >= bounds.segment_bytes:
            await self._insist(self._new_segment)
        blocks, rows = _lay_out(group, tables.last_seq + 1)
        created_ns = self._clock()

        async def insert(connection: Any) -> None:
            epoch = self._leadership.epoch
            try:
                await tables.insert(connection, epoch, created_ns, blocks)
            except UniqueViolationError:  # an attempt before was committed after all
                if not await tables.has(connection, blocks[0]):
                    message = f"somebody else has written row {blocks[0].first_seq} of the journal"
                    raise JournalError(message, permanent=True) from None

        await self._insist(insert)
        for run, block in zip(rows, blocks, strict=True):
            self._tail.add(run, len(block.payload))
        tables.segments[-1].bytes += sum(len(block.payload) for block in blocks)
        tables.last_seq = blocks[-1].last_seq
        seq = blocks[0].first_seq - 1
        for pending in group:
            seq += sum(len(block.records) for block in pending.encoded)
            pending.done(seq, None)

    async def _new_segment(self, connection: Any) -> None:
        await self._tables.begin_segment(connection, self._leadership.epoch, self._clock())
        await self._retire(connection)

    async def _insist(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Return what ``ask`` does with the writer's connection, for as long as we lead."""
        for pause_s in pauses_s():
            await self._leadership.sure()
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(
                        self._dsn,
                        command_timeout_s=WRITE_TIMEOUT_S,
                        application_name="lifeline journal writer",
                    )
                return await ask(self._connection)
            except Fenced:
                raise self._leadership.lose() from None
            except SERVER_ERRORS as error:
                if not is_away(error):
                    raise
                _log.warning("the journal's database is away; waiting for it", error=str(error))
                self.let_go()
                await asyncio.sleep(pause_s)
        raise AssertionError("pauses do not end")

    def let_go(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _keep_house(self) -> None:
        now_s = time.monotonic()
        if self.cursors_changed and (self.closing or now_s - self._saved_s >= CURSORS_EACH_S):
            with self._lock:
                cursors, self.cursors_changed = self.cursors, False
            await self._insist(
                lambda connection: self._tables.save_cursors(
                    connection, self._leadership.epoch, cursors
                )
            )
            self._saved_s = time.monotonic()
        if now_s - self._retained_s >= self._bounds.retain_each_s:
            await self._insist(self._retire)

    async def _retire(self, connection: Any) -> None:
        """Drop the oldest tables beyond the bounds that every consumer is done with.

        Without a single registered consumer nothing is retired: somebody may be yet to come.
        """
        self._retained_s = time.monotonic()
        tables = self._tables
        floor = min(self.cursors.values(), default=None)
        oldest_ns = self._clock() - round(self._bounds.retain_age_s * NS_PER_S)
        while floor is not None and len(tables.segments) > 1:
            following = tables.segments[1]
            total = sum(segment.bytes for segment in tables.segments)
            beyond = total > self._bounds.retain_bytes or following.created_ns < oldest_ns
            if not beyond or following.first_seq - 1 > floor:
                return
            try:
                await tables.drop_oldest(connection, self._leadership.epoch)
            except LockNotAvailableError:
                return  # somebody reads it: at the next look


def _lay_out(group: list[Pending], first_seq: int) -> tuple[list[Block], list[Rows]]:
    """Return a group as numbered blocks, and as rows."""
    blocks: list[Block] = []
    rows: list[Rows] = []
    seq = first_seq
    for pending in group:
        for encoded in pending.encoded:
            last_seq = seq + len(encoded.records) - 1
            checksum = checksum_of(seq, encoded.payload)
            blocks.append(Block(seq, last_seq, checksum, encoded.payload))
            rows.append(Rows(seq, encoded.records))
            seq = last_seq + 1
    return blocks, rows
