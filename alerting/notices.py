"""Whom to tell of what: the rule that turns transitions into notices, old data included.

Told are: raised, risen, reactivated, returned, and an end without a return (its channel or limit
was removed). Not told are a fall, an acknowledgement, a reset and an ordinary end: they are acts of
people who are already there, or a part of the return; the transitions show them all.

A change that came when it was already old is not told at once: the readings behind it may have
gone the other way since. What it would have said waits until the channel is caught up, or a day
has passed, and then whatever still stands is told, once. A return is told only to those who were
told of the alarm; a raise that has returned meanwhile is therefore never told at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from alerting.encode import decode_alarm, encode_alarm
from domain.alarm import Alarm, Notice, Transition, TransitionKind, derive_id

DEFER_NS_MAX = 86_400 * 1_000_000_000

_WORSE = (TransitionKind.RAISED, TransitionKind.RISEN, TransitionKind.REACTIVATED)


@dataclass(frozen=True, slots=True)
class Deferred:
    """Something to be told when ``source``, the channel that was graded, is caught up.

    ``alarm`` is kept as it stands now; where it is not active, it is the return of an alarm that
    people were told of. ``since_ns`` is the time of the row that deferred it first.
    """

    source: str
    transition_id: str
    since_ns: int
    alarm: Alarm


class Notices:
    """What people know of each alarm, and what waits to be told."""

    def __init__(self) -> None:
        self._told: dict[
            str, None
        ] = {}  # alarms last told of as active; a set that keeps its order
        self._deferred: dict[str, Deferred] = {}

    def after(self, transition: Transition, source: str, *, delayed: bool) -> Notice | None:
        """Return what is to be told at once of a transition, and remember what is to be told later."""
        alarm = transition.alarm
        waiting = self._deferred.get(alarm.id)
        if waiting is not None:
            self._deferred[alarm.id] = replace(waiting, alarm=alarm)
        if transition.kind in _WORSE:
            return self._offer(transition, source, delayed=delayed)
        if transition.kind is TransitionKind.RETURNED:
            return self._offer_end(transition, source, delayed=delayed)
        if transition.kind is TransitionKind.ENDED and alarm.cleared_at_ns is None:
            return self._offer_end(transition, source, delayed=False)
        return None

    def due(self, seq: int, now_ns: int, is_caught_up: Callable[[str], bool]) -> list[Notice]:
        """Return the notices whose waiting is over at this tick; ``is_caught_up`` takes a channel id."""
        ready = [
            waiting
            for waiting in self._deferred.values()
            if now_ns - waiting.since_ns >= DEFER_NS_MAX or is_caught_up(waiting.source)
        ]
        return [self._tell(seq, waiting.transition_id, waiting.alarm) for waiting in ready]

    def _offer_end(self, transition: Transition, source: str, *, delayed: bool) -> Notice | None:
        if transition.alarm.id in self._told:
            return self._offer(transition, source, delayed=delayed)
        self._deferred.pop(transition.alarm.id, None)
        return None

    def _offer(self, transition: Transition, source: str, *, delayed: bool) -> Notice | None:
        alarm = transition.alarm
        if not delayed:
            return self._tell(transition.seq, transition.id, alarm)
        waiting = self._deferred.get(alarm.id)
        since_ns = waiting.since_ns if waiting is not None else transition.recorded_ns
        self._deferred[alarm.id] = Deferred(source, transition.id, since_ns, alarm)
        return None

    def _tell(self, seq: int, transition_id: str, alarm: Alarm) -> Notice:
        self._deferred.pop(alarm.id, None)
        if alarm.active:
            self._told[alarm.id] = None
        else:
            self._told.pop(alarm.id, None)
        # A transition is told at its own row or at one later tick, so this pair is unique.
        return Notice(derive_id("notice", seq, transition_id), seq, transition_id, alarm)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain values."""
        deferred = [
            {
                "source": waiting.source,
                "transition_id": waiting.transition_id,
                "since_ns": waiting.since_ns,
                "alarm": encode_alarm(waiting.alarm),
            }
            for waiting in self._deferred.values()
        ]
        return {"told": list(self._told), "deferred": deferred}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the state from `snapshot` back."""
        self._told = dict.fromkeys(snapshot["told"])
        waiting = [
            Deferred(
                plain["source"],
                plain["transition_id"],
                plain["since_ns"],
                decode_alarm(plain["alarm"]),
            )
            for plain in snapshot["deferred"]
        ]
        self._deferred = {entry.alarm.id: entry for entry in waiting}
