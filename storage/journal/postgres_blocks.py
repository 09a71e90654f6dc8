"""The journal's tables in PostgreSQL, in its own words.

A schema of its own holds ``segments``, ``cursors``, and one table of blocks for each segment, named by
its first row. Old rows go by dropping whole tables: a delete would leave the server to read, mark and
clean up every page of them while the city's readings wait.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import xxhash
from asyncpg import DataCorruptedError, IndexCorruptedError, UndefinedTableError

from domain.journal import Record, Rows
from storage.journal import codec
from storage.journal.errors import JournalDamaged, JournalRetired

SCHEMA = "journal"
_SETUP_LOCK = 0x11FE_50C5
_LOOK_BLOCKS = 256

_SETUP = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.segments (
    first_seq bigint PRIMARY KEY, created_ns bigint NOT NULL, bytes bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS {schema}.cursors (consumer text PRIMARY KEY, seq bigint NOT NULL);
"""
_SEGMENT = """
CREATE TABLE IF NOT EXISTS {table} (
    first_seq bigint PRIMARY KEY, last_seq bigint NOT NULL, created_ns bigint NOT NULL,
    epoch bigint NOT NULL, checksum bigint NOT NULL, bytes integer NOT NULL,
    payload bytea NOT NULL);
ALTER TABLE {table} ALTER COLUMN payload SET STORAGE EXTERNAL;
"""  # not compressed: the payloads are floats for the most part, and the time is the writer's
_FENCE = "SELECT epoch FROM leadership WHERE id = 1 AND epoch = $1 FOR SHARE"
# One statement is one transaction: fence, rows and commit in one turn of the network.
_INSERT = f"""
WITH fence AS ({_FENCE})
INSERT INTO {{table}} (first_seq, last_seq, created_ns, epoch, checksum, bytes, payload)
SELECT b.first_seq, b.last_seq, $2, fence.epoch, b.checksum, octet_length(b.payload), b.payload
FROM fence, unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
    AS b(first_seq, last_seq, checksum, payload)
"""  # noqa: S608  the schema is ours
_LOOK = """
SELECT first_seq, last_seq, bytes FROM {table}
WHERE first_seq >= (SELECT coalesce(max(first_seq), 0) FROM {table} WHERE first_seq <= $1)
ORDER BY first_seq LIMIT $2
"""
_PAYLOADS = """
SELECT first_seq, last_seq, checksum, payload FROM {table}
WHERE first_seq BETWEEN $1 AND $2 ORDER BY first_seq
"""


class Fenced(Exception):  # noqa: N818  it says why nothing was written
    """The epoch is another one: nothing was written."""


@dataclass(slots=True)
class Segment:
    """One table of blocks."""

    first_seq: int
    created_ns: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block that is to be written, or was read."""

    first_seq: int
    last_seq: int
    checksum: int
    payload: bytes


def checksum_of(first_seq: int, payload: bytes) -> int:
    """Return the checksum that is kept with a block; of its place, too."""
    return xxhash.xxh3_64_intdigest(payload, first_seq) - (1 << 63)


class BlockTables:
    """The statements; each takes the connection that it is to be asked on."""

    def __init__(self, schema: str = SCHEMA) -> None:
        self.schema = schema
        self.segments: list[Segment] = []
        self.last_seq = 0

    def table(self, first_seq: int) -> str:
        """Return the name of a segment's table."""
        return f"{self.schema}.blocks_{first_seq:020d}"

    @property
    def first_seq(self) -> int:
        """The oldest row kept; one more than the last where there is none."""
        return self.segments[0].first_seq if self.segments else self.last_seq + 1

    async def set_up(self, connection: Any) -> None:
        """Make what is missing; two that do so at once wait for each other."""
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _SETUP_LOCK)
            await connection.execute(_SETUP.format(schema=self.schema))

    async def load(self, connection: Any) -> None:
        """Learn what there is."""
        while True:
            try:
                found = await connection.fetch(
                    f"SELECT * FROM {self.schema}.segments ORDER BY first_seq"  # noqa: S608
                )
                segments = [Segment(*row) for row in found]
                last_seq, size = 0, 0
                if segments:
                    last_seq, size = await connection.fetchrow(
                        "SELECT coalesce(max(last_seq), $1), coalesce(sum(bytes), 0)::bigint "  # noqa: S608
                        f"FROM {self.table(segments[-1].first_seq)}",
                        segments[-1].first_seq - 1,
                    )
                    segments[-1].bytes = size
            except UndefinedTableError:  # retired between the two questions
                continue
            self.segments, self.last_seq = segments, last_seq
            return

    async def cursors(self, connection: Any) -> dict[str, int]:
        """Return every consumer's cursor."""
        return dict(
            await connection.fetch(f"SELECT consumer, seq FROM {self.schema}.cursors")  # noqa: S608
        )

    async def save_cursors(self, connection: Any, epoch: int, cursors: dict[str, int]) -> None:
        """Replace the cursors; raises ``Fenced``."""
        async with connection.transaction():
            await _fence(connection, epoch)
            await connection.execute(f"DELETE FROM {self.schema}.cursors")  # noqa: S608
            await connection.executemany(
                f"INSERT INTO {self.schema}.cursors VALUES ($1, $2)",  # noqa: S608
                list(cursors.items()),
            )

    async def begin_segment(self, connection: Any, epoch: int, created_ns: int) -> None:
        """Begin a segment behind the last row; raises ``Fenced``."""
        first_seq = self.last_seq + 1
        schema = self.schema
        async with connection.transaction():
            await _fence(connection, epoch)
            await connection.execute(_SEGMENT.format(table=self.table(first_seq)))
            if self.segments:
                closed = self.segments[-1]
                await connection.execute(
                    f"UPDATE {schema}.segments SET bytes = $2 WHERE first_seq = $1",  # noqa: S608
                    closed.first_seq,
                    closed.bytes,
                )
            await connection.execute(
                f"INSERT INTO {schema}.segments VALUES ($1, $2) ON CONFLICT DO NOTHING",  # noqa: S608
                first_seq,
                created_ns,
            )
        self.segments.append(Segment(first_seq, created_ns, 0))

    async def drop_oldest(self, connection: Any, epoch: int) -> None:
        """Drop the oldest segment whole; raises ``Fenced``."""
        oldest = self.segments[0].first_seq
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '500ms'")  # a reader has it: later
            await _fence(connection, epoch)
            await connection.execute(
                f"DELETE FROM {self.schema}.segments WHERE first_seq = $1",  # noqa: S608
                oldest,
            )
            await connection.execute(f"DROP TABLE IF EXISTS {self.table(oldest)}")
        self.segments = self.segments[1:]

    async def insert(
        self, connection: Any, epoch: int, created_ns: int, blocks: Sequence[Block]
    ) -> None:
        """Write ``blocks`` durably, all or none; raises ``Fenced``."""
        written = await connection.execute(
            _INSERT.format(table=self.table(self.segments[-1].first_seq)),
            epoch,
            created_ns,
            [block.first_seq for block in blocks],
            [block.last_seq for block in blocks],
            [block.checksum for block in blocks],
            [block.payload for block in blocks],
        )
        if written != f"INSERT 0 {len(blocks)}":
            raise Fenced

    async def has(self, connection: Any, block: Block) -> bool:
        """Tell whether this very block stands where it belongs."""
        found = await connection.fetchval(
            f"SELECT checksum FROM {self.table(self.segments[-1].first_seq)} "  # noqa: S608
            "WHERE first_seq = $1",
            block.first_seq,
        )
        return bool(found == block.checksum)

    async def read(self, connection: Any, after_seq: int) -> list[Block]:
        """Return the blocks with the rows after ``after_seq``, as many as one read may take."""
        segments = self.segments
        place = bisect_right(segments, after_seq + 1, key=lambda each: each.first_seq) - 1
        if place < 0:
            raise JournalRetired(after_seq, self.first_seq)
        table = self.table(segments[place].first_seq)
        try:
            looked = await connection.fetch(_LOOK.format(table=table), after_seq + 1, _LOOK_BLOCKS)
            last = _as_far_as_one_read_goes(looked, after_seq)
            found = await connection.fetch(
                _PAYLOADS.format(table=table), looked[0]["first_seq"] if looked else 0, last
            )
        except UndefinedTableError:
            await self.load(connection)
            raise JournalRetired(after_seq, self.first_seq) from None
        except (DataCorruptedError, IndexCorruptedError) as error:
            raise JournalDamaged(table, 0, str(error), after_seq + 1, None) from error
        return [Block(*row) for row in found]

    def rows(self, blocks: Sequence[Block], after_seq: int, last_seq: int) -> Rows:
        """Return the rows of ``blocks`` after ``after_seq`` up to ``last_seq``, checked."""
        records: list[Record] = []
        seq = after_seq
        for block in blocks:
            place = f"block {block.first_seq} of the journal in PostgreSQL"
            wanted = block.first_seq <= seq + 1 <= block.last_seq
            if not wanted:
                break
            if checksum_of(block.first_seq, block.payload) != block.checksum:
                if records:
                    break  # what is good before it is read first
                raise JournalDamaged(place, 0, "checksum", seq + 1, block.last_seq + 1)
            records += codec.decode(block.payload)[seq + 1 - block.first_seq :]
            seq = block.last_seq
        if not records:
            following = next((block.first_seq for block in blocks if block.first_seq > seq), None)
            raise JournalDamaged(
                f"the journal in PostgreSQL behind row {seq}", 0, "no block", seq + 1, following
            )
        return Rows(after_seq + 1, records[: last_seq - after_seq])


def _as_far_as_one_read_goes(looked: Sequence[Any], after_seq: int) -> int:
    """Return the first row of the last block to read: at least one block, then within bounds."""
    size = rows = 0
    last = 0
    for first_seq, last_seq, length in looked:
        size += length
        rows += last_seq - max(first_seq, after_seq + 1) + 1
        if last and (size > codec.BYTES_MAX or rows > codec.ROWS_MAX):
            break
        last = first_seq
    return last


async def _fence(connection: Any, epoch: int) -> None:
    if await connection.fetchval(_FENCE, epoch) is None:
        raise Fenced
