"""Alarms and their transitions, commands and notices."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from domain.grade import Condition, Grade
from domain.readings import Evidence


class TransitionKind(StrEnum):
    """How an alarm changed."""

    RAISED = "raised"
    RISEN = "risen"
    FALLEN = "fallen"
    RETURNED = "returned"
    REACTIVATED = "reactivated"
    ACKNOWLEDGED = "acknowledged"
    RESET = "reset"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One condition of one channel going through its life; the state after a transition.

    ``grade`` is the grade now (normal once returned), ``peak_grade`` the worst so far. ``active``
    and ``acknowledged`` are independent facts. ``awaiting_reset``: latching, and nobody has reset
    it since it was last active. Times are event times, except those of people's acts, which are the
    times of their commands. ``value`` and ``limit`` are those of the last change of grade.
    ``raised_at_ns`` is the first raise; ``active_since_ns`` the last raise or re-activation, to which
    ``cleared_at_ns`` belongs. ``delayed``: the readings that raised it, or raised it last, came when they were already old.
    """

    id: str
    channel: str
    facility: str
    facility_kind: str
    condition: Condition
    grade: Grade
    peak_grade: Grade
    active: bool
    acknowledged: bool
    latching: bool
    awaiting_reset: bool
    ended: bool
    raised_at_ns: int
    cleared_at_ns: int | None
    ended_at_ns: int | None
    acknowledged_at_ns: int | None
    acknowledged_by: str | None
    value: float
    limit: float
    delayed: bool
    revision: int
    active_since_ns: int = 0

    @property
    def instrument(self) -> bool:
        """True where the instrument is at fault, not the facility."""
        return self.condition.is_fault


@dataclass(frozen=True, slots=True)
class Transition:
    """An alarm changed: when, why, by whom. ``alarm`` is its state afterwards.

    ``id`` derives from (seq, channel, ordinal), so that a row judged again gives the same id.
    ``time_ns`` is the event time; ``recorded_ns`` the time of the row. ``reason`` is empty but for
    ends (``normal and acknowledged``, ``channel removed``, ``limit removed``) and people's comments.
    """

    id: str
    seq: int
    ordinal: int
    kind: TransitionKind
    time_ns: int
    recorded_ns: int
    previous_grade: Grade
    alarm: Alarm
    author: str | None = None
    reason: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Somebody is to be told of an alarm as it stands after a transition: one outbox row.

    Written when the alarm's channel is caught up, which may be later than the transition:
    ``id`` is unique and derives from the row that made it.
    """

    id: str
    seq: int
    transition_id: str
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command. ``problem`` is empty where it took effect; ``status`` is HTTP's."""

    command_id: str
    status: int
    problem: str = ""
    alarm: Alarm | None = None


def derive_id(*parts: object) -> str:
    """Return 20 hexadecimal digits that depend on ``parts`` only."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
