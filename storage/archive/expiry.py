"""What is no longer to be kept: raw readings give way to summaries, and summaries in their time.

All in bounded steps, one file at a time, and by whole files: a slice is looked at when all its readings
are older than what some of its channels keep. Their readings are summarised into a file of their own,
the others written anew beside it, and one transaction puts both names in the place of the old one. Killed
at any step, either the old file counts or the new ones do; what is named nowhere is a stray.

Of equal (channel, time) the later slice wins, so an earlier slice that holds the same stretch of the
same channels goes first, and of a slice only what no later one replaces is summarised.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import structlog

from domain.catalogue import Retention
from domain.readings import Int32s, Int64s
from storage.archive.layout import first_value
from storage.archive.shelf import Shelf
from storage.archive.slices import Slice, read_slices, sync, union_sql, write_rest
from storage.archive.summaries import (
    LEVEL_FILES,
    MERGED_ROWS_MAX,
    Columns,
    SummaryFile,
    join,
    read_columns,
    read_files,
    summarise,
    write_summary,
)

_log = structlog.get_logger(__name__)

NS_PER_DAY = 86_400 * 1_000_000_000
NS_PER_S = 1_000_000_000
FOREVER = np.iinfo(np.int64).max
LOOK_AGAIN_NS = 3600 * NS_PER_S  # at a slice that waits for an earlier one
SPAN_SHARE = 4  # an open slice is sealed once it is older than this part of the shortest retention


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept of each channel, by channel number; unknown numbers are kept for ever."""

    raw_ns: Int64s
    bucket_ns: Int64s  # 0: no summary
    summary_ns: Int64s

    @classmethod
    def of(cls, keep: Mapping[str, Retention], known: Mapping[str, int]) -> "Rules":
        """Return the rules as arrays; channels that have no rule are kept for ever."""
        size = max(known.values(), default=0) + 1
        rules = cls(np.full(size, FOREVER), np.zeros(size, np.int64), np.full(size, FOREVER))
        for channel_id, retention in keep.items():
            number = known.get(channel_id)
            if number is None or retention.raw_days is None:
                continue
            rules.raw_ns[number] = round(retention.raw_days * NS_PER_DAY)
            if retention.summary is not None:
                rules.bucket_ns[number] = retention.summary.bucket_s * NS_PER_S
                if retention.summary.days is not None:
                    rules.summary_ns[number] = round(retention.summary.days * NS_PER_DAY)
        return rules

    def shortest_raw_ns(self) -> int:
        """Return the shortest time that raw readings of any channel are kept."""
        return int(self.raw_ns.min(initial=FOREVER))

    def of_numbers(self, column: Int64s, numbers: Int32s) -> Int64s:
        """Return a column's entries for channel numbers, some of which may be newer than the rules."""
        found = np.full(len(numbers), 0 if column is self.bucket_ns else FOREVER)
        known = numbers < len(column)
        found[known] = column[numbers[known]]
        return found


class Expiry:
    """Takes one step at a time, under the writer's lock."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
        shelf: Shelf,
        transaction: Callable[[], AbstractContextManager[None]],
        step: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._shelf = shelf
        self._transaction = transaction
        self._step = step
        self._due_ns: dict[str, int] = {}  # when a file is to be looked at again, by these rules

    def rules_changed(self) -> None:
        """Look at every file again."""
        self._due_ns.clear()

    def stale(self, hot: Slice | None, rules: Rules, now_ns: int) -> bool:
        """Whether the open slice covers so long a time that it should be sealed to be expired."""
        raw_ns = rules.shortest_raw_ns()
        key = "hot" if hot is None else hot.table
        if hot is None or raw_ns == FOREVER or now_ns < self._due_ns.get(key, -FOREVER):
            return False
        self._due_ns[key] = now_ns + min(LOOK_AGAIN_NS, raw_ns // SPAN_SHARE)
        # The median: a few old readings that came late do not make a slice old.
        sql = f"SELECT quantile_disc(time_ns, 0.5) FROM {hot.table} HAVING count(*) > 0"  # noqa: S608
        median = self._connection.execute(sql).fetchall()
        return bool(median) and median[0][0] + raw_ns // SPAN_SHARE < now_ns

    def one_step(self, rules: Rules, now_ns: int) -> bool:
        """Do one step where something is due; return whether it did."""
        return (
            self._expire_slice(rules, now_ns)
            or self._drop_summary(rules, now_ns)
            or self._merge_summaries()
        )

    def _expire_slice(self, rules: Rules, now_ns: int) -> bool:
        shortest_ns = rules.shortest_raw_ns()
        if shortest_ns == FOREVER:
            return False
        slices = [piece for piece in read_slices(self._connection) if piece.file is not None]
        for piece in slices:
            name = str(piece.file)
            due_ns = self._due_ns.get(name, piece.last_ns + shortest_ns)
            if due_ns > now_ns:
                continue
            present = self._channels_of(name)
            kept_ns = rules.of_numbers(rules.raw_ns, present)
            ends_ns = np.where(kept_ns == FOREVER, FOREVER, kept_ns + piece.last_ns)
            expired = present[ends_ns <= now_ns]
            if not len(expired):
                self._due_ns[name] = int(ends_ns.min(initial=FOREVER))
            elif self._waits(piece, slices, expired):
                self._due_ns[name] = now_ns + LOOK_AGAIN_NS
            else:
                self._replace(piece, slices, expired, rules)
                return True
        return False

    def _channels_of(self, name: str) -> Int32s:
        rows = self._connection.sql(
            f"SELECT DISTINCT channel FROM {self._parquet(name)}"  # noqa: S608
        )
        found: Int32s = rows.to_arrow_table()["channel"].to_numpy().astype(np.int32)
        return found

    def _waits(self, piece: Slice, slices: list[Slice], expired: Int32s) -> bool:
        """Whether an earlier slice still has the same stretch of the same channels."""
        return any(
            bool(np.isin(self._channels_of(str(other.file)), expired).any())
            for other in slices
            if other.number < piece.number
            and other.last_ns >= piece.first_ns
            and other.first_ns <= piece.last_ns
        )

    def _replace(self, piece: Slice, slices: list[Slice], expired: Int32s, rules: Rules) -> None:
        """Put a slice's summaries, and the rest of it, in its place."""
        self._connection.register("expired", pa.table([pa.array(expired)], ["number"]))
        try:
            rows = self._valid(piece, slices)
            rest = self._rest(piece)
        finally:
            self._connection.unregister("expired")
        made = self._summaries_of(rows, rules)
        self._step("summarised")
        serial = self._number()
        kept = write_rest(rest, self._folder, piece.number, serial)
        sync(self._folder)
        self._step("rewritten")
        with self._transaction():
            for one in made:
                self._name(one)
            if kept is None:
                self._connection.execute("DELETE FROM slices WHERE number = ?", [piece.number])
            else:
                self._connection.execute(
                    "UPDATE slices SET file = ?, first_ns = ?, last_ns = ? WHERE number = ?",
                    [kept.file, kept.first_ns, kept.last_ns, piece.number],
                )
            self._step("replacing")
        self._step("replaced")
        self._shelf.doom([self._folder / str(piece.file)])
        _log.info(
            "archive_readings_expired", slice=piece.number, channels=len(expired), rows=len(rows)
        )

    def _valid(self, piece: Slice, slices: list[Slice]) -> Any:
        """Return the slice's expired rows by (channel, time), but for those that a later one replaces."""
        sql = (
            f"SELECT channel, time_ns, value, quality FROM {self._parquet(str(piece.file))} "  # noqa: S608
            "SEMI JOIN expired ON channel = expired.number"
        )
        hot = [one for one in read_slices(self._connection) if one.file is None]
        later = [
            one
            for one in slices
            if one.number > piece.number
            and one.first_ns <= piece.last_ns
            and one.last_ns >= piece.first_ns
        ] + [one for one in hot if one.number > piece.number]
        if later:
            span = f"time_ns >= {piece.first_ns} AND time_ns <= {piece.last_ns}"
            union = union_sql(later, self._folder, span)
            sql = (
                f"SELECT * FROM ({sql}) AS old ANTI JOIN (SELECT channel, time_ns FROM ({union})) "  # noqa: S608
                "AS new ON old.channel = new.channel AND old.time_ns = new.time_ns"
            )
        return self._connection.sql(f"{sql} ORDER BY channel, time_ns").to_arrow_table()

    def _rest(self, piece: Slice) -> Any:
        return self._connection.sql(
            f"SELECT channel, time_ns, value, quality FROM {self._parquet(str(piece.file))} "  # noqa: S608
            "ANTI JOIN expired ON channel = expired.number"
        ).to_arrow_table()

    def _summaries_of(self, rows: Any, rules: Rules) -> list[SummaryFile]:
        """Write a summary file for each length of bucket; return them, not named yet."""
        names = ("channel", "time_ns", "value", "quality")
        channel, time_ns, value, quality = (rows[name].to_numpy() for name in names)
        bucket_ns = rules.of_numbers(rules.bucket_ns, channel)
        made = []
        for length_ns in np.unique(bucket_ns[bucket_ns > 0]).tolist():
            of = bucket_ns == length_ns
            columns = summarise(channel[of], time_ns[of], value[of], quality[of], length_ns)
            if len(columns["channel"]):
                made.append(self._write(columns, length_ns, 0))
        return made

    def _write(self, columns: Columns, bucket_ns: int, level: int) -> SummaryFile:
        number = self._number()
        name = f"summary-{number:012d}.parquet"
        write_summary(columns, self._folder / name)
        span = int(columns["start_ns"].min()), int(columns["last_ns"].max())
        return SummaryFile(number, name, *span, bucket_ns, level, len(columns["channel"]))

    def _name(self, one: SummaryFile) -> None:
        values = [one.number, one.file, one.first_ns, one.last_ns, one.bucket_ns]
        self._connection.execute(
            "INSERT INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?)", [*values, one.level, one.rows]
        )

    def _number(self) -> int:
        """Return a number that was never used for a file before."""
        self._connection.execute("UPDATE archive SET last_slice = last_slice + 1")
        return first_value(self._connection.execute("SELECT last_slice FROM archive"))

    def _drop_summary(self, rules: Rules, now_ns: int) -> bool:
        """Drop a summary file of whose channels none keeps summaries that long."""
        longest = rules.summary_ns[rules.raw_ns < FOREVER]
        if not len(longest) or int(longest.min()) == FOREVER:
            return False
        for one in read_files(self._connection):
            if self._due_ns.get(one.file, one.last_ns + int(longest.min())) > now_ns:
                continue
            kept_ns = int(rules.of_numbers(rules.summary_ns, self._channels_of(one.file)).max())
            if kept_ns == FOREVER or one.last_ns + kept_ns > now_ns:
                self._due_ns[one.file] = FOREVER if kept_ns == FOREVER else one.last_ns + kept_ns
                continue
            with self._transaction():
                self._connection.execute("DELETE FROM summaries WHERE number = ?", [one.number])
            self._step("summary dropped")
            self._shelf.doom([self._folder / one.file])
            return True
        return False

    def _merge_summaries(self) -> bool:
        """Make one file of many small ones, so that a year's figures need not open thousands."""
        by_kind: dict[tuple[int, int], list[SummaryFile]] = {}
        for one in read_files(self._connection):
            by_kind.setdefault((one.bucket_ns, one.level), []).append(one)
        for (bucket_ns, level), files in by_kind.items():
            few = files[:LEVEL_FILES]
            if len(few) < LEVEL_FILES or sum(one.rows for one in few) > MERGED_ROWS_MAX:
                continue
            paths = [self._folder / one.file for one in few]
            merged = self._write(join(read_columns(self._connection, paths)), bucket_ns, level + 1)
            sync(self._folder)
            self._step("merged")
            with self._transaction():
                listed = ", ".join(str(one.number) for one in few)
                self._connection.execute(f"DELETE FROM summaries WHERE number IN ({listed})")  # noqa: S608
                self._name(merged)
            self._step("merged named")
            self._shelf.doom(paths)
            return True
        return False

    def _parquet(self, name: str) -> str:
        path = str(self._folder / name).replace("'", "''")
        return f"read_parquet('{path}')"
