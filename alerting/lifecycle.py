"""The life of one alarm, as pure functions: an alarm and an event in, its changes out.

`active` and `acknowledged` are independent facts (ISA-18.2). The laws:

- A rise of grade takes the acknowledgement back, a fall does not.
- Becoming active again before the end keeps the alarm, and takes the acknowledgement back: whoever
  acknowledged saw an occurrence that has gone since; the new one has been seen by nobody.
- An alarm whose worst grade is within the channel's `acknowledge_up_to` needs nobody: it is
  acknowledged from the beginning, by no one.
- It ends when it is normal and acknowledged, and reset where it is latching.
"""

from dataclasses import dataclass, replace

from domain.alarm import Alarm, TransitionKind
from domain.grade import Condition, Grade
from domain.readings import Evidence

NORMAL_AND_ACKNOWLEDGED = "normal and acknowledged"
CHANNEL_REMOVED = "channel removed"
LIMIT_REMOVED = "limit removed"
IN_COMMISSIONING = "channel in commissioning"

CONFLICT = 409


class RefusedError(Exception):
    """A person's act that the alarm's state does not allow; ``status`` is HTTP's."""

    def __init__(self, problem: str, status: int = CONFLICT) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an alarm is about, and its channel's policy. ``alarm_id`` is used where one is raised."""

    alarm_id: str
    channel: str
    facility: str
    facility_kind: str
    condition: Condition
    latching: bool
    acknowledge_up_to: Grade


@dataclass(frozen=True, slots=True)
class Graded:
    """What the judgement says of the condition now: its grade, and the reading that made it so."""

    grade: Grade
    time_ns: int
    value: float
    limit: float
    delayed: bool
    revision: int
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A transition before the book gives it its place: what changed, and the alarm afterwards."""

    kind: TransitionKind
    time_ns: int
    previous_grade: Grade
    alarm: Alarm
    author: str | None = None
    reason: str = ""
    evidence: Evidence | None = None


def regrade(alarm: Alarm | None, subject: Subject, graded: Graded) -> list[Change]:
    """Return what a grade does to the alarm, or to the place where there is none (``None``)."""
    if alarm is None:
        return [] if graded.grade == Grade.NORMAL else [_raised(subject, graded)]
    if graded.grade == alarm.grade:
        return []
    if graded.grade == Grade.NORMAL:
        return _returned(alarm, graded)
    if not alarm.active:
        return [_worsened(TransitionKind.REACTIVATED, alarm, subject, graded)]
    if graded.grade > alarm.grade:
        return [_worsened(TransitionKind.RISEN, alarm, subject, graded)]
    return [_changed(TransitionKind.FALLEN, alarm, _with_grade(alarm, graded), graded)]


def acknowledge(alarm: Alarm, author: str, now_ns: int, comment: str = "") -> list[Change]:
    """Return what a person's "seen" does; raises `RefusedError` where there is nothing to say it of."""
    if alarm.ended:
        raise RefusedError("the alarm has ended")
    if alarm.acknowledged:
        raise RefusedError("the alarm is already acknowledged")
    seen = replace(alarm, acknowledged=True, acknowledged_at_ns=now_ns, acknowledged_by=author)
    kind = TransitionKind.ACKNOWLEDGED
    change = Change(kind, now_ns, alarm.grade, seen, author=author, reason=comment)
    return [change, *_end_of(seen, now_ns)]


def reset(alarm: Alarm, author: str, now_ns: int, comment: str = "") -> list[Change]:
    """Return what a person's reset of a latching alarm does; raises `RefusedError`.

    It is refused while the alarm is active: a latch is there so that somebody looks at the
    facility after the condition has gone, not before.
    """
    if alarm.ended:
        raise RefusedError("the alarm has ended")
    if not alarm.latching:
        raise RefusedError("the alarm is not latching")
    if alarm.active:
        raise RefusedError("the alarm is still active")
    if not alarm.awaiting_reset:
        raise RefusedError("the alarm is already reset")
    free = replace(alarm, awaiting_reset=False)
    change = Change(TransitionKind.RESET, now_ns, alarm.grade, free, author=author, reason=comment)
    return [change, *_end_of(free, now_ns)]


def close(alarm: Alarm, now_ns: int, reason: str) -> list[Change]:
    """Return the end of an alarm that nothing judges any longer.

    It is not active afterwards, but where it was, nobody saw it return: its ``cleared_at_ns``
    stays ``None``, and that tells it from an alarm that ended by itself.
    """
    return [] if alarm.ended else [_ended(alarm, now_ns, reason)]


def _raised(subject: Subject, graded: Graded) -> Change:
    needless = graded.grade <= subject.acknowledge_up_to
    alarm = Alarm(
        id=subject.alarm_id,
        channel=subject.channel,
        facility=subject.facility,
        facility_kind=subject.facility_kind,
        condition=subject.condition,
        grade=graded.grade,
        peak_grade=graded.grade,
        active=True,
        acknowledged=needless,
        latching=subject.latching,
        awaiting_reset=subject.latching,
        ended=False,
        raised_at_ns=graded.time_ns,
        cleared_at_ns=None,
        ended_at_ns=None,
        acknowledged_at_ns=graded.time_ns if needless else None,
        acknowledged_by=None,
        value=graded.value,
        limit=graded.limit,
        delayed=graded.delayed,
        revision=graded.revision,
        active_since_ns=graded.time_ns,
    )
    kind = TransitionKind.RAISED
    return Change(kind, graded.time_ns, Grade.NORMAL, alarm, evidence=graded.evidence)


def _worsened(kind: TransitionKind, alarm: Alarm, subject: Subject, graded: Graded) -> Change:
    """Return a rise or a re-activation: both are news, so both want to be seen again."""
    peak_grade = max(alarm.peak_grade, graded.grade)
    needless = peak_grade <= subject.acknowledge_up_to
    after = replace(
        _with_grade(alarm, graded),
        peak_grade=peak_grade,
        active=True,
        acknowledged=needless,
        acknowledged_at_ns=graded.time_ns if needless else None,
        acknowledged_by=None,
        awaiting_reset=alarm.latching,
        cleared_at_ns=None,
        delayed=graded.delayed,
        active_since_ns=alarm.active_since_ns if alarm.active else graded.time_ns,
    )
    return _changed(kind, alarm, after, graded)


def _returned(alarm: Alarm, graded: Graded) -> list[Change]:
    after = replace(_with_grade(alarm, graded), active=False, cleared_at_ns=graded.time_ns)
    change = _changed(TransitionKind.RETURNED, alarm, after, graded)
    return [change, *_end_of(after, graded.time_ns)]


def _end_of(alarm: Alarm, time_ns: int) -> list[Change]:
    """Return the end where the alarm has come to it."""
    if alarm.active or not alarm.acknowledged or alarm.awaiting_reset:
        return []
    return [_ended(alarm, time_ns, NORMAL_AND_ACKNOWLEDGED)]


def _ended(alarm: Alarm, time_ns: int, reason: str) -> Change:
    after = replace(alarm, grade=Grade.NORMAL, active=False, ended=True, ended_at_ns=time_ns)
    return Change(TransitionKind.ENDED, time_ns, alarm.grade, after, reason=reason)


def _with_grade(alarm: Alarm, graded: Graded) -> Alarm:
    return replace(
        alarm,
        grade=graded.grade,
        value=graded.value,
        limit=graded.limit,
        revision=graded.revision,
    )


def _changed(kind: TransitionKind, before: Alarm, after: Alarm, graded: Graded) -> Change:
    return Change(kind, graded.time_ns, before.grade, after, evidence=graded.evidence)
