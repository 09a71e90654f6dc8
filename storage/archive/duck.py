"""The embedded archive: DuckDB for what is new, sorted Parquet files for what is old.

Rows are inserted into a *slice*, a table of the order in which they came, whatever their event time:
late readings need no place of their own. A full slice is sealed: sorted by (channel, time) into a
Parquet file, one row a key, then dropped. A later slice wins over an earlier one, and within a table
the later row, so the same key may stand in several places and reads still agree. Files are named in
the database in the same transaction that drops the table; a file that is not named there is a stray.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from domain.readings import Readings
from storage.archive import (
    ArchiveError,
    Buckets,
    Series,
    TakeRefused,
    empty_series,
    keep_newest_of_each_time,
    nobody_takes,
)
from storage.archive.figures import figures
from storage.archive.layout import first_value, prepare, tidy
from storage.archive.numbers import Numbers
from storage.archive.slices import Slice, file_name, read_slices, seal, sync, union_sql

_log = structlog.get_logger(__name__)

SLICE_ROWS_MAX = 10_000_000
_INT64_MAX = 2**63 - 1
_RUN_ROWS = 1_000_000


def _no_step(_name: str) -> None:
    """Do nothing between steps; tests kill the process there."""


class DuckArchive:
    """An ``Archive`` in a folder of its own. Open it with ``open``."""

    ready = True
    write_rows_max = 983_040  # eight of DuckDB's row groups

    def __init__(
        self,
        folder: Path,
        connection: duckdb.DuckDBPyConnection,
        slice_rows: int,
        step: Callable[[str], None],
    ) -> None:
        self._folder = folder / "sealed"
        self._sidecar = folder / "channels.parquet"
        self._connection = connection
        self._slice_rows = slice_rows
        self._step = step
        self._writing = threading.Lock()
        self._guard = threading.Lock()  # of the two below
        self._reading: set[object] = set()
        self._doomed: list[tuple[Path, set[object]]] = []
        self._cursor = self._one("SELECT cursor FROM archive")
        known = connection.execute("SELECT id, number FROM channels").fetchall()
        self._numbers = Numbers(known)
        hot = [piece for piece in read_slices(connection) if piece.file is None]
        self._hot = hot[-1] if hot else None
        self._hot_rows = self._one(f"SELECT count(*) FROM {hot[-1].table}") if hot else 0  # noqa: S608

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        slice_rows: int = 4_000_000,
        memory_limit: str = "1GB",
        step: Callable[[str], None] = _no_step,
    ) -> Self:
        """Open the archive in ``folder``, made where it is missing; removes stray files.

        A table of ``slice_rows`` rows is full, to be sealed in one step of ``maintain``. Raises
        ``ArchiveError`` where another process has it, or a sealed file is missing.
        """
        if not 1 <= slice_rows <= SLICE_ROWS_MAX:
            raise ValueError(f"slice_rows {slice_rows} is not within 1 to {SLICE_ROWS_MAX}")
        sealed = folder / "sealed"
        config: dict[str, Any] = {
            "threads": 1,
            "memory_limit": memory_limit,
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": False,
        }
        try:
            sealed.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(str(folder / "archive.duckdb"), config=config)
            connection.execute("SET parquet_metadata_cache = true")
            # What is written to a table is soon sealed and dropped: packing it takes a third of a
            # write, and the file packs it better.
            connection.execute("SET force_compression = 'uncompressed'")
            prepare(connection)
            tidy(connection, sealed)
            return cls(folder, connection, slice_rows, step)
        except (duckdb.Error, OSError) as error:
            raise _failed(f"cannot open the archive in {folder}", error) from error

    @property
    def cursor(self) -> int:
        """The last journal row whose readings are durably in."""
        return self._cursor

    def connect(self) -> None:
        """Do nothing: an open folder is there."""

    def write(
        self, last_seq: int, readings: Sequence[Readings], refused: TakeRefused = nobody_takes
    ) -> None:
        """Store ``readings`` and the cursor ``last_seq`` in one transaction; a replay is ignored."""
        del refused  # every reading fits
        with self._writing:
            if last_seq <= self._cursor:
                return
            columns = self._columns(readings)
            hot, hot_rows = self._hot, self._hot_rows
            try:
                with self._transaction():
                    hot, hot_rows = self._insert(columns, hot, hot_rows)
                    self._insert_numbers()
                    self._connection.execute("UPDATE archive SET cursor = ?", [last_seq])
                    self._step("inserted")
            except duckdb.Error as error:
                raise _failed("the archive cannot be written", error) from error
            self._numbers.keep()
            self._hot, self._hot_rows, self._cursor = hot, hot_rows, last_seq
            self._step("stored")

    def _columns(self, readings: Sequence[Readings]) -> Any:
        """Return all readings as one Arrow table, in their order, without copying the columns."""
        self._numbers.discard()  # of a write that failed
        names = ["channel", "time_ns", "value", "quality"]
        tables = [
            pa.table([self._numbers.of(r), r.time_ns, r.value, r.quality], names=names)
            for r in readings
            if len(r)
        ]
        return pa.concat_tables(tables) if tables else None

    def _insert(self, columns: Any, hot: Slice | None, hot_rows: int) -> tuple[Slice | None, int]:
        """Insert into the last slice, and into new ones where it is full."""
        done = 0
        while columns is not None and done < len(columns):
            if hot is None or hot_rows >= self._slice_rows:
                hot, hot_rows = self._begin_slice(), 0
            part = columns.slice(done, self._slice_rows - hot_rows)
            self._connection.register("arrived", part)
            self._connection.execute(f"INSERT INTO {hot.table} SELECT * FROM arrived")  # noqa: S608
            self._connection.unregister("arrived")
            done, hot_rows = done + len(part), hot_rows + len(part)
        return hot, hot_rows

    def _begin_slice(self) -> Slice:
        """Begin a table. Its number was never used before: a dropped file may wait for a reader."""
        self._connection.execute("UPDATE archive SET last_slice = last_slice + 1")
        piece = Slice(self._one("SELECT last_slice FROM archive"), None, 0, 0)
        self._connection.execute(
            f"CREATE TABLE {piece.table} (channel INTEGER NOT NULL, time_ns BIGINT NOT NULL, "
            "value DOUBLE NOT NULL, quality UTINYINT NOT NULL)"
        )
        self._connection.execute("INSERT INTO slices VALUES (?, NULL, 0, 0)", [piece.number])
        return piece

    def _insert_numbers(self) -> None:
        fresh = self._numbers.fresh
        if fresh:
            columns = pa.table([pa.array(fresh.values(), pa.int32()), list(fresh)], ["n", "id"])
            self._connection.register("fresh", columns)
            self._connection.execute("INSERT INTO channels SELECT * FROM fresh")
            self._connection.unregister("fresh")

    def maintain(self) -> bool:
        """Seal one full slice, if there is one; True where it did."""
        with self._writing:
            self._sweep()
            hot = [piece for piece in read_slices(self._connection) if piece.file is None]
            full = hot if self._hot_rows >= self._slice_rows else hot[:-1]
            if not full:
                return False
            self._seal(full[0])
            return True

    def seal_all(self) -> None:
        """Seal everything, full or not: before the files are handed to another tool."""
        with self._writing:
            for piece in read_slices(self._connection):
                if piece.file is None:
                    self._seal(piece)

    def _seal(self, piece: Slice) -> None:
        """Turn a table into a file. Killed at any step, either the table or the file counts."""
        try:
            self._write_sidecar()
            self._step("begun")
            sealed = seal(self._connection, piece, self._folder, self._step)
            with self._transaction():
                self._connection.execute(
                    "UPDATE slices SET file = ?, first_ns = ?, last_ns = ? WHERE number = ?",
                    [file_name(piece.number), sealed.first_ns, sealed.last_ns, piece.number],
                )
                self._connection.execute(f"DROP TABLE {piece.table}")
                self._step("registered")
        except (duckdb.Error, OSError) as error:
            raise _failed(f"slice {piece.number} cannot be sealed", error) from error
        if self._hot is not None and self._hot.number == piece.number:
            self._hot, self._hot_rows = None, 0
        self._step("sealed")
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Give the dropped table's blocks back: bulk inserts bypass the log that would ask for it."""
        try:
            self._connection.execute("CHECKPOINT")
        except duckdb.TransactionException as error:
            _log.debug("archive_checkpoint_put_off", why=str(error))  # the next seal does it
        except duckdb.Error as error:
            raise _failed("the archive cannot be checkpointed", error) from error

    def _write_sidecar(self) -> None:
        """Write which number is which channel, for the tools that read the files without us."""
        known = self._numbers.known
        columns = pa.table([pa.array(known.values(), pa.int32()), list(known)], ["channel", "id"])
        beside = self._sidecar.with_suffix(".tmp")
        pq.write_table(columns, beside)
        sync(beside)
        beside.replace(self._sidecar)

    def drop_before(self, time_ns: int) -> int:
        """Give up the readings before ``time_ns``; return how many files are unlinked.

        A file goes when all of its readings are older; the others are no longer read.
        """
        with self._writing:
            try:
                with self._transaction():
                    self._connection.execute(
                        "UPDATE archive SET floor_ns = greatest(floor_ns, ?)", [time_ns]
                    )
                    dropped = self._connection.execute(
                        "DELETE FROM slices WHERE file IS NOT NULL AND last_ns < ? RETURNING file",
                        [time_ns],
                    ).fetchall()
                    self._step("dropping")
            except duckdb.Error as error:
                raise _failed("the archive cannot drop old files", error) from error
            self._step("dropped")
            with self._guard:
                reading = set(self._reading)
                self._doomed += [(self._folder / file, reading) for (file,) in dropped]
            self._sweep()
            return len(dropped)

    def _sweep(self) -> None:
        """Unlink dropped files that no read began with may still be reading."""
        with self._guard:
            gone = [path for path, readers in self._doomed if not readers & self._reading]
            self._doomed = [entry for entry in self._doomed if entry[1] & self._reading]
        for path in gone:
            path.unlink(missing_ok=True)

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> Series:
        """Return the first ``limit`` readings of [start, end), ascending."""
        parts = [empty_series()]
        wanted = limit
        while wanted > 0:
            # Rows of one key in several slices are rare: asking for a few more is mostly enough.
            asked = wanted + wanted // 16 + 16
            series, last_ns = self._read_some(channel_id, start_ns, end_ns, asked)
            parts.append(_first(series, wanted))
            wanted -= len(parts[-1])
            if last_ns is None:
                break
            start_ns = last_ns
        return Series(
            np.concatenate([part.time_ns for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.quality for part in parts]),
        )

    def _read_some(
        self, channel_id: str, start_ns: int, end_ns: int, rows: int
    ) -> tuple[Series, int | None]:
        """Return readings of at most ``rows`` rows, and the time to go on with (``None``: all).

        The last time is left to the next read where more rows of it may follow.
        """
        with self._snapshot() as connection:
            sql = self._ordered_sql(connection, channel_id, start_ns, end_ns)
            if sql is None:
                return empty_series(), None
            series = _series(connection.sql(f"{sql} LIMIT {rows}").to_arrow_table())
            if len(series) < rows:
                return _deduplicated(series), None
            last_ns = int(series.time_ns[-1])
            if series.time_ns[0] == last_ns:  # nothing but rows of one time: take them all
                sql = self._ordered_sql(connection, channel_id, last_ns, last_ns + 1)
                whole = _series(connection.sql(str(sql)).to_arrow_table())
                return _deduplicated(whole), last_ns + 1
        before = int(np.searchsorted(series.time_ns, last_ns))
        return _deduplicated(_first(series, before)), last_ns

    def read_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures by stretches of ``bucket_ns`` of the readings in [start, end)."""
        return figures(self._runs(channel_id, start_ns, end_ns), bucket_ns)

    def _runs(self, channel_id: str, start_ns: int, end_ns: int) -> Iterator[Series]:
        """Stream the readings of a range in runs, so that a year needs no more memory than a day."""
        with self._snapshot() as connection:
            sql = self._ordered_sql(connection, channel_id, start_ns, end_ns)
            if sql is None:
                return
            held = empty_series()  # the last row of a run: the next may begin with the same time
            for batch in connection.sql(sql).to_arrow_reader(_RUN_ROWS):
                run = _series(batch)
                run = _deduplicated(
                    Series(
                        np.concatenate([held.time_ns, run.time_ns]),
                        np.concatenate([held.value, run.value]),
                        np.concatenate([held.quality, run.quality]),
                    )
                )
                last = max(0, len(run) - 1)
                held = Series(run.time_ns[last:], run.value[last:], run.quality[last:])
                yield _first(run, last)
            yield held

    def count(self, channel_id: str | None = None) -> int:
        """Return how many keys there are. Of all channels this looks at every row there is."""
        with self._snapshot() as connection:
            floor_ns = _floor(connection)
            condition = f"time_ns >= {floor_ns}"
            if channel_id is not None:
                condition += f" AND channel = {self._numbers.known.get(channel_id, -1)}"
            slices = [p for p in read_slices(connection) if p.file is None or p.last_ns >= floor_ns]
            if not slices:
                return 0
            union = union_sql(slices, self._folder, condition)
            sql = f"SELECT count(*) FROM (SELECT DISTINCT channel, time_ns FROM ({union}))"  # noqa: S608
            return first_value(connection.execute(sql))

    def close(self) -> None:
        """Let go; what is stored is durable already."""
        with self._writing:
            self._sweep()
            self._connection.close()

    def _ordered_sql(
        self, connection: duckdb.DuckDBPyConnection, channel_id: str, start_ns: int, end_ns: int
    ) -> str | None:
        """Return SQL for a channel's rows by time, of equal times the valid one last."""
        number = self._numbers.known.get(channel_id)
        start_ns = max(start_ns, _floor(connection))
        end_ns = min(end_ns, _INT64_MAX)
        slices = [
            piece
            for piece in read_slices(connection)
            if piece.file is None or (piece.first_ns < end_ns and piece.last_ns >= start_ns)
        ]
        if number is None or not slices or start_ns >= end_ns:
            return None
        condition = f"channel = {number} AND time_ns >= {start_ns} AND time_ns < {end_ns}"
        union = union_sql(slices, self._folder, condition)
        return f"SELECT time_ns, value, quality FROM ({union}) ORDER BY time_ns, slice, place"  # noqa: S608

    @contextmanager
    def _snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection of its own: one view of tables and files, which stay while it reads."""
        token = object()
        with self._guard:
            self._reading.add(token)
        try:
            connection = self._connection.cursor()
            try:
                connection.begin()
                yield connection
            finally:
                connection.close()
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _failed("the archive cannot be read", error) from error
        finally:
            with self._guard:
                self._reading.discard(token)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def _one(self, sql: str) -> int:
        return first_value(self._connection.execute(sql))


def _floor(connection: duckdb.DuckDBPyConnection) -> int:
    return first_value(connection.execute("SELECT floor_ns FROM archive"))


def _series(columns: Any) -> Series:
    return Series(*(columns.column(name).to_numpy() for name in ("time_ns", "value", "quality")))


def _first(series: Series, count: int) -> Series:
    return Series(series.time_ns[:count], series.value[:count], series.quality[:count])


def _deduplicated(series: Series) -> Series:
    mask = keep_newest_of_each_time(series.time_ns)
    if mask.all():
        return series
    return Series(series.time_ns[mask], series.value[mask], series.quality[mask])


def _failed(what: str, error: Exception) -> ArchiveError:
    transient = isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException | OSError)
    return ArchiveError(f"{what}: {error}", permanent=not transient)
