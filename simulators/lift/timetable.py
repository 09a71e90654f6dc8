"""A lift's days: each simulated whole from its seed, and kept; any span is cut from them."""

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from domain.time import NS_PER_MS
from simulators.course import DAY_NS, LOCAL_OFFSET_NS, Occasion
from simulators.lift.building import HOME, QUIET_S, Building, building_of, calls_of
from simulators.lift.car import Car, Values, resting
from simulators.lift.sweeps import Sweeps, go_home
from simulators.lift.troubles import AFTER_S, Trouble
from simulators.noise import key_of, uniform

DAY_MS = DAY_NS // NS_PER_MS
TURN_MS = 4 * 3_600_000 - LOCAL_OFFSET_NS // NS_PER_MS  # a day begins at four, when nobody comes
HEARTBEAT_MS = 60_000
FLICKER_MS = 15_000
DAYS_KEPT = 3

Event = tuple[int, Values]


@dataclass(slots=True)
class _Day:
    times_ns: list[int]
    events: list[Event]
    end_ms: int  # when the car is idle at home, its next day's beginning or later


@dataclass(frozen=True, slots=True)
class Timetable:
    """All that a lift does and tells, from its key and its troubles."""

    key: int
    troubles: tuple[Trouble, ...] = ()
    building: Building | None = None
    flickering: Occasion | None = None
    flickering_s: float = 0.0
    _days: dict[int, _Day] = field(default_factory=dict, compare=False)

    def events(self, start_ns: int, end_ns: int) -> list[Event]:
        """Return the events of a span, in order of time; times are whole milliseconds."""
        found: list[Event] = []
        first = (start_ns // NS_PER_MS - TURN_MS) // DAY_MS
        last = ((end_ns - 1) // NS_PER_MS - TURN_MS) // DAY_MS
        if self._begin_ms(first) > TURN_MS + first * DAY_MS:
            first -= 1  # a trouble goes on beyond the turn
        for number in range(first, last + 1):
            day = self._day(number)
            found += day.events[
                bisect_left(day.times_ns, start_ns) : bisect_left(day.times_ns, end_ns)
            ]
        return found

    def _day(self, number: int) -> _Day:
        """Return a day; the newest few are kept."""
        if number not in self._days:
            day = self._simulate(number)
            while len(self._days) >= DAYS_KEPT:
                del self._days[min(self._days)]
            self._days[number] = day
        return self._days[number]

    def _begin_ms(self, number: int) -> int:
        """Return when the car is free: at the turn, but for a trouble that goes beyond it."""
        turn_ms = TURN_MS + number * DAY_MS
        late_ms = turn_ms - 1000 * QUIET_S
        before = self._takeovers(number - 1)
        if before and before[-1][2] + round(1000 * AFTER_S) > late_ms:
            return self._day(number - 1).end_ms
        return turn_ms

    def _takeovers(self, number: int) -> list[tuple[int, int, int, Trouble]]:
        """Return a day's troubles: (lead begins, begins, over), none before the last is over."""
        start_ms = TURN_MS + number * DAY_MS
        spans = [
            (begin_ms - round(1000 * trouble.lead_s), begin_ms, end_ms, trouble)
            for trouble in self.troubles
            for begin_ms, end_ms in trouble.spans_ms(start_ms, start_ms + DAY_MS)
        ]
        apart: list[tuple[int, int, int, Trouble]] = []
        for span in sorted(spans, key=lambda one: one[:3]):
            if not apart or span[0] >= apart[-1][2] + round(1000 * AFTER_S):
                apart.append(span)
        return apart

    def _simulate_car(self, number: int) -> tuple[Car, int]:
        """Return the car at a day's end with all that it told, and when its day began."""
        own = self.building or building_of(self.key)
        turn_ms = TURN_MS + number * DAY_MS
        begin_ms = self._begin_ms(number)
        car = Car(own, begin_ms)
        sweeps = Sweeps(self.key, calls_of(own, self.key, turn_ms, DAY_MS, 4.0))
        for lead_ms, over_ms, end_ms, trouble in self._takeovers(number):
            _serve(car, sweeps, lead_ms)
            trouble.story(car, over_ms, end_ms)
        _serve(car, sweeps, turn_ms + DAY_MS - 300_000)
        go_home(car)
        car.wait(turn_ms + DAY_MS)
        return car, begin_ms

    def _simulate(self, number: int) -> _Day:
        """Return a day: the car's changes, a flickering sensor's, and the heartbeats."""
        car, begin_ms = self._simulate_car(number)
        changes = [(time_ms, dict(values)) for time_ms, values in car.told]
        changes = self._flickered(changes)
        state, events, place = resting(HOME), list[Event](), 0
        beat_ms = -(-begin_ms // HEARTBEAT_MS) * HEARTBEAT_MS
        while place < len(changes) or beat_ms < car.now_ms:
            change_ms = changes[place][0] if place < len(changes) else car.now_ms
            if beat_ms < min(change_ms, car.now_ms):
                events.append((beat_ms * NS_PER_MS, dict(state)))
                beat_ms += HEARTBEAT_MS
                continue
            values = changes[place][1]
            state |= values
            if change_ms == beat_ms:
                values, beat_ms = dict(state), beat_ms + HEARTBEAT_MS
            events.append((change_ms * NS_PER_MS, values))
            place += 1
        return _Day([time_ns for time_ns, _ in events], events, car.now_ms)

    def _flickered(self, changes: list[Event]) -> list[Event]:
        """Return the changes with drops of the presence sensor for seconds, where it flickers."""
        if self.flickering is None:
            return changes
        spans, since = [], None
        for time_ms, values in changes:
            if "passenger" in values and values["passenger"] and since is None:
                since = time_ms
            elif "passenger" in values and not values["passenger"] and since is not None:
                spans.append((since, time_ms))
                since = None
        drops = {at: level for span in spans for at, level in self._drops(*span)}
        for time_ms, _ in changes:
            if time_ms in drops:
                drops[time_ms + 1] = drops.pop(time_ms)
        return sorted([*changes, *((at, {"passenger": x}) for at, x in drops.items())], key=_time)

    def _drops(self, since_ms: int, until_ms: int) -> list[tuple[int, float]]:
        """Return the drops and returns within one presence: 1 to 8 s, in about half of the slots."""
        assert self.flickering is not None  # noqa: S101  the caller looked
        slots = np.arange(since_ms // FLICKER_MS + 1, until_ms // FLICKER_MS)
        begun = self.flickering.since_ns(slots * FLICKER_MS * NS_PER_MS)
        now = (begun >= 0) & (begun < self.flickering_s * 1e9)
        draws = [uniform(key_of(self.key, "flicker", part), slots) for part in range(3)]
        found: list[tuple[int, float]] = []
        for place in np.flatnonzero(now & (draws[0] < 0.5)).tolist():
            at_ms = int(slots[place] * FLICKER_MS + 5_000 * draws[1][place])
            found += [(at_ms, 0.0), (at_ms + 1_000 + int(7_000 * draws[2][place]), 1.0)]
        return found


def _time(event: Event) -> int:
    return event[0]


def _serve(car: Car, sweeps: Sweeps, until_ms: int) -> None:
    """Serve sweep by sweep while they are over in time."""
    while (wanted_ms := sweeps.next_ms()) is not None and wanted_ms < until_ms:
        car.wait(wanted_ms)
        if not sweeps.serve(car, until_ms):
            return
