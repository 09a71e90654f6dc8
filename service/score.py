"""How alarms did against the truth of a recording, in figures that mean the same for all of them.

- A *stretch* is a line of the truth about the facility (kind ``condition``). It is **found** where
  an alarm of its subject is raised, rises or comes back within the stretch and the recording's
  tail; the **delay** runs from the stretch's start to the first of these.
- An **episode outside** is a span in which alarms of a facility were active without a break and
  which began in no stretch of theirs.
- A fault of the truth is found likewise by an alarm about the instrument; those that began in none
  are **other faults**.

The subject of a stretch is a channel or a facility, with all that is derived from or belongs to it.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from domain.time import NS_PER_S
from service.changes import RAISING, Change, Span, spans_of
from simulators.recording import Truth


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one recording, or of a part of it; times in ns, delays in seconds."""

    found: int
    stretches: int
    outside_ns: Sequence[int]
    delays_s: Sequence[float]
    faults_found: int
    faults: int
    other_faults: int

    @property
    def delay_median_s(self) -> float | None:
        """The median delay of what was found."""
        return statistics.median(self.delays_s) if self.delays_s else None


def score(
    changes: Sequence[Change],
    truths: Sequence[Truth],
    tail_ns: int,
    *,
    subject: str = "",
    besides: Sequence[str] = (),
    start_ns: int = 0,
    end_ns: int = 2**63 - 1,
) -> Score:
    """Return the figures for ``subject`` (all where empty), of what began in [start, end).

    Subjects in ``besides`` are left out.
    """
    truths = [t for t in truths if not any(belongs(t.subject, other) for other in besides)]
    own = [
        c
        for c in changes
        if (not subject or belongs(c.channel, subject))
        and not any(belongs(c.channel, other) for other in besides)
    ]
    conditions = [t for t in truths if t.kind == "condition"]
    faults = [t for t in truths if t.kind == "fault"]
    spans = [span for span in spans_of(own) if start_ns <= span.start_ns < end_ns]
    loose = [span for span in spans if not _explained(span, truths, tail_ns)]
    wanted = [t for t in conditions if _within(t, subject, start_ns, end_ns)]
    wanted_faults = [t for t in faults if _within(t, subject, start_ns, end_ns)]
    delays_s = [
        delay_s for truth in wanted if (delay_s := _delay_s(truth, own, tail_ns)) is not None
    ]
    return Score(
        found=len(delays_s),
        stretches=len(wanted),
        outside_ns=_episodes([span for span in loose if not span.instrument]),
        delays_s=delays_s,
        faults_found=sum(_delay_s(t, own, tail_ns) is not None for t in wanted_faults),
        faults=len(wanted_faults),
        other_faults=sum(span.instrument for span in loose),
    )


def belongs(channel: str, subject: str) -> bool:
    """Whether a channel is ``subject``, stands below it, or is a fault of it.

    >>> belongs("gas/x/methane/rise", "gas/x"), belongs("gas/x2/methane", "gas/x")
    (True, False)
    """
    return channel == subject or channel.startswith((f"{subject}/", f"{subject}:"))


def _within(truth: Truth, subject: str, start_ns: int, end_ns: int) -> bool:
    about = not subject or belongs(truth.subject, subject) or belongs(subject, truth.subject)
    return about and start_ns <= truth.start_ns < end_ns


def _delay_s(truth: Truth, changes: Sequence[Change], tail_ns: int) -> float | None:
    """Return how long after its start a truth was found, in seconds; None where it was not."""
    for change in changes:
        if (
            change.kind in RAISING
            and change.instrument == (truth.kind == "fault")
            and belongs(change.channel, truth.subject)
            and truth.start_ns <= change.time_ns <= truth.end_ns + tail_ns
        ):
            return (change.time_ns - truth.start_ns) / NS_PER_S
    return None


def _explained(span: Span, truths: Sequence[Truth], tail_ns: int) -> bool:
    kind = "fault" if span.instrument else "condition"
    return any(
        truth.kind == kind
        and belongs(span.channel, truth.subject)
        and truth.start_ns <= span.start_ns <= truth.end_ns + tail_ns
        for truth in truths
    )


def _episodes(spans: Sequence[Span]) -> list[int]:
    """Return the starts of the stretches in which spans of one facility overlap."""
    starts: list[int] = []
    until: dict[str, int] = {}
    for span in sorted(spans, key=lambda span: span.start_ns):
        end_ns = 2**63 - 1 if span.end_ns is None else span.end_ns
        if span.start_ns > until.get(span.facility, -1):
            starts.append(span.start_ns)
        until[span.facility] = max(until.get(span.facility, -1), end_ns)
    return starts
