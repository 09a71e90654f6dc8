"""The journal in segment files: one process, one writer thread, many readers."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from domain.journal import Record, Rows
from storage.journal import codec
from storage.journal.appending import Appending
from storage.journal.cursors import Cursors
from storage.journal.disk import Disk
from storage.journal.errors import JournalError, ahead
from storage.journal.recovery import recover
from storage.journal.segments import Position, Segments
from storage.journal.tail import Tail
from storage.journal.writer import NS_PER_S, Bounds, Writer

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class JournalStats:
    """A journal's size, and who keeps it from being smaller."""

    bytes: int
    segments: int
    first_seq: int
    last_seq: int
    oldest_age_s: float
    cursors: dict[str, int]


class Journal(Protocol):
    """Everything that can change anything, durable and in order."""

    @property
    def first_seq(self) -> int:
        """The oldest row kept."""

    @property
    def last_seq(self) -> int:
        """The newest durable row; 0 where there never was one."""

    async def append(self, records: Sequence[Record]) -> int:
        """Append ``records``; durable when it returns the number of the last of them.

        Raises ``JournalError``; then none of them will ever be read.
        """

    def read(self, after_seq: int) -> AsyncIterator[Rows]:
        """Follow the journal after ``after_seq`` until it is closed.

        Raises ``JournalRetired`` where those rows are gone, ``JournalDamaged`` where they cannot
        be read.
        """

    def read_span(self, after_seq: int, last_seq: int) -> Iterator[Rows]:
        """Return the rows after ``after_seq`` up to ``last_seq``; blocks. Raises as ``read``."""

    def cursor(self, consumer: str) -> int | None:
        """Return the last row that ``consumer`` is done with; ``None`` where it is unknown."""

    def advance(self, consumer: str, seq: int) -> None:
        """Say that ``consumer`` is done with the rows up to ``seq``; registers it.

        Rows behind any consumer's cursor are never retired.
        """

    def forget(self, consumer: str) -> None:
        """Keep nothing for ``consumer`` any more."""

    def stats(self) -> JournalStats:
        """Return the journal's size."""

    async def close(self) -> None:
        """Write what waits, end the readers, and let go."""


class SegmentJournal:
    """A ``Journal`` in a folder of its own. Open it with ``open``; used from one event loop."""

    def __init__(self, lock: int, segments: Segments, tail: Tail, cursors: Cursors) -> None:
        self._lock: int | None = lock
        self._segments = segments
        self._tail = tail
        self._cursors = cursors
        self._clock: Callable[[], int] = time.time_ns
        self._writer: Writer
        self._loop = asyncio.get_running_loop()
        self._appending = Appending()
        self._closed = False

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        segment_bytes: int = 64 * MIB,
        retain_bytes: int = 2048 * MIB,
        retain_age_s: float = 48 * 3600.0,
        retain_each_s: float = 60.0,
        tail_bytes: int = 16 * MIB,
        clock: Callable[[], int] = time.time_ns,
        disk: Disk | None = None,
    ) -> Self:
        """Open the journal in ``folder``, made where it is missing; cuts a torn tail.

        A segment is closed at ``segment_bytes``. Whole segments go when the journal is larger than
        ``retain_bytes`` or they are older than ``retain_age_s``, and no consumer needs them; looked
        at with each new segment and each ``retain_each_s``. ``tail_bytes`` of the newest rows stay
        in memory. Raises ``JournalError`` where another process has the journal, or it cannot be
        opened; ``JournalDamaged`` where the header of the newest file is lost.
        """
        lock = await asyncio.to_thread(_lock_folder, folder)
        try:
            segments, writable = await asyncio.to_thread(recover, folder)
            cursors = await asyncio.to_thread(Cursors, folder)
            tail = Tail(tail_bytes)
            bounds = Bounds(segment_bytes, retain_bytes, retain_age_s, retain_each_s)
            writer = Writer(
                folder,
                segments=segments,
                cursors=cursors,
                tail=tail,
                bounds=bounds,
                clock=clock,
                disk=disk or Disk(),
            )
            writer.start(writable=writable)
        except BaseException:
            os.close(lock)
            raise
        journal = cls(lock, segments, tail, cursors)
        journal._clock, journal._writer = clock, writer
        return journal

    @property
    def first_seq(self) -> int:
        """The oldest row kept; one more than ``last_seq`` where there is none."""
        return self._segments.first_seq

    @property
    def last_seq(self) -> int:
        """The newest durable row; 0 where there never was one."""
        return self._segments.last_seq

    async def append(self, records: Sequence[Record]) -> int:
        """Append ``records`` in one piece; durable when it returns the number of the last.

        Numbers are given in the order of the calls. A call that is cancelled may still be written.
        """
        encoded = codec.encode(records)
        if not encoded:
            return self.last_seq
        return await self._appending.append(self._writer.submit, encoded)

    async def read(self, after_seq: int) -> AsyncIterator[Rows]:
        """Follow the journal after ``after_seq`` until it is closed.

        All there is comes at once in runs of at most 4 MiB or 50,000 rows (a larger record is
        alone), then what is appended. Raises ``JournalRetired`` and ``JournalDamaged``.
        """
        position: Position | None = None
        if after_seq > self.last_seq:
            raise ahead(after_seq, self.last_seq)
        while not self._closed:
            grown = self._appending.grown
            if after_seq >= self.last_seq:
                await grown.wait()
                continue
            rows = self._tail.after(after_seq)
            if rows is None:
                read = await asyncio.to_thread(self._segments.read, after_seq, position)
                rows, position = read
            after_seq = rows.last_seq
            yield rows

    def read_span(self, after_seq: int, last_seq: int) -> Iterator[Rows]:
        """Return the rows after ``after_seq`` up to ``last_seq``, which must be there; blocks."""
        if last_seq > self.last_seq:
            raise ahead(last_seq, self.last_seq)
        position: Position | None = None
        while after_seq < last_seq:
            rows, position = self._segments.read(after_seq, position, last_seq)
            after_seq = rows.last_seq
            yield rows

    def cursor(self, consumer: str) -> int | None:
        """Return the last row that ``consumer`` is done with; ``None`` where it is unknown."""
        return self._cursors.get(consumer)

    def advance(self, consumer: str, seq: int) -> None:
        """Say that ``consumer`` is done with the rows up to ``seq``; kept on disk within seconds.

        A consumer that was restored from a copy may go back, as far as the rows are still there.
        """
        self._cursors.set(consumer, seq)

    def forget(self, consumer: str) -> None:
        """Keep nothing for ``consumer`` any more."""
        self._cursors.set(consumer, None)

    def shrink(self) -> None:
        """Retire, once and soon, the files that no consumer needs: room is short."""
        self._writer.shrink()

    def files(self) -> tuple[list[tuple[Path, int]], int]:
        """Return the segment files with how far each is durable, and the last row in them.

        All but the last never change any more.
        """
        return self._segments.files()

    def stats(self) -> JournalStats:
        """Return the journal's size; ``oldest_age_s`` is the age of the oldest file."""
        listed = self._segments.listed()
        oldest_ns = listed[0].created_ns if listed else self._clock()
        return JournalStats(
            bytes=sum(segment.bytes_durable for segment in listed),
            segments=len(listed),
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            oldest_age_s=max(0.0, (self._clock() - oldest_ns) / NS_PER_S),
            cursors=self._cursors.all(),
        )

    async def close(self) -> None:
        """Write what waits, end the readers, and let go of the folder; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._writer.close)
        self._appending.wake_readers()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock_folder(folder: Path) -> int:
    """Return a descriptor that holds the folder's lock until it is closed, even by a kill."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise JournalError(f"{folder}: {error.strerror}", permanent=True) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        message = f"another process has the journal in {folder}; end it first"
        raise JournalError(message, permanent=True) from error
    return descriptor
