"""The segment files of one journal: what there is, where a row stands, reading it back.

Readers come from many threads and the writer from its own: what they share is guarded by a lock, and
a reader only ever looks at bytes that were durable when it began.
"""

import os
import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from domain.journal import Record, Rows
from storage.journal import blocks, codec
from storage.journal.errors import JournalDamaged, JournalError, JournalRetired

SUFFIX = ".seg"
_READ_BYTES = codec.BYTES_MAX + blocks.BLOCK_HEADER_BYTES
_HOP_BYTES = 256 * 1024


@dataclass(slots=True)
class Segment:
    """One file. ``bytes_durable`` is where its last durable block ends.

    ``header`` is ``None`` where it cannot be read; ``marks`` are (first row, offset) pairs to begin
    a search from.
    """

    path: Path
    first_seq: int
    created_ns: int
    header: blocks.SegmentHeader | None
    bytes_durable: int
    marks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def salt(self) -> int:
        """The seed of this file's checksums; raises ``JournalDamaged`` where it is unknown."""
        if self.header is None:
            raise JournalDamaged(self.path, 0, "unreadable header", self.first_seq, None)
        return self.header.salt

    def offset_near(self, seq: int) -> int:
        """Return the offset of a block at or before row ``seq``."""
        place = bisect_right(self.marks, (seq, self.bytes_durable)) - 1
        return self.marks[place][1] if place >= 0 else blocks.SEGMENT_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands, so that its next read need not search."""

    path: Path
    after_seq: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Extent:
    """The part of one segment that a read may look at."""

    segment: Segment
    bytes_durable: int
    last_seq: int


class Segments:
    """The segments of a journal, oldest first; the last one is written to."""

    def __init__(self, segments: list[Segment], last_seq: int) -> None:
        self._lock = threading.Lock()
        self._segments = segments
        self._last_seq = last_seq

    @property
    def last_seq(self) -> int:
        """The last durable row."""
        return self._last_seq

    @property
    def first_seq(self) -> int:
        """The oldest row kept; one more than ``last_seq`` where there is none."""
        with self._lock:
            return self._segments[0].first_seq if self._segments else self._last_seq + 1

    def listed(self) -> list[Segment]:
        """Return the segments there are now, oldest first."""
        with self._lock:
            return list(self._segments)

    def files(self) -> tuple[list[tuple[Path, int]], int]:
        """Return the files with how far each is durable, and the last row in them."""
        with self._lock:
            files = [(segment.path, segment.bytes_durable) for segment in self._segments]
            return files, self._last_seq

    def grow(self, bytes_durable: int, last_seq: int) -> None:
        """Say that the last segment is now durable up to here."""
        with self._lock:
            segment = self._segments[-1]
            marked = segment.marks[-1][1] if segment.marks else 0
            if segment.bytes_durable - marked >= blocks.MARK_BYTES:
                segment.marks.append((self._last_seq + 1, segment.bytes_durable))
            segment.bytes_durable = bytes_durable
            self._last_seq = last_seq

    def add(self, segment: Segment) -> None:
        """Let ``segment`` be the last one, in place of an empty one that begins with its row."""
        with self._lock:
            if self._segments and self._segments[-1].first_seq == segment.first_seq:
                self._segments.pop()
            self._segments.append(segment)

    def drop_oldest(self) -> Segment:
        """Take the oldest segment off the list; its file is the caller's to unlink."""
        with self._lock:
            return self._segments.pop(0)

    def read(
        self, after_seq: int, position: Position | None = None, last_seq: int | None = None
    ) -> tuple[Rows, Position]:
        """Return the durable rows after ``after_seq`` as far as one read goes, at least one.

        ``last_seq`` is where to stop. Blocks. Raises ``JournalRetired``, ``JournalDamaged``, and
        ``JournalError`` where the file cannot be read.
        """
        extent = self._extent(after_seq)
        segment = extent.segment
        last_seq = extent.last_seq if last_seq is None else min(last_seq, extent.last_seq)
        try:
            with segment.path.open("rb", buffering=0) as file:
                if position and (position.path, position.after_seq) == (segment.path, after_seq):
                    offset = position.offset
                else:
                    offset = _seek(file.fileno(), extent, after_seq)
                return _read_rows(file.fileno(), extent, offset, after_seq, last_seq)
        except FileNotFoundError:
            if self.first_seq > after_seq + 1:
                raise JournalRetired(after_seq, self.first_seq) from None
            next_seq = extent.last_seq + 1
            raise JournalDamaged(segment.path, 0, "missing", after_seq + 1, next_seq) from None
        except OSError as error:
            raise JournalError(f"{segment.path}: {error.strerror}", permanent=True) from error

    def _extent(self, after_seq: int) -> _Extent:
        with self._lock:
            first_seqs = [segment.first_seq for segment in self._segments]
            place = bisect_right(first_seqs, after_seq + 1) - 1
            if place < 0:
                raise JournalRetired(after_seq, first_seqs[0] if first_seqs else self._last_seq + 1)
            segment = self._segments[place]
            is_last = place + 1 == len(first_seqs)
            last_seq = self._last_seq if is_last else first_seqs[place + 1] - 1
            return _Extent(segment, segment.bytes_durable, last_seq)


def _seek(descriptor: int, extent: _Extent, after_seq: int) -> int:
    """Return the offset of the block that holds row ``after_seq + 1``, hopping over headers."""
    segment = extent.segment
    offset = segment.offset_near(after_seq + 1)
    base, view = offset, memoryview(b"")
    while True:
        if offset - base + blocks.BLOCK_HEADER_BYTES > len(view):
            length = min(_HOP_BYTES, max(0, extent.bytes_durable - offset))
            base, view = offset, memoryview(os.pread(descriptor, length, offset))
        header = blocks.parse_block_header(view, offset - base, segment.salt)
        if header is None:
            found = _find_behind(descriptor, extent, offset)
            if found is None or found.header.first_seq > after_seq + 1:
                next_seq = found.header.first_seq if found is not None else None
                raise _damaged(extent, offset, "bad block header", after_seq + 1, next_seq)
            offset, header = found.offset, found.header
        if header.first_seq > after_seq + 1:
            raise _damaged(extent, offset, "rows missing", after_seq + 1, header.first_seq)
        if header.next_seq > after_seq + 1:
            return offset
        offset += header.bytes_total


def _read_rows(
    descriptor: int, extent: _Extent, offset: int, after_seq: int, last_seq: int
) -> tuple[Rows, Position]:
    data = memoryview(os.pread(descriptor, _span(extent, offset, _READ_BYTES), offset))
    records: list[Record] = []
    at, seq = 0, after_seq + 1
    while seq <= last_seq and len(records) < codec.ROWS_MAX:
        found = _decode(data, at, extent.segment.salt, seq)
        if found is None and not records:  # the block may merely reach beyond what was read
            offset, at = offset + at, 0
            data = memoryview(_read_whole_block(descriptor, extent, offset))
            found = _decode(data, at, extent.segment.salt, seq)
        if found is None:
            if records:
                break  # what is good first; the next read begins here and says what is wrong
            behind = _find_behind(descriptor, extent, offset)
            if behind is None or behind.header.first_seq != seq:
                next_seq = behind.header.first_seq if behind is not None else None
                raise _damaged(extent, offset, "bad block", seq, next_seq)
            return _read_rows(descriptor, extent, behind.offset, after_seq, last_seq)
        begun, header = found
        if records and len(records) + len(begun) > codec.ROWS_MAX:
            break
        records += begun[seq - header.first_seq : last_seq + 1 - header.first_seq]
        at, seq = at + header.bytes_total, header.next_seq
    rows = Rows(after_seq + 1, records)
    return rows, Position(extent.segment.path, rows.last_seq, offset + at)


def _span(extent: _Extent, offset: int, length: int) -> int:
    return max(0, min(length, extent.bytes_durable - offset))


def _read_whole_block(descriptor: int, extent: _Extent, offset: int) -> bytes:
    head = os.pread(descriptor, _span(extent, offset, blocks.BLOCK_HEADER_BYTES), offset)
    header = blocks.parse_block_header(memoryview(head), 0, extent.segment.salt)
    length = max(_READ_BYTES, header.bytes_total if header is not None else 0)
    return os.pread(descriptor, _span(extent, offset, length), offset)


def _decode(
    data: memoryview, at: int, salt: int, seq: int
) -> tuple[list[Record], blocks.BlockHeader] | None:
    """Return the records of the block at ``at`` if it is good and holds row ``seq``, or is a mark."""
    header = blocks.parse_block_header(data, at, salt)
    if header is None or not header.first_seq <= seq < header.next_seq + (header.count == 0):
        return None
    payload = blocks.good_payload(data, at, header, salt)
    if payload is None:
        return None
    try:
        return (codec.decode(payload) if header.count else []), header
    except ValueError:
        return None


def _find_behind(descriptor: int, extent: _Extent, offset: int) -> blocks.Found | None:
    data = os.pread(descriptor, max(0, extent.bytes_durable - offset), offset)
    found = blocks.find_good_block(data, 1, extent.segment.salt)
    return found and blocks.Found(found.offset + offset, found.header)


def _damaged(
    extent: _Extent, offset: int, what: str, seq: int, behind: int | None
) -> JournalDamaged:
    """Name the damage; behind the last good block of a file the next file begins."""
    next_seq = extent.last_seq + 1 if behind is None else behind
    return JournalDamaged(extent.segment.path, offset, what, seq, next_seq)
