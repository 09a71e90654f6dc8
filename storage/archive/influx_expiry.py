"""Readings on InfluxDB that are kept no longer: summaries first, then how far, then the deletion.

One channel and one day a step; the server makes the figures. How far a channel is summarised stands on
the server, written before its readings are deleted: broken off anywhere, the same is done again or passed
over, and no bucket is made of what half a deletion has left. A reading that comes later than that is
deleted without a summary with the next step of its channel.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from domain.catalogue import Retention, Summary
from storage.archive import Buckets
from storage.archive.figures import Summarised, figures
from storage.archive.influx_server import Row
from storage.archive.lines import float_text, tag_text

NS_PER_S = 1_000_000_000
DAY_NS = 86_400 * NS_PER_S
READINGS, SUMMARIES, PROGRESS = "reading", "reading_summary", "lifeline_expiry"


class Store(Protocol):
    """What is needed of the archive that readings expire in."""

    def ask(self, text: str) -> list[Row]:
        """Return the rows of an InfluxQL query."""

    def send(self, body: bytes, lines: int) -> None:
        """Write lines."""

    def delete(self, measurement: str, channel_id: str, time_ns: int) -> None:
        """Delete a channel's points before a time."""

    def raw_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures of the readings that are there."""


class InfluxExpiry:
    """Takes one step at a time, under the writer's lock."""

    def __init__(self, store: Store, quoted: Callable[[str], str]) -> None:
        self._store = store
        self._quoted = quoted
        self._rules: dict[str, Retention] = {}
        self._due_ns: dict[str, int] = {}
        self._done_ns: dict[str, int] = {}

    def keep(self, rules: Mapping[str, Retention]) -> None:
        """Take the rules; channels that keep everything are of no interest."""
        self._rules = {id_: rule for id_, rule in rules.items() if rule.raw_days is not None}
        self._due_ns.clear()

    def one_step(self, now_ns: int) -> bool:
        """Do one step for one channel that is due; return whether there was one."""
        for channel_id, rule in self._rules.items():
            if self._due_ns.get(channel_id, now_ns) <= now_ns:
                self._due_ns[channel_id] = self._expire(channel_id, rule, now_ns)
                return True
        return False

    def _expire(self, channel_id: str, rule: Retention, now_ns: int) -> int:
        """Summarise and delete a day of a channel; return when it is to be looked at again."""
        raw_ns = round((rule.raw_days or 0.0) * DAY_NS)
        cutoff_ns = _day(now_ns - raw_ns)
        oldest_ns = self._oldest(channel_id)
        if oldest_ns is None or oldest_ns >= cutoff_ns:
            self._expire_summaries(channel_id, rule, now_ns)
            return now_ns + DAY_NS
        done_ns = self._done(channel_id)
        begin_ns = max(_day(oldest_ns), done_ns)
        end_ns = min(begin_ns + DAY_NS, cutoff_ns)
        if begin_ns < end_ns and rule.summary is not None:
            self._summarise(channel_id, rule.summary, begin_ns, end_ns)
        self._mark(channel_id, max(done_ns, end_ns), now_ns)
        self._store.delete(READINGS, channel_id, max(done_ns, end_ns))
        return now_ns

    def _oldest(self, channel_id: str) -> int | None:
        where = f"WHERE channel = {self._quoted(channel_id)}"
        found = self._store.ask(f"SELECT first(quality) FROM {READINGS} {where}")  # noqa: S608
        return int(found[0][0]) if found else None

    def _done(self, channel_id: str) -> int:
        if channel_id not in self._done_ns:
            where = f"WHERE channel = {self._quoted(channel_id)}"
            found = self._store.ask(f"SELECT max(done) FROM {PROGRESS} {where}")  # noqa: S608
            self._done_ns[channel_id] = int(found[0][1] or 0) if found else -(2**62)
        return self._done_ns[channel_id]

    def _mark(self, channel_id: str, done_ns: int, now_ns: int) -> None:
        line = f"{PROGRESS},channel={tag_text(channel_id)} done={done_ns}i {_day(now_ns)}\n"
        self._store.send(line.encode(), 1)
        self._done_ns[channel_id] = done_ns

    def _summarise(self, channel_id: str, summary: Summary, begin_ns: int, end_ns: int) -> None:
        bucket_ns = summary.bucket_s * NS_PER_S
        found = self._store.raw_buckets(channel_id, begin_ns, end_ns, bucket_ns)
        tag = tag_text(channel_id)
        columns = (found.start_ns, found.count, found.min, found.max, found.mean, found.last)
        lines = [
            f"{SUMMARIES},channel={tag} bucket={bucket_ns}i,count={count}i,min={float_text(low)},"
            f"max={float_text(high)},mean={float_text(mean)},last={float_text(last)} {start}\n"
            for start, count, low, high, mean, last in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]
        for at in range(0, len(lines), 5_000):
            body = "".join(lines[at : at + 5_000]).encode()
            self._store.send(body, len(lines[at : at + 5_000]))

    def _expire_summaries(self, channel_id: str, rule: Retention, now_ns: int) -> None:
        if rule.summary is not None and rule.summary.days is not None:
            time_ns = _day(now_ns - round(rule.summary.days * DAY_NS))
            self._store.delete(SUMMARIES, channel_id, time_ns)

    def buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return a channel's figures: of summaries as far as it is summarised, then of readings.

        So they are the same at every moment of a step.
        """
        if channel_id not in self._rules:
            return self._store.raw_buckets(channel_id, start_ns, end_ns, bucket_ns)
        done_ns = self._done(channel_id)
        raw = self._store.raw_buckets(channel_id, max(start_ns, done_ns), end_ns, bucket_ns)
        rows = self._summaries(channel_id, start_ns, min(end_ns, done_ns))
        rows = [row for row in rows if bucket_ns % int(row[1] or 1) == 0]
        if not rows:
            return raw
        start, bucket, count, *rest = (np.array(column) for column in zip(*rows, strict=True))
        low, high, mean, last = rest
        gone = Summarised(start, count, low, high, mean, last, start + bucket - 1)
        ends_ns = raw.start_ns + bucket_ns - 1
        left = Summarised(raw.start_ns, raw.count, raw.min, raw.max, raw.mean, raw.last, ends_ns)
        return figures([gone, left], bucket_ns)

    def _summaries(self, channel_id: str, start_ns: int, end_ns: int) -> list[Row]:
        if start_ns >= end_ns:
            return []
        return self._store.ask(
            f"SELECT bucket, count, min, max, mean, last FROM {SUMMARIES} "  # noqa: S608  quoted
            f"WHERE channel = {self._quoted(channel_id)} AND time >= {start_ns} AND time < {end_ns}"
        )


def _day(time_ns: int) -> int:
    return time_ns - time_ns % DAY_NS
