"""The one thread that writes: group commit, rolling, retention.

Everything that waits is written together with one write and one fdatasync. An append that fails
leaves nothing behind: the file is cut back to what was durable. After a failed fdatasync nobody knows
what the kernel still holds of that file, so it is given up and a fresh segment begun.
"""

import contextlib
import errno
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import structlog

from domain.journal import Rows
from storage.journal import blocks
from storage.journal.appending import Pending
from storage.journal.cursors import Cursors
from storage.journal.disk import Disk
from storage.journal.errors import JournalError
from storage.journal.recovery import sync_folder
from storage.journal.segments import SUFFIX, Segment, Segments
from storage.journal.tail import Tail

_log = structlog.get_logger(__name__)

_GROUP_BYTES_MAX = 32 * 1024 * 1024
_TRANSIENT = {errno.ENOSPC, errno.EDQUOT, errno.EINTR, errno.EAGAIN, errno.ENOMEM}
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a journal may take, and how it is cut into files."""

    segment_bytes: int
    retain_bytes: int
    retain_age_s: float
    retain_each_s: float


class Writer:
    """Writes appends in the order in which they are given."""

    def __init__(
        self,
        folder: Path,
        *,
        segments: Segments,
        cursors: Cursors,
        tail: Tail,
        bounds: Bounds,
        clock: Callable[[], int],
        disk: Disk,
    ) -> None:
        self._folder = folder
        self._segments = segments
        self._cursors = cursors
        self._tail = tail
        self._bounds = bounds
        self._clock = clock
        self._disk = disk
        self._descriptor: int | None = None  # of the last segment; None: begin a fresh one
        self._waiting: deque[Pending] = deque()
        self._woken = threading.Condition()
        self._closing = False
        self._shrinking = False
        self._retained_s = self._saved_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)

    def start(self, *, writable: bool) -> None:
        """Begin; ``writable`` says that the last segment may be written on."""
        if writable:
            path = self._segments.listed()[-1].path
            try:
                self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise JournalError(f"{path}: {error.strerror}", permanent=True) from error
        self._thread.start()

    def submit(self, pending: Pending) -> None:
        """Queue an append; raises ``JournalError`` once the journal is closed."""
        with self._woken:
            if self._closing:
                raise JournalError("the journal is closed", permanent=True)
            self._waiting.append(pending)
            self._woken.notify()

    def shrink(self) -> None:
        """Retire, once and soon, everything that no consumer needs, whatever the bounds say."""
        with self._woken:
            self._shrinking = True
            self._woken.notify()

    def close(self) -> None:
        """Write what waits, mark the journal closed in order, and end the thread. Blocks."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._step():
                pass
            self._mark_closed()
        finally:
            with self._woken:  # however the thread ends, nobody waits for ever
                self._closing = True
                left = list(self._waiting)
                self._waiting.clear()
            for pending in left:
                pending.done(0, JournalError("the journal's writer has ended", permanent=True))
            self._give_up_file()

    def _step(self) -> bool:
        """Wait for work, do it; False once all is written and the journal is to close."""
        group = self._take()
        if group:
            self._commit(group)
        now_s = time.monotonic()
        if self._shrinking or now_s - self._retained_s >= self._bounds.retain_each_s:
            self._retire()
        if self._cursors.changed and (self._closing or now_s - self._saved_s >= 1.0):
            self._cursors.save()
            self._saved_s = now_s
        return bool(group) or not self._closing

    def _take(self) -> list[Pending]:
        with self._woken:
            if not self._waiting and not self._closing and not self._shrinking:
                # A second without an append, or between two saves, costs nothing to wake for.
                self._woken.wait(1.0)
            group: list[Pending] = []
            size = 0
            while self._waiting and (not group or size < _GROUP_BYTES_MAX):
                size += self._waiting[0].bytes
                group.append(self._waiting.popleft())
            return group

    def _commit(self, group: list[Pending]) -> None:
        commit_seq = self._segments.last_seq + 1
        try:
            segment = self._ready_segment(commit_seq)
            parts, rows = _lay_out(group, commit_seq, segment.salt)
            last_seq = rows[-1][0].last_seq
            self._write(segment, b"".join(parts), last_seq)
        except OSError as error:
            failure = JournalError(
                f"the journal cannot be written: {error.strerror}",
                permanent=error.errno not in _TRANSIENT,
            )
            _log.error("journal_write_failed", folder=str(self._folder), error=str(error))
            for pending in group:
                pending.done(0, failure)
            return
        for run, size in rows:
            self._tail.add(run, size)
        seq = commit_seq - 1
        for pending in group:
            seq += sum(len(block.records) for block in pending.encoded)
            pending.done(seq, None)

    def _write(self, segment: Segment, data: bytes, last_seq: int) -> None:
        """Append ``data`` durably or leave nothing of it behind; raises ``OSError``."""
        descriptor, start = self._descriptor, segment.bytes_durable
        assert descriptor is not None  # noqa: S101  _ready_segment has opened it
        try:
            _write_all(self._disk, descriptor, data, start)
        except OSError:
            self._cut_back(descriptor, start)
            raise
        try:
            self._disk.sync(descriptor)
        except OSError:
            self._cut_back(descriptor, start)
            self._give_up_file()
            raise
        self._segments.grow(start + len(data), last_seq)

    def _cut_back(self, descriptor: int, size: int) -> None:
        try:
            self._disk.truncate(descriptor, size)
        except OSError as error:
            # Readers stop where the next segment begins, so what is left over is never read.
            _log.error("journal_cut_failed", folder=str(self._folder), error=str(error))
            self._give_up_file()

    def _give_up_file(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None

    def _ready_segment(self, first_seq: int) -> Segment:
        """Return the segment to write to, a fresh one where the last is full or given up."""
        if self._descriptor is not None:
            segment = self._segments.listed()[-1]
            if segment.bytes_durable < self._bounds.segment_bytes:
                return segment
        segment, descriptor = self._create(first_seq)
        self._give_up_file()
        self._descriptor = descriptor
        self._segments.add(segment)
        self._retire()
        return segment

    def _create(self, first_seq: int) -> tuple[Segment, int]:
        """Make a segment whose header and name are durable before any row is."""
        path = self._folder / f"{first_seq:020d}{SUFFIX}"
        path.unlink(missing_ok=True)  # given up before it had a durable row
        header = blocks.SegmentHeader(first_seq, self._clock(), secrets.randbits(64))
        data = header.pack()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            _write_all(self._disk, descriptor, data, 0)
            self._disk.sync(descriptor)
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return Segment(path, first_seq, header.created_ns, header, len(data)), descriptor

    def _mark_closed(self) -> None:
        """Write a block without rows: it proves that everything before it had been durable."""
        if self._descriptor is None:
            return
        segment, seq = self._segments.listed()[-1], self._segments.last_seq + 1
        mark = blocks.pack_block_header(b"", seq, seq, 0, segment.salt)
        try:
            self._write(segment, mark, seq - 1)
        except OSError as error:
            _log.warning("journal_not_marked_closed", folder=str(self._folder), error=str(error))

    def _retire(self) -> None:
        """Unlink the oldest segments beyond the bounds that every consumer is done with.

        Without a single registered consumer nothing is retired: somebody may be yet to come.
        """
        self._retained_s = time.monotonic()
        retain_bytes = 0 if self._shrinking else self._bounds.retain_bytes
        self._shrinking = False
        floor = self._cursors.floor()
        if floor is None:
            return
        listed = self._segments.listed()
        total = sum(segment.bytes_durable for segment in listed)
        oldest_ns = self._clock() - round(self._bounds.retain_age_s * NS_PER_S)
        for segment, following in pairwise(listed):
            beyond = total > retain_bytes or following.created_ns < oldest_ns
            if not beyond or following.first_seq - 1 > floor:
                break
            total -= segment.bytes_durable
            self._segments.drop_oldest()
            try:
                segment.path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("journal_not_retired", file=str(segment.path), error=str(error))


def _lay_out(
    group: list[Pending], commit_seq: int, salt: int
) -> tuple[list[bytes], list[tuple[Rows, int]]]:
    """Return the bytes of a commit in parts, and its rows, numbered, with their sizes."""
    parts: list[bytes] = []
    rows: list[tuple[Rows, int]] = []
    seq = commit_seq
    for pending in group:
        for block in pending.encoded:
            count = len(block.records)
            parts.append(blocks.pack_block_header(block.payload, seq, commit_seq, count, salt))
            parts.append(block.payload)
            rows.append((Rows(seq, block.records), len(block.payload)))
            seq += count
    return parts, rows


def _write_all(disk: Disk, descriptor: int, data: bytes, offset: int) -> None:
    """Write all of ``data``; a short write is carried on, so that the next one says why."""
    written = disk.write(descriptor, data, offset)
    while written < len(data):
        written += disk.write(descriptor, data[written:], offset + written)
