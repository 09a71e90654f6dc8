"""The bytes of a segment file: a header, then checksummed blocks.

Segment header: magic, version, first row, time of creation, salt, checksum. Block: magic, payload
length, first row, first row of its commit, number of rows, checksum of the payload, checksum of the
header, then the payload. A block of no rows is a mark that a journal was closed in order.

Both checksums are seeded with the segment's random salt, so that no payload can pretend to be a
block when a damaged file is searched for the next good one. ``commit_seq`` says what had been
durable before the block was written: a good block behind a bad one proves damage only where it
belongs to a later commit; within one commit a power cut may leave any of its pages out.
"""

import struct
from dataclasses import dataclass

import xxhash

SEGMENT_MAGIC = b"LIFELINJ"
# Raised with every new kind of row, so that a program which does not know it says so when it opens the
# journal, not when it comes to the row. All earlier versions are read. 2: rows of kind refusal.
SEGMENT_VERSION = 2
BLOCK_MAGIC = b"\xb1LJ\x0a"

_SEGMENT = struct.Struct("<8sIQqQ")
_BLOCK = struct.Struct("<4sIQQIQ")
_CHECK_64 = struct.Struct("<Q")
_CHECK_32 = struct.Struct("<I")

SEGMENT_HEADER_BYTES = _SEGMENT.size + _CHECK_64.size
BLOCK_HEADER_BYTES = _BLOCK.size + _CHECK_32.size


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The beginning of a segment file."""

    first_seq: int
    created_ns: int
    salt: int
    version: int = SEGMENT_VERSION

    def pack(self) -> bytes:
        """Return the header's bytes."""
        body = _SEGMENT.pack(
            SEGMENT_MAGIC, self.version, self.first_seq, self.created_ns, self.salt
        )
        return body + _CHECK_64.pack(xxhash.xxh3_64_intdigest(body))


def parse_segment_header(data: bytes) -> SegmentHeader | None:
    """Return the header that ``data`` begins with, or ``None`` where it is no good one.

    Raises ``ValueError`` for a good header of a later version.
    """
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    body = data[: _SEGMENT.size]
    magic, version, first_seq, created_ns, salt = _SEGMENT.unpack(body)
    (check,) = _CHECK_64.unpack_from(data, _SEGMENT.size)
    if magic != SEGMENT_MAGIC or check != xxhash.xxh3_64_intdigest(body):
        return None
    if not 1 <= version <= SEGMENT_VERSION:
        raise ValueError(
            f"a journal file of version {version}; this program reads up to version "
            f"{SEGMENT_VERSION}. Start the later version of Lifeline that wrote it, or restore a "
            "backup that was made before the upgrade"
        )
    return SegmentHeader(first_seq, created_ns, salt, version)


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """The beginning of a block; ``bytes_total`` counts the header, too."""

    length: int
    first_seq: int
    commit_seq: int
    count: int
    checksum: int

    @property
    def next_seq(self) -> int:
        """The number of the row after this block's."""
        return self.first_seq + self.count

    @property
    def bytes_total(self) -> int:
        """The length of header and payload together."""
        return BLOCK_HEADER_BYTES + self.length


def pack_block_header(
    payload: bytes, first_seq: int, commit_seq: int, count: int, salt: int
) -> bytes:
    """Return the header that goes before ``payload``."""
    checksum = xxhash.xxh3_64_intdigest(payload, salt)
    body = _BLOCK.pack(BLOCK_MAGIC, len(payload), first_seq, commit_seq, count, checksum)
    return body + _CHECK_32.pack(xxhash.xxh3_64_intdigest(body, salt) & 0xFFFF_FFFF)


def parse_block_header(data: memoryview, at: int, salt: int) -> BlockHeader | None:
    """Return the block header at ``at``, or ``None`` where there is no good one."""
    if len(data) - at < BLOCK_HEADER_BYTES:
        return None
    body = data[at : at + _BLOCK.size]
    (check,) = _CHECK_32.unpack_from(data, at + _BLOCK.size)
    magic, length, first_seq, commit_seq, count, checksum = _BLOCK.unpack(body)
    if magic != BLOCK_MAGIC or check != xxhash.xxh3_64_intdigest(body, salt) & 0xFFFF_FFFF:
        return None
    return BlockHeader(length, first_seq, commit_seq, count, checksum)


def good_payload(data: memoryview, at: int, header: BlockHeader, salt: int) -> memoryview | None:
    """Return the payload of the block at ``at``, or ``None`` where it is cut short or changed."""
    payload = data[at + BLOCK_HEADER_BYTES : at + header.bytes_total]
    if len(payload) < header.length:
        return None
    return payload if xxhash.xxh3_64_intdigest(payload, salt) == header.checksum else None


@dataclass(frozen=True, slots=True)
class Found:
    """A good block and where it begins."""

    offset: int
    header: BlockHeader


def find_good_block(data: bytes, start: int, salt: int) -> Found | None:
    """Return the first wholly good block at or behind ``start``."""
    view = memoryview(data)
    at = data.find(BLOCK_MAGIC, start)
    while at >= 0:
        header = parse_block_header(view, at, salt)
        if header is not None and good_payload(view, at, header, salt) is not None:
            return Found(at, header)
        at = data.find(BLOCK_MAGIC, at + 1)
    return None


@dataclass(frozen=True, slots=True)
class Scanned:
    """What the bytes of a segment hold.

    ``end`` is where its last good block ends, ``next_seq`` the row that would come next;
    ``damaged_at`` is the offset of damage among durable blocks, ``marks`` are (first row, offset)
    about each MiB.
    """

    end: int
    next_seq: int
    damaged_at: int | None
    marks: list[tuple[int, int]]


MARK_BYTES = 1024 * 1024


def _find_durable_behind(data: bytes, start: int, seq: int, salt: int) -> Found | None:
    """Find a block that proves what lies before it to be damage: row ``seq`` had been durable.

    A block that begins with ``seq`` itself proves it, too: only a mark without rows is missing.
    """
    found = find_good_block(data, start, salt)
    while found is not None and found.header.first_seq != seq and found.header.commit_seq <= seq:
        found = find_good_block(data, found.offset + 1, salt)
    return found


def scan(data: bytes, header: SegmentHeader) -> Scanned:
    """Check every block of a segment. Bytes behind ``end`` are a torn tail."""
    view = memoryview(data)
    at, seq = SEGMENT_HEADER_BYTES, header.first_seq
    damaged_at: int | None = None
    marks = [(seq, at)]
    while at < len(data):
        block = parse_block_header(view, at, header.salt)
        good = block is not None and good_payload(view, at, block, header.salt) is not None
        if block is None or not good or block.first_seq != seq:
            behind = _find_durable_behind(data, at + 1, seq, header.salt)
            if behind is None:
                break
            if behind.header.first_seq > seq and damaged_at is None:
                damaged_at = at
            at, block = behind.offset, behind.header
        if at - marks[-1][1] >= MARK_BYTES and damaged_at is None:
            marks.append((block.first_seq, at))
        at, seq = at + block.bytes_total, block.next_seq
    return Scanned(at, seq, damaged_at, marks)
