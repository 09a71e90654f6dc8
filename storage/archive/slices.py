"""Slices of the embedded archive: their names, what a reader sees of them, sealing one to Parquet."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from domain.readings import Int32s, Int64s

# Looking at a row group's statistics costs more than skipping pages within it, so few large groups
# of small pages: a day of one channel out of 48 M rows took 9 ms, against 77 ms in groups of 16,384.
ROW_GROUP_ROWS = 245_760
_PAGE_BYTES = 64 * 1024
_PARQUET: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["channel", "quality", "slice"],
    "column_encoding": {"time_ns": "DELTA_BINARY_PACKED"},
    "data_page_size": _PAGE_BYTES,
}

SEALED_SCHEMA = pa.schema(
    [
        pa.field("channel", pa.int32(), nullable=False),
        pa.field("time_ns", pa.int64(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("quality", pa.uint8(), nullable=False),
        pa.field("slice", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: a table where ``file`` is ``None``, else a Parquet file with its event times."""

    number: int
    file: str | None
    first_ns: int
    last_ns: int

    @property
    def table(self) -> str:
        """The name of its table while it is not sealed."""
        return f"hot_{self.number}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was written to a Parquet file."""

    rows: int
    first_ns: int
    last_ns: int


def file_name(number: int) -> str:
    """Return the name of a sealed slice's file."""
    return f"slice-{number:012d}.parquet"


def read_slices(connection: duckdb.DuckDBPyConnection) -> list[Slice]:
    """Return the slices there are, oldest first."""
    rows = connection.execute("SELECT number, file, first_ns, last_ns FROM slices ORDER BY number")
    return [Slice(*row) for row in rows.fetchall()]


def union_sql(slices: list[Slice], folder: Path, condition: str) -> str:
    """Return SQL for every row of ``slices`` that meets ``condition``, with its rank.

    Of equal (channel, time_ns) the one with the greatest (slice, place) counts.
    """
    columns = "channel, time_ns, value, quality"
    parts = []
    files = [str(folder / s.file).replace("'", "''") for s in slices if s.file is not None]
    if files:
        listed = ", ".join(f"'{file}'" for file in files)
        parts.append(
            f"SELECT {columns}, slice, 0::BIGINT AS place "  # noqa: S608  names are our own
            f"FROM read_parquet([{listed}]) WHERE {condition}"
        )
    parts += [
        f"SELECT {columns}, {s.number}::BIGINT AS slice, rowid::BIGINT AS place "  # noqa: S608  numbers
        f"FROM {s.table} WHERE {condition}"
        for s in slices
        if s.file is None
    ]
    return " UNION ALL ".join(parts)


def seal(
    connection: duckdb.DuckDBPyConnection, piece: Slice, folder: Path, step: Callable[[str], None]
) -> Sealed:
    """Write ``piece``'s table, sorted and one row a key, to its file; durable when it returns.

    It is written under another name first, so that a file of the right name is always whole.
    """
    beside = folder / f"{file_name(piece.number)}.tmp"
    # Rows come as they were inserted: DuckDB keeps that order where none is asked for.
    sql = f"SELECT channel, time_ns, value, quality FROM {piece.table}"  # noqa: S608  a number
    rows = connection.sql(sql).to_arrow_table()
    with _whole_or_gone(beside):
        sealed = _write_sorted(rows, beside, piece.number)
        step("written")
        sync(beside)
    beside.replace(folder / file_name(piece.number))
    sync(folder)
    step("renamed")
    return sealed


def write_rest(rows: Any, folder: Path, number: int, serial: int) -> Slice | None:
    """Write what is left of a sealed slice to a file of a new name; ``None`` where nothing is.

    ``serial`` must never have been used before: a reader may still have the old file, and DuckDB
    remembers what it read of a name. The name is durable once ``folder`` is synced.
    """
    if not len(rows):
        return None
    name = f"slice-{number:012d}-{serial:012d}.parquet"
    beside = folder / f"{name}.tmp"
    with _whole_or_gone(beside):
        sealed = _write_sorted(rows, beside, number)
        sync(beside)
    beside.replace(folder / name)
    return Slice(number, name, sealed.first_ns, sealed.last_ns)


@contextmanager
def _whole_or_gone(path: Path) -> Iterator[None]:
    """Remove a file that could not be written: on a full disk it must not take what room there is."""
    try:
        yield
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _write_sorted(rows: Any, path: Path, number: int) -> Sealed:
    """Write ``rows`` by (channel, time), of equal keys the last, with their slice's number.

    What comes is mostly in order already, channel by channel or second by second: a merge sort
    finds that, and takes a third of the time of a sort that does not look.
    """
    columns = {name: rows[name].to_numpy() for name in rows.column_names}
    order = np.lexsort((columns["time_ns"], columns["channel"]))
    order = order[_last_of_each_key(columns["channel"][order], columns["time_ns"][order])]
    ordered = {name: column[order] for name, column in columns.items()}
    ordered["slice"] = np.full(len(order), number, np.int64)
    table = pa.Table.from_pydict(ordered, schema=SEALED_SCHEMA)
    sorting = [pq.SortingColumn(0), pq.SortingColumn(1)]
    with pq.ParquetWriter(path, SEALED_SCHEMA, sorting_columns=sorting, **_PARQUET) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    time_ns = ordered["time_ns"]
    if not len(time_ns):
        return Sealed(0, int(np.iinfo(np.int64).max), int(np.iinfo(np.int64).min))
    return Sealed(len(time_ns), int(time_ns.min()), int(time_ns.max()))


def _last_of_each_key(channel: Int32s, time_ns: Int64s) -> npt.NDArray[np.bool_]:
    keep = np.ones(len(time_ns), np.bool_)
    keep[:-1] = (channel[1:] != channel[:-1]) | (time_ns[1:] != time_ns[:-1])
    return keep


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
