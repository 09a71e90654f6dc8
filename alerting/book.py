"""The book of open alarms: grades, commands and revisions in, transitions and notices out.

It is a pure function of the journal's rows: the only times it knows stand in them, and how the
rows are grouped into calls does not matter. What it must remember between rows is in its snapshot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from alerting.encode import decode_alarm, decode_result, encode_alarm, encode_result
from alerting.lifecycle import (
    CHANNEL_REMOVED,
    IN_COMMISSIONING,
    LIMIT_REMOVED,
    Change,
    Graded,
    RefusedError,
    Subject,
    acknowledge,
    close,
    regrade,
    reset,
)
from alerting.notices import Notices
from domain.alarm import Alarm, CommandResult, Notice, Transition, derive_id
from domain.catalogue import Catalogue, Channel
from domain.grade import Condition, Grade, Side
from domain.journal import Command, Tick
from domain.readings import GradeChange

HANDLED_COMMANDS_MAX = 1_000
ENDED_ALARMS_MAX = 1_000

_T = TypeVar("_T")

_ACTS = {"acknowledge": acknowledge, "reset": reset}


@dataclass(slots=True)
class Outcome:
    """What a row does to the alarms, in order."""

    transitions: list[Transition] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Held:
    """The worst held limit of one side, and the reading that made it so."""

    grade: Grade
    value: float
    limit: float


@dataclass(slots=True)
class _Place:
    """One (alarm channel, condition) that is not at rest: a limit is held, or an alarm is open.

    ``source`` is the channel that is graded, a fault's own where the condition is a fault. In
    commissioning ``held`` goes on without an alarm, so that an alarm can be raised at its end.
    """

    channel: str
    condition: Condition
    source: str
    held: dict[Side, _Held] = field(default_factory=dict)
    alarm: Alarm | None = None

    @property
    def worst(self) -> _Held | None:
        return max(self.held.values(), key=lambda held: held.grade, default=None)


class Book:
    """The open alarms, at most one for each (alarm channel, condition)."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._places: dict[tuple[str, Condition], _Place] = {}
        self._place_of: dict[str, _Place] = {}  # by the id of the open alarm
        self._notices = Notices()
        self._ended: dict[str, Alarm] = {}  # the newest, to answer 409 rather than 404
        self._handled: dict[str, CommandResult] = {}  # by command id, the newest
        # Ordinals count on over calls within one row, so that the calls' bounds do not matter.
        self._seq = 0
        self._ordinals: dict[str, int] = {}

    def open_alarms(self) -> list[Alarm]:
        """Return the alarms that have not ended, the one that was raised first coming first."""
        # A copy first: other threads ask while a step changes it.
        places = list(self._place_of.values())
        return [place.alarm for place in places if place.alarm is not None]

    def apply(self, changes: Sequence[GradeChange], reason: str = "") -> Outcome:
        """Return what changes of grade do, given in journal order under the active catalogue.

        ``reason`` is that of the transitions, where it was no reading that brought them about.
        """
        outcome = Outcome()
        for change in changes:
            self._apply_one(change, outcome, reason)
        return outcome

    def tick(self, seq: int, tick: Tick, newest_ns: Callable[[str], int]) -> Outcome:
        """Return the deferred notices that are due; ``newest_ns`` is the watermark by channel id."""

        def is_caught_up(source: str) -> bool:
            if source not in self._catalogue.channel_index:
                return True  # it never will be; what is to be said of it can be said now
            channel = self._catalogue.channel(source)
            # A fault is judged with each reading of the channel it watches, said or not.
            newest = max(newest_ns(channel.id), newest_ns(channel.alarm_channel))
            return tick.now_ns - newest <= self._catalogue.caught_up_age_ns(channel)

        return Outcome(notices=self._notices.due(seq, tick.now_ns, is_caught_up))

    def command(self, seq: int, command: Command) -> tuple[Outcome, CommandResult]:
        """Carry out ``acknowledge`` or ``reset`` of ``arguments["alarm_id"]``.

        The same command again gives the same result and does nothing, for the last
        `HANDLED_COMMANDS_MAX` commands.
        """
        outcome = Outcome()
        result = self._handled.get(command.command_id)
        if result is None:
            result = self._obey(seq, command, outcome)
            self.handle(result)
        return outcome, result

    def handled(self, command_id: str) -> CommandResult | None:
        """Return what became of a command, where it was carried out lately."""
        return self._handled.get(command_id)

    def handle(self, result: CommandResult) -> None:
        """Remember what became of a command."""
        _remember(self._handled, result.command_id, result, HANDLED_COMMANDS_MAX)

    def change_catalogue(
        self, seq: int, catalogue: Catalogue, now_ns: int, because: str = ""
    ) -> Outcome:
        """Take a new revision; the changes of grade given later are under this one.

        ``because`` is the reason of all that ends, where it is not the revision's own.

        Alarms end whose channel or limits are gone, or whose channel is in commissioning now. A
        limit that was held during commissioning raises its alarm when commissioning is over.
        """
        outcome = Outcome()
        self._catalogue = catalogue
        for place in list(self._places.values()):
            reason = reason_to_close(catalogue, place.channel, place.source, place.condition)
            if reason is None:
                self._raise_where_muted(seq, place, now_ns, outcome)
                continue
            if place.alarm is not None:
                changes = close(place.alarm, now_ns, because or reason)
                self._record(seq, now_ns, place, changes, outcome)
            if reason != IN_COMMISSIONING:
                place.held.clear()
            self._forget_where_at_rest(place)
        return outcome

    def _apply_one(self, change: GradeChange, outcome: Outcome, reason: str) -> None:
        channel = self._catalogue.channels[change.channel]
        place = self._place(channel, change.side)
        if change.grade == Grade.NORMAL:
            place.held.pop(change.side, None)
        else:
            place.held[change.side] = _Held(change.grade, change.value, change.limit)
        if not is_in_commissioning(self._catalogue, channel):
            worst = place.worst
            age_ns = change.received_ns - change.time_ns
            graded = Graded(
                grade=worst.grade if worst else Grade.NORMAL,
                time_ns=change.time_ns,
                value=change.value,
                limit=worst.limit if worst else change.limit,
                delayed=age_ns > self._catalogue.caught_up_age_ns(channel),
                revision=self._catalogue.revision,
                evidence=change.evidence,
            )
            self._regrade(change.seq, change.received_ns, place, graded, outcome, reason)
        self._forget_where_at_rest(place)

    def _raise_where_muted(self, seq: int, place: _Place, now_ns: int, outcome: Outcome) -> None:
        if place.alarm is not None or place.worst is None:
            return
        worst, revision = place.worst, self._catalogue.revision
        graded = Graded(worst.grade, now_ns, worst.value, worst.limit, False, revision)
        self._regrade(seq, now_ns, place, graded, outcome)

    def _regrade(
        self,
        seq: int,
        recorded_ns: int,
        place: _Place,
        graded: Graded,
        outcome: Outcome,
        reason: str = "",
    ) -> None:
        changes = regrade(place.alarm, self._subject(seq, place), graded)
        if reason:
            changes = [
                change if change.reason else replace(change, reason=reason) for change in changes
            ]
        self._record(seq, recorded_ns, place, changes, outcome, delayed=graded.delayed)

    def _obey(self, seq: int, command: Command, outcome: Outcome) -> CommandResult:
        act = _ACTS.get(command.verb)
        if act is None:
            problem = f"no verb {command.verb!r}; there are {', '.join(_ACTS)}"
            return CommandResult(command.command_id, 400, problem)
        alarm_id = command.arguments.get("alarm_id")
        if not isinstance(alarm_id, str):
            return CommandResult(command.command_id, 400, "alarm_id is missing")
        place = self._place_of.get(alarm_id)
        alarm = place.alarm if place is not None else self._ended.get(alarm_id)
        if alarm is None:
            return CommandResult(command.command_id, 404, "no such alarm")
        comment = str(command.arguments.get("comment") or "")
        try:
            changes = act(alarm, command.author, command.now_ns, comment)
        except RefusedError as refused:
            return CommandResult(command.command_id, refused.status, refused.problem, alarm)
        if place is not None:
            self._record(seq, command.now_ns, place, changes, outcome)
            self._forget_where_at_rest(place)
        return CommandResult(command.command_id, 200, "", changes[-1].alarm)

    def _record(
        self,
        seq: int,
        recorded_ns: int,
        place: _Place,
        changes: Sequence[Change],
        outcome: Outcome,
        *,
        delayed: bool = False,
    ) -> None:
        """Give the changes their places in the journal, and keep the alarm as they leave it."""
        for change in changes:
            ordinal = self._next_ordinal(seq, place.channel)
            self._ordinals[place.channel] = ordinal + 1
            transition = Transition(
                id=derive_id("transition", seq, place.channel, ordinal),
                seq=seq,
                ordinal=ordinal,
                kind=change.kind,
                time_ns=change.time_ns,
                recorded_ns=recorded_ns,
                previous_grade=change.previous_grade,
                alarm=change.alarm,
                author=change.author,
                reason=change.reason,
                evidence=change.evidence,
            )
            outcome.transitions.append(transition)
            notice = self._notices.after(transition, place.source, delayed=delayed)
            if notice is not None:
                outcome.notices.append(notice)
            self._keep(place, change.alarm)

    def _keep(self, place: _Place, alarm: Alarm) -> None:
        if alarm.ended:
            place.alarm = None
            self._place_of.pop(alarm.id, None)
            _remember(self._ended, alarm.id, alarm, ENDED_ALARMS_MAX)
        else:
            place.alarm = alarm
            self._place_of[alarm.id] = place

    def _next_ordinal(self, seq: int, channel: str) -> int:
        if seq != self._seq:
            self._seq = seq
            self._ordinals.clear()
        return self._ordinals.get(channel, 0)

    def _place(self, channel: Channel, side: Side) -> _Place:
        key = channel.alarm_channel, channel.condition(side)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(*key, source=channel.id)
        place.source = channel.id
        return place

    def _forget_where_at_rest(self, place: _Place) -> None:
        if place.alarm is None and not place.held:
            self._places.pop((place.channel, place.condition), None)

    def _subject(self, seq: int, place: _Place) -> Subject:
        channel = self._catalogue.channel(place.source)
        facility = self._catalogue.facility_by_id.get(channel.facility)
        ordinal = self._next_ordinal(seq, place.channel)
        return Subject(
            # With the ordinal in it, a second alarm that begins in the same row has its own id.
            alarm_id=derive_id("alarm", seq, place.channel, place.condition.value, ordinal),
            channel=place.channel,
            facility=channel.facility,
            facility_kind=facility.kind if facility is not None else "",
            condition=place.condition,
            latching=channel.latching,
            acknowledge_up_to=channel.acknowledge_up_to,
        )

    def snapshot(self) -> dict[str, Any]:
        """Return everything the book remembers, as plain values."""
        return {
            "seq": self._seq,
            "ordinals": dict(self._ordinals),
            "places": [_encode_place(place) for place in self._places.values()],
            "open": list(self._place_of),
            "ended": [encode_alarm(alarm) for alarm in self._ended.values()],
            "handled": [encode_result(result) for result in self._handled.values()],
            "notices": self._notices.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take back what `snapshot` gave, under the catalogue that was active then."""
        places = [_decode_place(plain) for plain in snapshot["places"]]
        by_alarm = {place.alarm.id: place for place in places if place.alarm is not None}
        ended = [decode_alarm(plain) for plain in snapshot["ended"]]
        handled = [decode_result(plain) for plain in snapshot["handled"]]
        self._seq = snapshot["seq"]
        self._ordinals = dict(snapshot["ordinals"])
        self._places = {(place.channel, place.condition): place for place in places}
        self._place_of = {alarm_id: by_alarm[alarm_id] for alarm_id in snapshot["open"]}
        self._ended = {alarm.id: alarm for alarm in ended}
        self._handled = {result.command_id: result for result in handled}
        self._notices.restore(snapshot["notices"])


def is_in_commissioning(catalogue: Catalogue, channel: Channel) -> bool:
    """Return whether the channel, or the one whose instrument it watches, is in commissioning."""
    index = catalogue.channel_index.get(channel.alarm_channel)
    watched = catalogue.channels[index] if index is not None else channel
    return channel.commissioning or watched.commissioning


def reason_to_close(
    catalogue: Catalogue, channel: str, source: str, condition: Condition
) -> str | None:
    """Return why an alarm of ``channel`` ends under ``catalogue``, ``None`` where it does not.

    ``source`` is the channel that is graded, a fault's own where the condition is a fault.
    """
    if channel not in catalogue.channel_index:
        return CHANNEL_REMOVED
    if source not in catalogue.channel_index:
        return LIMIT_REMOVED  # the channel is there, and this fault is no longer looked for
    graded = catalogue.channel(source)
    if not any(graded.condition(limit.side) is condition for limit in graded.limits):
        return LIMIT_REMOVED
    return IN_COMMISSIONING if is_in_commissioning(catalogue, graded) else None


def _remember(memory: dict[str, _T], key: str, value: _T, count_max: int) -> None:
    """Keep the newest ``count_max`` values."""
    memory[key] = value
    if len(memory) > count_max:
        del memory[next(iter(memory))]


def _encode_place(place: _Place) -> dict[str, Any]:
    held = [
        [int(side), int(held.grade), held.value, held.limit] for side, held in place.held.items()
    ]
    return {
        "channel": place.channel,
        "condition": place.condition.value,
        "source": place.source,
        "held": held,
        "alarm": encode_alarm(place.alarm) if place.alarm is not None else None,
    }


def _decode_place(plain: dict[str, Any]) -> _Place:
    held = {
        Side(side): _Held(Grade(grade), value, limit) for side, grade, value, limit in plain["held"]
    }
    alarm = decode_alarm(plain["alarm"]) if plain["alarm"] is not None else None
    condition = Condition(plain["condition"])
    return _Place(plain["channel"], condition, plain["source"], held, alarm)
