"""The core: readings in, judgements out; a pure function of its rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.evidence import copy_evidence
from analytics.house import House, build_house
from analytics.kernel import judge_readings
from analytics.layout import (
    DERIVED,
    FLAG_RESTARTED,
    MEASURED,
    NONE_NS,
    PASSING,
    STATE,
    Columns,
    Tables,
    Verdict,
    make_findings,
)
from analytics.overload import Overload
from analytics.passage import Prepared, go_over, prepare
from analytics.plan import Stream, join_streams
from analytics.silence import Silence
from analytics.state import take_back, take_snapshot
from analytics.tables import grow_logs
from domain.catalogue import Catalogue, Channel
from domain.grade import FaultKind, Grade, Quality, Side
from domain.journal import Tick
from domain.readings import (
    FLAG_FUTURE,
    FLAG_LATE,
    Batch,
    Float64s,
    GradeChange,
    Int32s,
    Int64s,
    Judged,
    Latest,
    Readings,
    UInt8s,
)

_CHANGES, _RISES = 4096, 256  # room of one run of the pass; it goes on where more is found
_PER_READING = (FaultKind.RANGE, FaultKind.STUCK, FaultKind.NOISE)


class _Ranked(NamedTuple):
    """A change, and where it stands: the measured reading it comes from, its channel's level."""

    root: int
    level: int
    change: GradeChange


class Core:
    """Checks, features and graded limits over all channels of a catalogue.

    Any grouping of the same readings into steps gives the same result, to the bit. ``step`` and
    ``tick`` run in one thread; ``latest`` and ``newest_ns`` may be called from another meanwhile.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        """Begin at rest; raises ``ValueError`` where a feature of the catalogue is not valid."""
        self._house = build_house(catalogue)
        self._findings = make_findings(_CHANGES, _RISES)
        self._used = False  # a core at rest can be restored into as it is
        nothing = _whole_columns(Batch.empty())
        verdict = Verdict(np.zeros(0, np.uint8), np.zeros(0, np.uint8))
        # Compiled now, not while the first readings wait.
        judge_readings(MEASURED, 0, self._house.tables, nothing, verdict, self._findings)

    def step(self, batch: Batch) -> Judged:
        """Judge readings in order, and what is derived from them."""
        house = self._house
        self._used = True
        house.silence.hear(batch.heard, batch.status)
        columns = _whole_columns(batch)
        verdict, ranked = self._judge(MEASURED, 0, columns, None)
        kept = (batch.flags & FLAG_FUTURE) == 0
        late = (verdict.flags & FLAG_LATE) != 0
        parts = [(columns, verdict.quality)] if kept.all() else [_filter(columns, verdict, kept)]
        if house.levels:
            usable = kept & ~late & (verdict.quality != Quality.FAIL) & house.feeds[batch.channel]
            parts += self._derive(
                _stream(columns, verdict, np.flatnonzero(usable)), columns, ranked
            )
            ranked.sort(key=lambda entry: entry[:2])  # stable: within a level as judged
        return Judged(
            readings=_readings(house.catalogue, parts),
            changes=[entry.change for entry in ranked],
            stored=self._count_by_gateway(batch.channel, kept),
            late=self._count_by_gateway(batch.channel, late),
            future=self._count_by_gateway(batch.channel, ~kept),
        )

    def tick(self, seq: int, tick: Tick) -> Judged:
        """Let time pass: silence, and the delays of channels that report on change."""
        self._used = True
        house = self._house
        silence, overload = house.silence, house.overload
        ranked = self._tell(seq, tick, silence, silence.advance(tick, house.tables.marks))
        ranked += self._tell(seq, tick, overload, overload.advance())
        ranked += self._let_delays_pass(seq, tick)
        nobody = np.zeros(len(house.catalogue.gateways), np.int64)
        return Judged(
            readings=_no_readings(house.catalogue),
            changes=[entry.change for entry in ranked],
            stored=nobody,
            late=nobody,
            future=nobody,
        )

    def refuse(self, gateway: int, frames: int) -> None:
        """Take in that so many frames of a gateway were refused: it is heard, and overloaded."""
        self._used = True
        self._house.silence.hear([gateway], [])
        self._house.overload.add(gateway, frames)

    def _tell(
        self, seq: int, tick: Tick, watched: Silence | Overload, news: tuple[Int64s, Float64s]
    ) -> list[_Ranked]:
        """Judge what a tick has changed of the faults ``watched``: places and values."""
        places, values = news
        if not len(places):
            return []
        told = watched.channels[places]
        now_ns = np.full(len(told), tick.now_ns, np.int64)
        _, ranked = self._judge(STATE, 0, _columns(seq, told, now_ns, values, tick.now_ns), None)
        watched.unsettled[places] = _unsettled(self._house.tables, told)
        return ranked

    def _let_delays_pass(self, seq: int, tick: Tick) -> list[_Ranked]:
        """Judge the standing values of channels that report on change, where a delay runs."""
        house = self._house
        silence, channels = house.silence, house.tables.channels
        own = silence.on_change
        own = own[(channels["awake"][own] == 1) & (channels["last_good"][own] > -np.inf)]
        if not len(own):
            return []
        at_ns = channels["newest_ns"][own] + silence.standing_ns(own, house.tables.marks)
        passing = _columns(seq, own, at_ns, channels["last_good"][own], tick.now_ns)
        return self._judge(PASSING, 0, passing, None)[1]

    def prepare(self, catalogue: Catalogue) -> Prepared | None:
        """Return what ``change_catalogue`` is quicker with; may be called from another thread.

        Raises ``ValueError`` where a feature of the catalogue is not valid.
        """
        return prepare(self._house, catalogue)

    def change_catalogue(
        self, seq: int, catalogue: Catalogue, now_ns: int, prepared: Prepared | None = None
    ) -> list[GradeChange]:
        """Go over to a new revision; channels with the same id and feature keep their state.

        A limit that stays with the same value keeps its state, one with a new value stays held
        until the next reading judges it, one that is gone lets go: the returned changes of grade
        are of these, and of channels whose state could not be kept. Raises ``ValueError``, with
        nothing changed, where a feature of the catalogue is not valid. What was ``prepared`` for
        another change is of no use, and does no harm.
        """
        self._used = True
        self._house, changes = go_over(self._house, catalogue, prepared, seq, now_ns)
        return changes

    def latest(self, channel_ids: Sequence[str] | None = None) -> dict[str, Latest]:
        """Return the live picture of channels, of all that are not faults' where none are named.

        Ids that the catalogue does not know are left out.
        """
        house = self._house
        index = house.catalogue.channel_index
        if channel_ids is None:
            channel_ids = [c.id for c in house.catalogue.channels if c.fault is None]
        return {name: _latest(house, index[name]) for name in channel_ids if name in index}

    def newest(self) -> tuple[Catalogue, Int64s, UInt8s]:
        """Return the catalogue, and in its order each channel's newest event time and grade.

        Time 0 where a channel never had a reading. Copies, for whoever looks at a whole city.
        """
        house = self._house
        records = house.tables.channels
        grade = np.maximum(records["high"], records["low"]).astype(np.uint8)
        return house.catalogue, records["newest_ns"].astype(np.int64), grade

    def newest_ns(self, channel_id: str) -> int:
        """Return the event time of the channel's newest reading; 0 where it never had one."""
        house = self._house
        index = house.catalogue.channel_index.get(channel_id)
        return 0 if index is None else int(house.tables.channels["newest_ns"][index])

    def snapshot(self) -> dict[str, Any]:
        """Return all state in plain values and arrays, keyed by channel id inside."""
        return take_snapshot(self._house)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take back the state of ``snapshot``, of this or of another revision of the catalogue."""
        house = build_house(self._house.catalogue) if self._used else self._house
        self._used = True
        take_back(snapshot, house)
        self._house = house

    def _judge(
        self, mode: int, level: int, columns: Columns, roots: Int64s | None
    ) -> tuple[Verdict, list[_Ranked]]:
        house, findings = self._house, self._findings
        count = len(columns.channel)
        flags = np.zeros(count, np.uint8)
        verdict = Verdict(np.full(count, Quality.PASS, np.uint8), flags)
        ranked: list[_Ranked] = []
        start = 0
        while start < count:
            findings.found[:] = 0
            start = judge_readings(mode, start, house.tables, columns, verdict, findings)
            for found in findings.changes[: findings.found[0]].tolist():
                root = found[0] if roots is None else int(roots[found[0]])
                ranked.append(_Ranked(root, level, self._change(found, columns)))
            if start < count and house.tables.free[0] < 8:
                house.tables = grow_logs(house.tables)
        return verdict, ranked

    def _change(self, found: tuple[Any, ...], columns: Columns) -> GradeChange:
        reading, index, side, previous, grade, time_ns, value, limit, rise = found
        catalogue = self._house.catalogue
        seq = int(columns.seq[reading])
        evidence = None
        if rise >= 0:
            channel = catalogue.channels[index]
            evidence = copy_evidence(
                self._findings.rises,
                rise,
                channel=channel,
                side=Side(side),
                catalogue=catalogue,
                seq=seq,
            )
        return GradeChange(
            seq=seq,
            channel=index,
            side=Side(side),
            previous=Grade(previous),
            grade=Grade(grade),
            time_ns=time_ns,
            received_ns=int(columns.received_ns[reading]),
            value=value,
            limit=limit,
            evidence=evidence,
        )

    def _derive(
        self, measured: Stream, columns: Columns, ranked: list[_Ranked]
    ) -> list[tuple[Columns, UInt8s]]:
        streams, parts = [measured], []
        for number, level in enumerate(self._house.levels, start=1):
            made = level.advance(join_streams(streams))
            if made is None:
                continue
            derived = Columns(
                seq=columns.seq[made.root],
                channel=made.channel,
                time_ns=made.time_ns,
                value=made.value,
                received_ns=columns.received_ns[made.root],
                flags=np.zeros(len(made.root), np.uint8),
            )
            verdict, found = self._judge(DERIVED, number, derived, made.root)
            ranked += found
            parts.append((derived, verdict.quality))
            good = np.flatnonzero(verdict.quality != Quality.FAIL)
            streams.append(_stream(derived, verdict, good)._replace(root=made.root[good]))
        return parts

    def _count_by_gateway(self, channels: Int32s, which: npt.NDArray[np.bool_]) -> Int64s:
        house = self._house
        gateways = len(house.catalogue.gateways)
        if not which.any():
            return np.zeros(gateways, np.int64)
        channels = channels if which.all() else channels[which]
        return np.bincount(house.gateway[channels], minlength=gateways + 1)[:gateways]


def _whole_columns(batch: Batch) -> Columns:
    """Return the batch's columns in the one form that the pass is compiled for, as they are if so.

    A read-only or strided column would be another type to the compiler, and compiling takes seconds.
    """
    return Columns(
        seq=np.require(batch.seq, np.int64, ("C", "W")),
        channel=np.require(batch.channel, np.int32, ("C", "W")),
        time_ns=np.require(batch.time_ns, np.int64, ("C", "W")),
        value=np.require(batch.value, np.float64, ("C", "W")),
        received_ns=np.require(batch.received_ns, np.int64, ("C", "W")),
        flags=np.require(batch.flags, np.uint8, ("C", "W")),
    )


def _columns(
    seq: int, channels: Int32s, time_ns: Int64s, value: Float64s, received_ns: int
) -> Columns:
    count = len(channels)
    return Columns(
        seq=np.full(count, seq, np.int64),
        channel=channels,
        time_ns=time_ns,
        value=value,
        received_ns=np.full(count, received_ns, np.int64),
        flags=np.zeros(count, np.uint8),
    )


def _stream(columns: Columns, verdict: Verdict, places: Int64s) -> Stream:
    return Stream(
        root=places,
        channel=columns.channel[places],
        time_ns=columns.time_ns[places],
        value=columns.value[places],
        restarted=verdict.flags[places] & np.uint8(FLAG_RESTARTED),
        row=columns.seq[places],
    )


def _filter(columns: Columns, verdict: Verdict, kept: Any) -> tuple[Columns, UInt8s]:
    return Columns(*(column[kept] for column in columns)), verdict.quality[kept]


def _no_readings(catalogue: Catalogue) -> Readings:
    return Readings(
        catalogue.channel_ids,
        np.empty(0, np.int32),
        np.empty(0, np.int64),
        np.empty(0, np.float64),
        np.empty(0, np.uint8),
    )


def _readings(catalogue: Catalogue, parts: Sequence[tuple[Columns, UInt8s]]) -> Readings:
    if len(parts) == 1:
        columns, quality = parts[0]
        return Readings(
            catalogue.channel_ids, columns.channel, columns.time_ns, columns.value, quality
        )
    return Readings(
        catalogue.channel_ids,
        np.concatenate([np.empty(0, np.int32), *(part.channel for part, _ in parts)]),
        np.concatenate([np.empty(0, np.int64), *(part.time_ns for part, _ in parts)]),
        np.concatenate([np.empty(0, np.float64), *(part.value for part, _ in parts)]),
        np.concatenate([np.empty(0, np.uint8), *(quality for _, quality in parts)]),
    )


def _unsettled(tables: Tables, channels: Int32s) -> Any:
    """Return which of ``channels`` would change by the same value again: runs, and histories."""
    unsettled = np.zeros(len(channels), np.bool_)
    for place, index in enumerate(channels[tables.channels["awake"][channels] == 1].tolist()):
        record = tables.channels[index]
        first = int(record["limit_first"])
        own = tables.limits[first : first + int(record["limit_count"])]
        runs = (own["on_since_ns"] != NONE_NS) | (own["off_since_ns"] != NONE_NS)
        unsettled[place] = bool((runs | (own["history"] != 0)).any())
    return unsettled


def _latest(house: House, index: int) -> Latest:
    channel: Channel = house.catalogue.channels[index]
    record = house.tables.channels[index]
    time_ns, value, quality = record["newest_ns"], record["value"], record["quality"]
    if channel.fault in _PER_READING and channel.fault_of is not None and not record["awake"]:
        # A fault at rest is not judged at each reading of its parent: it stands at its last value.
        parent = house.tables.channels[house.catalogue.channel_index[channel.fault_of]]
        time_ns = max(time_ns, parent["newest_ns"])
        if quality != Quality.PASS and time_ns > 0:
            value, quality = 0.0, Quality.PASS
    grade = Grade(int(max(record["high"], record["low"])))
    return Latest(int(time_ns), float(value), int(quality), grade)
