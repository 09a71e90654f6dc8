"""What alarms did in a replay: their transitions, and the spans in which they were active."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.grade import Grade

RAISING = ("raised", "risen", "reactivated")


@dataclass(frozen=True, slots=True)
class Change:
    """A transition of a replay, as the API told it."""

    alarm_id: str
    channel: str
    facility: str
    quantity: str
    kind: str
    instrument: bool
    grade: Grade
    previous_grade: Grade
    active: bool
    time_ns: int


@dataclass(slots=True)
class Span:
    """An alarm was active from ``start_ns`` to ``end_ns`` (None: to the end of the replay)."""

    channel: str
    facility: str
    instrument: bool
    peak: Grade
    start_ns: int
    end_ns: int | None = None


def spans_of(changes: Sequence[Change]) -> list[Span]:
    """Return when each alarm was active, and how bad it was then, in order of their starts."""
    spans: list[Span] = []
    running: dict[str, Span] = {}
    for change in changes:
        span = running.get(change.alarm_id)
        if change.active and span is None:
            running[change.alarm_id] = span = Span(
                change.channel, change.facility, change.instrument, change.grade, change.time_ns
            )
            spans.append(span)
        elif change.active and span is not None:
            span.peak = max(span.peak, change.grade)
        elif span is not None:
            span.end_ns = change.time_ns
            del running[change.alarm_id]
    return sorted(spans, key=lambda span: span.start_ns)
