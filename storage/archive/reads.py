"""Reading the embedded archive: one view of tables and files, of equal keys the valid one."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from storage.archive import ArchiveError, Buckets, Series, empty_series
from storage.archive.figures import Summarised, figures
from storage.archive.layout import first_value
from storage.archive.numbers import Numbers
from storage.archive.series import deduplicated, first_of, ordered, series_of
from storage.archive.shelf import Shelf
from storage.archive.slices import read_slices, union_sql
from storage.archive.summaries import summarised

_INT64_MAX = 2**63 - 1
_RUN_ROWS = 1_000_000
_ORDER = "ORDER BY time_ns, slice, place"  # of equal times the valid one last


class Reads:
    """What readers see; any number of threads at a time."""

    _connection: duckdb.DuckDBPyConnection
    _folder: Path
    _shelf: Shelf
    _numbers: Numbers

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> Series:
        """Return the first ``limit`` readings of [start, end), ascending."""
        parts = [empty_series()]
        wanted = limit
        while wanted > 0:
            # Rows of one key in several slices are rare: asking for a few more is mostly enough.
            asked = wanted + wanted // 16 + 16
            series, last_ns = self._read_some(channel_id, start_ns, end_ns, asked)
            parts.append(first_of(series, wanted))
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
            sql = self._rows_sql(connection, channel_id, start_ns, end_ns)
            if sql is None:
                return empty_series(), None
            series = series_of(connection.sql(f"{sql} {_ORDER} LIMIT {rows}").to_arrow_table())
            if len(series) < rows:
                return deduplicated(series), None
            last_ns = int(series.time_ns[-1])
            if series.time_ns[0] == last_ns:  # nothing but rows of one time: take them all
                sql = self._rows_sql(connection, channel_id, last_ns, last_ns + 1)
                whole = series_of(connection.sql(f"{sql} {_ORDER}").to_arrow_table())
                return deduplicated(whole), last_ns + 1
        before = int(np.searchsorted(series.time_ns, last_ns))
        return deduplicated(first_of(series, before)), last_ns

    def read_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures by stretches of ``bucket_ns`` of the readings in [start, end)."""
        return figures(self._runs(channel_id, start_ns, end_ns, bucket_ns), bucket_ns)

    def _runs(
        self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int = 0
    ) -> Iterator[Series | Summarised]:
        """Stream the readings of a range in runs, so that a year needs no more memory than a day.

        With ``bucket_ns`` the summaries of readings that are gone come first, as of the same moment.
        """
        with self._snapshot() as connection:
            number = self._numbers.known.get(channel_id)
            if bucket_ns > 0 and number is not None:
                span = max(start_ns, _floor(connection)), end_ns
                found = summarised(connection, self._folder, number, span, bucket_ns)
                if found is not None:
                    yield found
            sql = self._rows_sql(connection, channel_id, start_ns, end_ns)
            if sql is None:
                return
            # Few rows are sorted here: they come in order but for what was late, which takes DuckDB
            # as long as reading them and a merge sort next to nothing.
            rows = connection.sql(f"{sql} LIMIT {_RUN_ROWS + 1}").to_arrow_table()
            if len(rows) <= _RUN_ROWS:
                yield deduplicated(ordered(rows))
                return
            del rows
            held = empty_series()  # the last row of a run: the next may begin with the same time
            for batch in connection.sql(f"{sql} {_ORDER}").to_arrow_reader(_RUN_ROWS):
                run = series_of(batch)
                run = deduplicated(
                    Series(
                        np.concatenate([held.time_ns, run.time_ns]),
                        np.concatenate([held.value, run.value]),
                        np.concatenate([held.quality, run.quality]),
                    )
                )
                last = max(0, len(run) - 1)
                held = Series(run.time_ns[last:], run.value[last:], run.quality[last:])
                yield first_of(run, last)
            yield held

    def count(self, channel_id: str | None = None) -> int:
        """Return how many keys there are. Of all channels this looks at every row there is."""
        if channel_id is None:
            return sum(self.count_by_channel().values())
        number = self._numbers.known.get(channel_id, -1)
        return self._counts(f"AND channel = {number}").get(channel_id, 0)

    def count_by_channel(self) -> dict[str, int]:
        """Return how many keys each channel has that has any, with one look at every row."""
        return self._counts("")

    def _counts(self, condition: str) -> dict[str, int]:
        with self._snapshot() as connection:
            floor_ns = _floor(connection)
            slices = [p for p in read_slices(connection) if p.file is None or p.last_ns >= floor_ns]
            if not slices:
                return {}
            union = union_sql(slices, self._folder, f"time_ns >= {floor_ns} {condition}")
            sql = (
                f"SELECT id, count(*) FROM (SELECT DISTINCT channel, time_ns FROM ({union})) "  # noqa: S608  numbers
                "JOIN channels ON number = channel GROUP BY id"
            )
            return dict(connection.execute(sql).fetchall())

    def _rows_sql(
        self, connection: duckdb.DuckDBPyConnection, channel_id: str, start_ns: int, end_ns: int
    ) -> str | None:
        """Return SQL for a channel's rows with their rank; in order with ``_ORDER`` after it."""
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
        return f"SELECT time_ns, value, quality, slice, place FROM ({union})"  # noqa: S608

    @contextmanager
    def _snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection of its own: one view of tables and files, which stay while it reads."""
        try:
            with self._shelf.reading(), closing(self._connection.cursor()) as connection:
                connection.begin()
                yield connection
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise failed("the archive cannot be read", error) from error


def _floor(connection: duckdb.DuckDBPyConnection) -> int:
    return first_value(connection.execute("SELECT floor_ns FROM archive"))


def failed(what: str, error: Exception) -> ArchiveError:
    """Return DuckDB's or the disk's error as ours, with what was being done."""
    transient = isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException | OSError)
    # A commit for which there is no room is a fault of the transaction to DuckDB; it is rolled back.
    transient |= isinstance(error, duckdb.TransactionException) and "Could not write" in str(error)
    return ArchiveError(f"{what}: {error}", permanent=not transient)
