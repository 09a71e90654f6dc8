"""Holds the alarms of a replay against what a recording expects of them.

Each check of ``recording.yaml``'s ``expect`` is a small function here; a new kind of check is one
more. All times are event times.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.grade import Grade
from domain.readings import Float64s, Int64s
from domain.time import format_rfc3339, parse_rfc3339, seconds_to_ns
from service.changes import RAISING, Change
from service.score import Score, score
from simulators.recording import Truth


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check may look at: the transitions in order, the truth, the readings kept."""

    changes: Sequence[Change]
    truths: Sequence[Truth]
    series: Callable[[str], tuple[Int64s, Float64s]]
    channels_of: Callable[[str, str], Sequence[str]]
    tail_ns: int = 0

    def conditions(self, channel: str) -> list[Change]:
        """Return the changes of a channel's condition alarms."""
        return [c for c in self.changes if c.channel == channel and not c.instrument]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: whether the recording's expectation is met, and in what words."""

    met: bool
    words: str


Check = Callable[[dict[str, Any], Evidence], Finding]


def judge(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Return the finding of one expectation; raises ``ValueError`` for a check that is not here."""
    check = CHECKS.get(expectation["check"])
    if check is None:
        raise ValueError(f"no check {expectation['check']!r}; there are {', '.join(CHECKS)}")
    finding = check(expectation, evidence)
    subject = expectation.get("channel") or expectation.get("facility") or "all"
    return Finding(finding.met, f"{subject} {finding.words}")


def _raised(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check that a condition is raised within a span."""
    start_ns, end_ns = parse_rfc3339(expectation["start"]), parse_rfc3339(expectation["end"])
    raises = [c.time_ns for c in evidence.conditions(expectation["channel"]) if c.kind == "raised"]
    inside = [time_ns for time_ns in raises if start_ns <= time_ns <= end_ns]
    shown = ", ".join(map(format_rfc3339, raises[:3])) or "never"
    return Finding(bool(inside), f"raised {shown} (truth: {_span(start_ns, end_ns)})")


def _reached(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check that a grade is reached by a time."""
    grade, by_ns = Grade.from_word(expectation["grade"]), parse_rfc3339(expectation["by"])
    times = [c.time_ns for c in evidence.conditions(expectation["channel"]) if c.grade >= grade]
    shown = format_rfc3339(times[0]) if times else "never"
    met = bool(times) and times[0] <= by_ns
    return Finding(met, f"at {grade.word} {shown} (by {format_rfc3339(by_ns)})")


def _returned(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check that the condition, raised before, is normal at a time."""
    by_ns = parse_rfc3339(expectation["by"])
    changes = [c for c in evidence.conditions(expectation["channel"]) if c.time_ns <= by_ns]
    returns = [c.time_ns for c in changes if c.kind == "returned"]
    met = bool(returns) and not changes[-1].active
    shown = format_rfc3339(returns[-1]) if returns else "never"
    return Finding(met, f"returned {shown} (by {format_rfc3339(by_ns)})")


def _quiet(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check that no condition is raised, besides in the spans named."""
    spans = [
        (parse_rfc3339(start), parse_rfc3339(end)) for start, end in expectation.get("besides", [])
    ]
    loud = [
        c
        for c in evidence.conditions(expectation["channel"])
        if c.kind in RAISING and not any(start <= c.time_ns < end for start, end in spans)
    ]
    where = "besides" if spans else "ever"
    shown = ", ".join(f"{c.grade.word} {format_rfc3339(c.time_ns)}" for c in loud[:3])
    return Finding(not loud, f"no condition {where}" if not loud else f"condition {shown}")


def _graded(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check that a condition rises through just the grades named, at their times, and returns."""
    tolerance_ns = seconds_to_ns(expectation["tolerance_s"])
    wanted = {Grade.from_word(w): parse_rfc3339(t) for w, t in expectation["rises"].items()}
    changes = evidence.conditions(expectation["channel"])
    first: dict[Grade, int] = {}
    for change in changes:
        if change.kind in RAISING:
            first.setdefault(change.grade, change.time_ns)
    returns = [c.time_ns for c in changes if c.kind == "returned"]
    near = all(
        grade in first and abs(first[grade] - time_ns) <= tolerance_ns
        for grade, time_ns in wanted.items()
    )
    back_ns = parse_rfc3339(expectation["returned"])
    back_tolerance_ns = seconds_to_ns(expectation["returned_tolerance_s"])
    back = len(returns) == 1 and abs(returns[0] - back_ns) <= back_tolerance_ns
    shown = ", ".join(f"{grade.word} {format_rfc3339(ns)}" for grade, ns in sorted(first.items()))
    words = f"{shown or 'no rise'}; returned {', '.join(map(format_rfc3339, returns)) or 'never'}"
    return Finding(near and back and set(first) == set(wanted), words)


def _fault(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check that a fault is raised soon after the truth says that the instrument fails."""
    tolerance_ns = seconds_to_ns(expectation["tolerance_s"])
    channel = expectation["channel"]
    truths = [t for t in evidence.truths if t.subject == channel and t.kind == "fault"]
    raises = [
        c.time_ns
        for c in evidence.changes
        if c.channel == channel and c.instrument and c.kind in RAISING
    ]
    met = bool(truths) and all(
        any(truth.start_ns <= time_ns <= truth.start_ns + tolerance_ns for time_ns in raises)
        for truth in truths
    )
    shown = ", ".join(map(format_rfc3339, raises[:3])) or "never"
    return Finding(met, f"fault raised {shown} (truth: {_starts(truths)})")


def _found(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check that releases are found soon after they can be seen, and little else is."""
    tail_ns, within_ns = (
        seconds_to_ns(expectation["tail_s"]),
        seconds_to_ns(expectation["within_s"]),
    )
    facility, quantity = expectation["facility"], expectation["quantity"]
    truths = [t for t in evidence.truths if t.subject == facility and t.kind == "condition"]
    changes = [
        c
        for c in evidence.changes
        if c.facility == facility and c.quantity == quantity and not c.instrument
    ]
    rises = [c.time_ns for c in changes if c.kind in RAISING]
    seen = _first_visible(expectation, evidence, truths, tail_ns)
    found = sum(any(v <= rise <= v + within_ns for rise in rises) for v in seen)
    outside = [
        start_ns
        for start_ns in _episodes(changes)
        if not any(t.start_ns <= start_ns <= t.end_ns + tail_ns for t in truths)
    ]
    met = (
        found >= expectation["found_min"]
        and len(seen) == expectation["visible"]
        and len(outside) <= expectation["episodes_outside_max"]
    )
    words = f"{found} of {len(seen)} visible releases found; {len(outside)} episodes outside"
    return Finding(met, f"{words} ({', '.join(map(format_rfc3339, outside)) or 'none'})")


def _scored(expectation: dict[str, Any], evidence: Evidence) -> Finding:
    """Check the figures of ``service/score.py``, of a part of the recording where one is named."""
    figures = score(
        evidence.changes,
        evidence.truths,
        evidence.tail_ns,
        subject=expectation.get("channel") or expectation.get("facility") or "",
        besides=expectation.get("besides", ()),
        start_ns=parse_rfc3339(expectation["start"]) if "start" in expectation else 0,
        end_ns=parse_rfc3339(expectation["end"]) if "end" in expectation else 2**63 - 1,
    )
    delay_s = figures.delay_median_s
    met = (
        figures.found >= expectation.get("found_min", figures.stretches)
        and len(figures.outside_ns) <= expectation.get("episodes_outside_max", 0)
        and figures.faults_found >= expectation.get("faults_found_min", figures.faults)
        and figures.other_faults <= expectation.get("other_faults_max", 0)
        and (delay_s or 0.0) <= expectation.get("delay_median_s_max", math.inf)
    )
    part = f"{expectation['part']}: " if "part" in expectation else ""
    return Finding(met, part + score_words(figures))


def score_words(figures: Score) -> str:
    """Return a score in words."""
    outside = ", ".join(map(format_rfc3339, figures.outside_ns[:4])) or "none"
    delay_s = figures.delay_median_s
    delay = "" if delay_s is None else f", median delay {delay_s:.0f} s"
    return (
        f"{figures.found} of {figures.stretches} stretches found{delay}; "
        f"{len(figures.outside_ns)} episodes outside ({outside}); "
        f"{figures.faults_found} of {figures.faults} faults found, "
        f"{figures.other_faults} other faults"
    )


def _first_visible(
    expectation: dict[str, Any], evidence: Evidence, truths: Sequence[Truth], tail_ns: int
) -> list[int]:
    """Return, for each visible release, when a sensor first showed it."""
    above: list[int] = []
    for channel in evidence.channels_of(expectation["facility"], expectation["quantity"]):
        time_ns, value = evidence.series(channel)
        above += time_ns[value > expectation["visible_above"]].tolist()
    seen = []
    for truth in truths:
        inside = [ns for ns in above if truth.start_ns <= ns <= truth.end_ns + tail_ns]
        if inside:
            seen.append(min(inside))
    return seen


def _episodes(changes: Sequence[Change]) -> list[int]:
    """Return the starts of the spans in which any alarm of these was active."""
    starts, active = [], set[str]()
    for change in sorted(changes, key=lambda c: c.time_ns):
        if change.active and not active:
            starts.append(change.time_ns)
        (active.add if change.active else active.discard)(change.alarm_id)
    return starts


def _span(start_ns: int, end_ns: int) -> str:
    return f"{format_rfc3339(start_ns)} to {format_rfc3339(end_ns)}"


def _starts(truths: Sequence[Truth]) -> str:
    return ", ".join(format_rfc3339(truth.start_ns) for truth in truths) or "none"


CHECKS: dict[str, Check] = {
    "raised": _raised,
    "reached": _reached,
    "returned": _returned,
    "quiet": _quiet,
    "graded": _graded,
    "fault": _fault,
    "found": _found,
    "scored": _scored,
}
