"""Opening a folder of segments: cut the torn tail, find the flipped bit, know the last row."""

import os
from pathlib import Path

import structlog

from storage.journal import blocks
from storage.journal.errors import JournalDamaged, JournalError
from storage.journal.segments import SUFFIX, Segment, Segments

_log = structlog.get_logger(__name__)


def recover(folder: Path) -> tuple[Segments, bool]:
    """Return the segments of ``folder``, and whether the last of them may be written on.

    Only the last file can have a torn tail, and only that one is read whole. Raises
    ``JournalDamaged`` where the header of the last file is lost, because then nobody knows which
    row comes next; other damage is logged here and raised to whoever reads it.
    """
    try:
        segments = [_look_at(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
        if not segments:
            return Segments([], 0), False
        last_seq, writable = _recover_last(segments[-1])
    except OSError as error:
        raise JournalError(f"cannot open the journal: {error}", permanent=True) from error
    return Segments(segments, last_seq), writable


def _look_at(path: Path) -> Segment:
    with path.open("rb") as file:
        data = file.read(blocks.SEGMENT_HEADER_BYTES)
    status = path.stat()
    first_seq = _first_seq_of(path)
    try:
        header = blocks.parse_segment_header(data)
    except ValueError as error:
        raise JournalError(f"{path}: {error}", permanent=True) from error
    if header is not None and header.first_seq != first_seq:
        header = None
    created_ns = header.created_ns if header is not None else status.st_mtime_ns
    return Segment(path, first_seq, created_ns, header, status.st_size)


def _first_seq_of(path: Path) -> int:
    try:
        return int(path.stem)
    except ValueError:
        message = f"{path} is no segment of a journal: its name must be a row number. Move it away."
        raise JournalError(message, permanent=True) from None


def _recover_last(segment: Segment) -> tuple[int, bool]:
    """Return the last row and whether the file can be written on; cuts a torn tail."""
    if segment.header is None:
        if segment.bytes_durable > blocks.SEGMENT_HEADER_BYTES:
            raise JournalDamaged(segment.path, 0, "unreadable header", segment.first_seq, None)
        # The header is durable before the first block is written: this file never had a row.
        _log.warning("journal_tail_cut", file=str(segment.path), bytes=segment.bytes_durable)
        return segment.first_seq - 1, False
    data = segment.path.read_bytes()
    scanned = blocks.scan(data, segment.header)
    segment.bytes_durable, segment.marks = scanned.end, scanned.marks
    if scanned.end < len(data):
        _cut(segment.path, scanned.end)
        _log.warning(
            "journal_tail_cut",
            file=str(segment.path),
            offset=scanned.end,
            bytes=len(data) - scanned.end,
            last_seq=scanned.next_seq - 1,
        )
    if scanned.damaged_at is not None:
        _log.error("journal_damaged", file=str(segment.path), offset=scanned.damaged_at)
    # A file of an earlier version is not written on: what that version cannot read has a file whose
    # version says so.
    writable = scanned.damaged_at is None and segment.header.version == blocks.SEGMENT_VERSION
    return scanned.next_seq - 1, writable


def _cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
