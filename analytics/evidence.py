"""Evidence: what a rise was judged on, in plain values, and the same judgement run again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from analytics.kernel import judge_readings
from analytics.layout import (
    NONE_NS,
    PASSING,
    STATE,
    Columns,
    Logs,
    Verdict,
    make_findings,
)
from analytics.tables import build_tables, order_limits
from domain.catalogue import Catalogue, Channel, Limit
from domain.grade import Grade, Quality, Side
from domain.readings import Evidence


def describe_limit(limit: Limit) -> dict[str, object]:
    """Return ``limit`` in plain values."""
    return {
        "grade": limit.grade.word,
        "side": limit.side.name.lower(),
        "value": limit.value,
        "deadband": limit.deadband,
        "on_delay_s": limit.on_delay_s,
        "off_delay_s": limit.off_delay_s,
        "n": limit.n,
        "m": limit.m,
    }


def copy_evidence(
    rises: Logs, rise: int, *, channel: Channel, side: Side, catalogue: Catalogue, seq: int
) -> Evidence:
    """Return the evidence that a pass laid down at ``rise``.

    Its ``state`` holds the watermark and each limit as they stood before the readings. A reading of
    quality 2 (unknown) is none: it stands for time that passed on a channel that reports on change.
    """
    count = int(rises.length[rise])
    limits = order_limits(channel)
    columns = (rises.time_ns, rises.value, rises.quality)
    rows = zip(*(column[rise, :count].tolist() for column in columns), strict=True)
    return Evidence(
        revision=catalogue.revision,
        first_seq=int(rises.first_seq[rise]),
        last_seq=seq,
        state={
            "side": side.name.lower(),
            "newest_ns": int(rises.newest_ns[rise]),
            "limits": [_limit_state(rises, rise, k) for k in range(len(limits))],
        },
        readings=[(time_ns, value, quality) for time_ns, value, quality in rows],
        limits=[describe_limit(limit) for limit in limits],
        profile=catalogue.profile_of(channel.facility),
    )


def rejudge(evidence: Evidence, channel: Channel) -> Grade:
    """Run the judgement of ``evidence`` again; return the grade its side stands at after it.

    ``channel`` gives what the evidence does not: the sample interval, and with it the gap rule.
    The limits are those of the evidence.
    """
    limits = tuple(_limit(plain) for plain in evidence.limits)
    bare = replace(channel, limits=limits, feature=None, gateway=None)
    if bare.fault_of is not None:
        bare = replace(bare, fault_of=None)
    tables = build_tables(Catalogue(revision=evidence.revision, channels=(bare,)))
    tables.channels["newest_ns"] = evidence.state["newest_ns"]
    states = cast(list[Mapping[str, Any]], evidence.state["limits"])
    for record, state in zip(tables.limits, states, strict=True):
        record["held"] = state["held"]
        record["on_since_ns"] = _or_none(state["on_since_ns"])
        record["off_since_ns"] = _or_none(state["off_since_ns"])
        record["history"] = int(state["history"], 16)
        record["count"] = int(record["history"]).bit_count()
    tables.channels["awake"] = 1
    tables.channels["high"] = _worst(tables.limits[tables.limits["low"] == 0])
    tables.channels["low"] = _worst(tables.limits[tables.limits["low"] == 1])
    findings = make_findings(64, 64)
    for time_ns, value, quality in evidence.readings:
        mode = PASSING if quality == Quality.UNKNOWN else STATE
        findings.found[:] = 0
        verdict = Verdict(np.array([quality], np.uint8), np.zeros(1, np.uint8))
        judge_readings(mode, 0, tables, _one_reading(time_ns, value), verdict, findings)
    return Grade(int(tables.channels[str(evidence.state["side"])][0]))


def _limit_state(rises: Logs, rise: int, k: int) -> dict[str, object]:
    on_since_ns, off_since_ns = int(rises.on_since_ns[rise, k]), int(rises.off_since_ns[rise, k])
    return {
        "held": bool(rises.held[rise, k]),
        "on_since_ns": None if on_since_ns == NONE_NS else on_since_ns,
        "off_since_ns": None if off_since_ns == NONE_NS else off_since_ns,
        "history": f"{int(rises.history[rise, k]):x}",  # 64 bits: more than JSON's numbers hold
    }


def _limit(plain: Mapping[str, Any]) -> Limit:
    side = Side[str(plain["side"]).upper()]
    rest = {key: value for key, value in plain.items() if key not in ("grade", "side")}
    return Limit(grade=Grade.from_word(str(plain["grade"])), side=side, **rest)


def _or_none(time_ns: int | None) -> int:
    return NONE_NS if time_ns is None else time_ns


def _worst(limits: Any) -> int:
    return int(max(limits["grade"][limits["held"] == 1], default=0))


def _one_reading(time_ns: int, value: float) -> Columns:
    return Columns(
        seq=np.zeros(1, np.int64),
        channel=np.zeros(1, np.int32),
        time_ns=np.array([time_ns], np.int64),
        value=np.array([value], np.float64),
        received_ns=np.zeros(1, np.int64),
        flags=np.zeros(1, np.uint8),
    )
