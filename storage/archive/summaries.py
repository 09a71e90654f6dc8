"""Summaries of readings that are gone: count, min, max, mean and last by channel and bucket.

They lie in Parquet files sorted by (channel, start). The same bucket may stand in several files, where
its readings lay in several slices: figures of both are joined when read, and when files are merged.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from domain.grade import Quality
from domain.readings import Float64s, Int32s, Int64s, UInt8s
from storage.archive.figures import Summarised, means
from storage.archive.slices import sync

LEVEL_FILES = 16  # so many summary files of a level become one of the next
MERGED_ROWS_MAX = 2_000_000  # and no more than this in one
ROW_GROUP_ROWS = 122_880

SCHEMA = pa.schema(
    [
        pa.field("channel", pa.int32(), nullable=False),
        pa.field("start_ns", pa.int64(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("min", pa.float64(), nullable=False),
        pa.field("max", pa.float64(), nullable=False),
        pa.field("mean", pa.float64(), nullable=False),
        pa.field("last", pa.float64(), nullable=False),
        pa.field("last_ns", pa.int64(), nullable=False),
    ]
)
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class SummaryFile:
    """One file: the event times of the readings it stands for lie from first to last."""

    number: int
    file: str
    first_ns: int
    last_ns: int
    bucket_ns: int
    level: int
    rows: int


def read_files(connection: duckdb.DuckDBPyConnection) -> list[SummaryFile]:
    """Return the summary files there are, the oldest first."""
    sql = (
        "SELECT number, file, first_ns, last_ns, bucket_ns, level, row_count FROM summaries "
        "ORDER BY number"
    )
    return [SummaryFile(*row) for row in connection.execute(sql).fetchall()]


def summarise(
    channel: Int32s, time_ns: Int64s, value: Float64s, quality: UInt8s, bucket_ns: int
) -> Columns:
    """Return summary columns of readings sorted by (channel, time), one for each key.

    Failed and missing readings have no part, as in any figures of readings.
    """
    good = (quality != Quality.FAIL) & (quality != Quality.MISSING)
    channel, time_ns, value = channel[good], time_ns[good], value[good]
    start_ns = time_ns - time_ns % bucket_ns
    first = _firsts(channel, start_ns)
    ends = np.append(first[1:], len(value))[: len(first)]
    count = ends - first
    if not len(first):
        return {
            name: np.empty(0, SCHEMA.field(name).type.to_pandas_dtype()) for name in SCHEMA.names
        }
    return {
        "channel": channel[first],
        "start_ns": start_ns[first],
        "count": count,
        "min": np.minimum.reduceat(value, first),
        "max": np.maximum.reduceat(value, first),
        "mean": means(value, first, count),
        "last": value[ends - 1],
        "last_ns": time_ns[ends - 1],
    }


def join(columns: Columns) -> Columns:
    """Return summary columns with one row a (channel, start): parts of one bucket are joined."""
    order = np.lexsort((columns["last_ns"], columns["start_ns"], columns["channel"]))
    sorted_ = {name: column[order] for name, column in columns.items()}
    first = _firsts(sorted_["channel"], sorted_["start_ns"])
    if not len(first):
        return sorted_
    ends = np.append(first[1:], len(order))
    total = np.add.reduceat(sorted_["count"], first)
    weight = sorted_["count"] / np.repeat(total, ends - first)
    return {
        "channel": sorted_["channel"][first],
        "start_ns": sorted_["start_ns"][first],
        "count": total,
        "min": np.minimum.reduceat(sorted_["min"], first),
        "max": np.maximum.reduceat(sorted_["max"], first),
        "mean": np.add.reduceat(sorted_["mean"] * weight, first),
        "last": sorted_["last"][ends - 1],
        "last_ns": sorted_["last_ns"][ends - 1],
    }


def _firsts(channel: Int32s, start_ns: Int64s) -> Int64s:
    """Return where each run of equal (channel, start) begins."""
    changed = (channel[1:] != channel[:-1]) | (start_ns[1:] != start_ns[:-1])
    begins = np.concatenate([np.zeros(min(1, len(channel)), np.int64), np.flatnonzero(changed) + 1])
    return begins.astype(np.int64)


def write_summary(columns: Columns, path: Path) -> None:
    """Write summary columns under another name first, so that a file of the right name is whole."""
    beside = path.with_suffix(".tmp")
    table = pa.Table.from_pydict(columns, schema=SCHEMA)
    sorting = [pq.SortingColumn(0), pq.SortingColumn(1)]
    try:
        with pq.ParquetWriter(
            beside, SCHEMA, sorting_columns=sorting, compression="zstd"
        ) as writer:
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        sync(beside)
    except OSError:
        beside.unlink(missing_ok=True)  # on a full disk it must not take what room there is
        raise
    beside.replace(path)


def read_columns(
    connection: duckdb.DuckDBPyConnection, paths: list[Path], where: str = ""
) -> Columns:
    """Return the columns of summary files, in their order."""
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    names = ", ".join(f'"{name}"' for name in SCHEMA.names)
    table = connection.sql(f"SELECT {names} FROM read_parquet([{listed}]) {where}")  # noqa: S608
    found = table.to_arrow_table()
    return {name: found[name].to_numpy() for name in SCHEMA.names}


def summarised(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    number: int,
    span: tuple[int, int],
    bucket_ns: int,
) -> Summarised | None:
    """Return what summaries say of a channel over [start, end), for buckets of ``bucket_ns``.

    Only those whose buckets divide ``bucket_ns``: the figures of an hour say nothing of its minutes.
    """
    start_ns, end_ns = span
    paths = [
        folder / one.file
        for one in read_files(connection)
        if one.first_ns < end_ns and one.last_ns >= start_ns and bucket_ns % one.bucket_ns == 0
    ]
    if not paths:
        return None
    where = f"WHERE channel = {number} AND start_ns >= {start_ns} AND start_ns < {end_ns}"
    columns = read_columns(connection, paths, where)
    return Summarised(**{name: columns[name] for name in SCHEMA.names if name != "channel"})
