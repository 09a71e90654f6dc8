"""The journal in PostgreSQL: one leader writes, and whoever stands by reads the same rows.

Its connections live in a thread with a loop of its own. Everything that waits is appended in one
statement, fence and commit included. A server that is away is waited for: nothing is settled
meanwhile. Where the connection breaks while a statement is under way, the same blocks are written
again, and the primary key tells whether they were there already.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar

import structlog
from asyncpg import create_pool

from domain.journal import Record, Rows
from storage.journal import codec
from storage.journal.appending import Appending
from storage.journal.errors import JournalError, ahead
from storage.journal.postgres_blocks import SCHEMA, Block, BlockTables
from storage.journal.postgres_writer import PostgresWriter
from storage.journal.segment_journal import MIB, JournalStats
from storage.journal.tail import Tail
from storage.journal.writer import NS_PER_S, Bounds
from storage.leadership import Leadership
from storage.postgres import (
    COMMAND_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    SERVER_ERRORS,
    LoopThread,
    dsn_of,
    is_away,
    pauses_s,
    shown,
)

T = TypeVar("T")

GROUP_BYTES_MAX = 8 * MIB
READERS_MAX = 3
WRITE_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
CURSORS_EACH_S = 1.0

_log = structlog.get_logger(__name__)


class PostgresJournal:
    """A ``Journal`` in PostgreSQL. Open it with ``open``; it writes once ``lead`` was called."""

    def __init__(
        self,
        url: str,
        thread: LoopThread,
        *,
        tables: BlockTables,
        leadership: Leadership,
        bounds: Bounds,
        tail: Tail,
        clock: Callable[[], int],
    ) -> None:
        self._dsn = dsn_of(url)
        self._thread = thread
        self._tables = tables
        self._leadership = leadership
        self._tail = tail
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._appending = Appending()
        self._writer = PostgresWriter(
            self._dsn,
            tables=tables,
            leadership=leadership,
            bounds=bounds,
            tail=tail,
            clock=clock,
            loop=thread.loop,
        )
        self._pool: Any = None
        self._writing: asyncio.Task[None] | None = None
        self._closed = False
        self._owned: list[Callable[[], None]] = []

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        leadership: Leadership | None = None,
        thread: LoopThread | None = None,
        schema: str = SCHEMA,
        segment_bytes: int = 64 * MIB,
        retain_bytes: int = 2048 * MIB,
        retain_age_s: float = 48 * 3600.0,
        retain_each_s: float = 60.0,
        tail_bytes: int = 16 * MIB,
        clock: Callable[[], int] = time.time_ns,
    ) -> Self:
        """Open the journal in a database whose schema is the newest (``StateEngine.open``).

        With a ``leadership`` it only reads, until ``lead`` is called; without one it takes the lead
        for itself. Bounds as of ``SegmentJournal.open``. Raises ``JournalError`` where another
        instance leads, or the database cannot be opened.
        """
        own_thread = thread is None
        thread = thread or LoopThread("journal")
        lead = leadership or Leadership(url, "a tool", thread)
        journal = cls(
            url,
            thread,
            tables=BlockTables(schema),
            leadership=lead,
            bounds=Bounds(segment_bytes, retain_bytes, retain_age_s, retain_each_s),
            tail=Tail(tail_bytes),
            clock=clock,
        )
        if leadership is None:
            journal._owned.append(lead.close)
        if own_thread:
            journal._owned.append(thread.close)
        try:
            await thread.run(journal._begin())
            if leadership is None:
                await journal._lead_alone(url)
        except BaseException as error:
            await journal.close()
            if isinstance(error, SERVER_ERRORS):
                message = f"cannot open the journal in {shown(url)}: {error}"
                raise JournalError(message, permanent=False) from error
            raise
        return journal

    async def _lead_alone(self, url: str) -> None:
        if not await asyncio.to_thread(self._leadership.try_once):
            holder = self._leadership.seen_holder
            message = f"another process has the journal in {shown(url)} ({holder}); end it first"
            raise JournalError(message, permanent=True)
        await self.lead()

    async def _begin(self) -> None:
        self._pool = await create_pool(
            self._dsn,
            min_size=0,
            max_size=READERS_MAX,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings={"application_name": "lifeline journal"},
        )
        async with self._pool.acquire() as connection:
            await self._tables.set_up(connection)
            await self._tables.load(connection)
            self._writer.cursors = await self._tables.cursors(connection)

    async def lead(self) -> None:
        """Begin to write, with the lead taken: what the leader before wrote is learnt first."""
        await self.refresh()
        self._writing = await self._thread.run(self._begin_to_write())
        self._appending.wake_readers()

    async def _begin_to_write(self) -> asyncio.Task[None]:
        self._writer.cursors = await self._patiently(self._tables.cursors)
        return asyncio.create_task(self._writer.run(), name="journal writer")

    async def refresh(self) -> int:
        """Learn what another instance has written; return the last row."""
        await self._thread.run(self._patiently(self._tables.load))
        return self.last_seq

    @property
    def first_seq(self) -> int:
        """The oldest row kept; one more than ``last_seq`` where there is none."""
        return self._tables.first_seq

    @property
    def last_seq(self) -> int:
        """The newest durable row that we know of; 0 where there never was one."""
        return self._tables.last_seq

    async def append(self, records: Sequence[Record]) -> int:
        """Append ``records`` in one piece; durable when it returns the number of the last.

        Numbers are given in the order of the calls. It waits for a server that is away. Raises
        ``LeadershipLost`` where another instance leads; these rows may then be read nevertheless,
        if they were under way. A call that is cancelled may still be written.
        """
        encoded = codec.encode(records)
        if not encoded:
            return self.last_seq
        return await self._appending.append(self._writer.submit, encoded)

    async def read(self, after_seq: int) -> AsyncIterator[Rows]:
        """Follow the journal after ``after_seq`` until it is closed; see ``SegmentJournal.read``."""
        if after_seq > self.last_seq:
            raise ahead(after_seq, self.last_seq)
        while not self._closed:
            grown = self._appending.grown
            if after_seq >= self.last_seq:
                await grown.wait()
                continue
            rows = self._tail.after(after_seq)
            if rows is None:
                rows = await asyncio.to_thread(self._read, after_seq, self.last_seq)
            after_seq = rows.last_seq
            yield rows

    def read_span(self, after_seq: int, last_seq: int) -> Iterator[Rows]:
        """Return the rows after ``after_seq`` up to ``last_seq``, which must be there; blocks."""
        if last_seq > self.last_seq:
            raise ahead(last_seq, self.last_seq)
        while after_seq < last_seq:
            rows = self._read(after_seq, last_seq)
            after_seq = rows.last_seq
            yield rows

    def _read(self, after_seq: int, last_seq: int) -> Rows:
        def ask(connection: Any) -> Awaitable[list[Block]]:
            return self._tables.read(connection, after_seq)

        blocks = self._thread.call(self._patiently(ask))
        return self._tables.rows(blocks, after_seq, last_seq)

    async def _patiently(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Return what ``ask`` does with a connection for reading, once the server answers."""
        for pause_s in pauses_s():
            if self._closed:
                break
            try:
                async with self._pool.acquire() as connection:
                    return await ask(connection)
            except SERVER_ERRORS as error:
                if not is_away(error):
                    raise
                await asyncio.sleep(pause_s)
        raise JournalError("the journal is closed", permanent=True)

    def cursor(self, consumer: str) -> int | None:
        """Return the last row that ``consumer`` is done with; ``None`` where it is unknown."""
        return self._writer.cursors.get(consumer)

    def advance(self, consumer: str, seq: int) -> None:
        """Say that ``consumer`` is done with the rows up to ``seq``; kept within seconds."""
        self._writer.set_cursor(consumer, seq)

    def forget(self, consumer: str) -> None:
        """Keep nothing for ``consumer`` any more."""
        self._writer.set_cursor(consumer, None)

    def stats(self) -> JournalStats:
        """Return the journal's size; ``oldest_age_s`` is the age of the oldest table."""
        listed = self._tables.segments
        oldest_ns = listed[0].created_ns if listed else self._clock()
        return JournalStats(
            bytes=sum(segment.bytes for segment in listed),
            segments=len(listed),
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            oldest_age_s=max(0.0, (self._clock() - oldest_ns) / NS_PER_S),
            cursors=dict(self._writer.cursors),
        )

    async def close(self) -> None:
        """Write what waits as far as the server answers, end the readers, and let go."""
        if self._closed:
            return
        self._writer.close()
        with suppress(RuntimeError):
            await self._thread.run(self._finish())
        self._closed = True
        self._appending.wake_readers()
        for let_go in self._owned:
            await asyncio.to_thread(let_go)

    async def _finish(self) -> None:
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=CLOSE_TIMEOUT_S)
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        self._closed = True
        self._writer.fail(
            JournalError("the journal was closed before the server took it", permanent=True)
        )
        self._writer.let_go()
        if self._pool is not None:
            self._pool.terminate()
