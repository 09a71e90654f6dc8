"""The embedded archive: DuckDB for what is new, sorted Parquet files for what is old.

Rows are inserted into a *slice*, a table of the order in which they came, whatever their event time:
late readings need no place of their own. A full slice is sealed: sorted by (channel, time) into a
Parquet file, one row a key, then dropped. A later slice wins over an earlier one, and within a table
the later row, so the same key may stand in several places and reads still agree. Files are named in
the database in the same transaction that drops the table; a file that is not named there is a stray.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from domain.catalogue import Retention
from domain.readings import Readings
from storage.archive import GivenUp, TakeRefused, nobody_takes
from storage.archive.copying import Held, copy_database, sealed_names
from storage.archive.expiry import Expiry, Rules
from storage.archive.layout import first_value, prepare, tidy
from storage.archive.numbers import Numbers
from storage.archive.reads import Reads, failed
from storage.archive.shelf import Shelf
from storage.archive.slices import Slice, file_name, read_slices, seal, sync

_log = structlog.get_logger(__name__)

SLICE_ROWS_MAX = 10_000_000


def _no_step(_name: str) -> None:
    """Do nothing between steps; tests kill the process there."""


class DuckArchive(Reads):
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
        self._shelf = Shelf()
        self._cursor = self._one("SELECT cursor FROM archive")
        known = connection.execute("SELECT id, number FROM channels").fetchall()
        self._numbers = Numbers(known)
        self._expiry = Expiry(connection, self._folder, self._shelf, self._transaction, step)
        self._keep: Mapping[str, Retention] = {}
        self._rules: tuple[int, Rules] | None = None  # for so many known channels
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
            raise failed(f"cannot open the archive in {folder}", error) from error

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
                raise failed("the archive cannot be written", error) from error
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
            self._shelf.sweep()
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
            raise failed(f"slice {piece.number} cannot be sealed", error) from error
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
            raise failed("the archive cannot be checkpointed", error) from error

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
                raise failed("the archive cannot drop old files", error) from error
            self._step("dropped")
            self._shelf.doom(self._folder / file for (file,) in dropped)
            return len(dropped)

    def keep(self, rules: Mapping[str, Retention]) -> None:
        """Take how long each channel is kept."""
        with self._writing:
            self._keep, self._rules = dict(rules), None

    def expire(self, now_ns: int) -> bool:
        """Do one step of what the rules ask for; see ``storage.archive.expiry``."""
        with self._writing:
            self._shelf.sweep()
            try:
                rules = self._current_rules()
                if self._expiry.stale(self._hot, rules, now_ns) and self._hot is not None:
                    self._seal(self._hot)
                    return True
                return self._expiry.one_step(rules, now_ns)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise failed(
                    "the archive cannot let go of what is kept no longer", error
                ) from error

    def _current_rules(self) -> Rules:
        known = self._numbers.known
        if self._rules is None or self._rules[0] != len(known):
            self._rules = len(known), Rules.of(self._keep, known)
            self._expiry.rules_changed()
        return self._rules[1]

    def give_way(self) -> GivenUp | None:
        """Give up the sealed slice whose readings are the oldest; their summaries stay."""
        with self._writing:
            sealed = [p for p in read_slices(self._connection) if p.file is not None]
            if not sealed:
                return None
            oldest = min(sealed, key=lambda piece: (piece.last_ns, piece.number))
            path = self._folder / str(oldest.file)
            try:
                size, rows = path.stat().st_size, pq.read_metadata(path).num_rows
                with self._transaction():
                    sql = "DELETE FROM slices WHERE number = ?"
                    self._connection.execute(sql, [oldest.number])
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise failed(f"slice {oldest.number} cannot be given up", error) from error
            self._shelf.doom([path])
            return GivenUp(rows, oldest.first_ns, oldest.last_ns, size)

    @contextmanager
    def held(self, target: Path) -> Iterator[Held]:
        """Copy the database file into ``target``, and keep the sealed files it names meanwhile.

        Writes wait while the file is copied, and no longer.
        """
        with self._shelf.reading():
            began_s = time.monotonic()
            with self._writing:
                self._checkpoint()
                copied = copy_database(self._folder.parent, target)
                names = sealed_names(self._connection)
                cursor, pause_s = self._cursor, time.monotonic() - began_s
            sealed = [self._folder / name for name in names]
            yield Held(cursor, pause_s, copied, sealed)

    def close(self) -> None:
        """Let go; what is stored is durable already."""
        with self._writing:
            self._shelf.sweep()
            self._connection.close()

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
