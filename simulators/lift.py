"""A lift: trips by a seeded timetable, told as events, with a heartbeat of its whole state.

The trips of each ten minutes follow from the number of those ten minutes alone; a lift is parked
where the next ten minutes begin. So any span can be told without what came before it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from domain.time import NS_PER_MS, NS_PER_S, seconds_to_ns
from simulators.course import Occasion
from simulators.feed import EventFeed
from simulators.noise import key_of, uniform
from simulators.world import Station

EPOCH_NS = 600 * NS_PER_S
HEARTBEAT_NS = 60 * NS_PER_S
TRIPS_MAX = 9
FLOORS = 24
SPEED_M_S = 1.75
EXPRESS_M_S = 2.5
EXPRESS_FLOORS = 10
FLOOR_M = 3.2
NAMES = ("fault_code", "service_mode", "door", "floor", "passenger", "car_speed")

Values = Mapping[str, float]
Event = tuple[int, Values]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a lift's controller tells on an occasion, instead of its timetable.

    ``steps`` are (seconds since the beginning, values); after ``length_s`` the lift is released
    and joins its timetable again, without a fault.
    """

    occasion: Occasion
    length_s: float
    steps: tuple[tuple[float, Values], ...]

    def begun(self, time_ns: int) -> int | None:
        """Return when the trouble that holds the lift at ``time_ns`` began."""
        begun_ns = self.occasion.latest(time_ns)
        if begun_ns is None or time_ns >= begun_ns + seconds_to_ns(self.length_s):
            return None
        return begun_ns


def entrapment(occasion: Occasion, length_s: float) -> Trouble:
    """Return an entrapment: stopped between floors (04), and 45 s later the alarm button (90)."""
    stopped = {"fault_code": 4, "door": 0, "passenger": 1, "car_speed": 0.0}
    return Trouble(occasion, length_s, ((0.0, stopped), (45.0, {"fault_code": 90})))


def faulty(occasion: Occasion, length_s: float, code: int) -> Trouble:
    """Return a fault of the controller: it stands with its door open and tells ``code``."""
    stands = {"fault_code": code, "door": 1, "passenger": 0, "car_speed": 0.0}
    return Trouble(occasion, length_s, ((0.0, stands),))


def lift(gateway: str, district: str, seed: int, *, troubles: tuple[Trouble, ...] = ()) -> Station:
    """Return a lift.

    Sent as they change, and all together each minute: fault_code (GB/T 24476), service_mode (1 normal),
    door (1 open), floor, passenger (1 present), car_speed (m/s).
    """
    timetable = Timetable(key_of(seed, gateway), troubles)
    return Station((EventFeed(gateway, district, NAMES, timetable.events),))


@dataclass(frozen=True, slots=True)
class Timetable:
    """All that a lift does and tells, from its key and its troubles."""

    key: int
    troubles: tuple[Trouble, ...] = ()

    def events(self, start_ns: int, end_ns: int) -> list[Event]:
        """Return the events of a span, in order of time; times are whole milliseconds."""
        epochs = range(start_ns // EPOCH_NS, (end_ns - 1) // EPOCH_NS + 1)
        told = (event for epoch in epochs for event in self._told(epoch).items())
        return [event for event in told if start_ns <= event[0] < end_ns]

    def _told(self, epoch: int) -> dict[int, dict[str, float]]:
        """Return an epoch's events by time, troubles in place of the timetable."""
        start_ns = epoch * EPOCH_NS
        state = dict(self._parked(epoch))
        beats = [start_ns + beat * HEARTBEAT_NS for beat in range(EPOCH_NS // HEARTBEAT_NS)]
        whole = {*beats, *self._changes(start_ns, start_ns + EPOCH_NS)}
        trips = dict(self._trips(epoch))
        told: dict[int, dict[str, float]] = {}
        for time_ns in sorted({*whole, *trips}):
            state.update(trips.get(time_ns, {}))
            trouble = self._trouble_at(time_ns)
            if time_ns in whole:
                told[time_ns] = self._whole(state, trouble, time_ns)
            elif trouble is None:
                told[time_ns] = dict(trips[time_ns])
        return told

    def _trouble_at(self, time_ns: int) -> tuple[Trouble, int] | None:
        for trouble in self.troubles:
            begun_ns = trouble.begun(time_ns)
            if begun_ns is not None:
                return trouble, begun_ns
        return None

    def _changes(self, start_ns: int, end_ns: int) -> list[int]:
        """Return the moments in the span at which a trouble changes what is told."""
        changes: list[int] = []
        for trouble in self.troubles:
            begun_ns = trouble.occasion.latest(end_ns - 1)
            while begun_ns is not None:
                ends_ns = begun_ns + seconds_to_ns(trouble.length_s)
                steps = [begun_ns + seconds_to_ns(after_s) for after_s, _ in trouble.steps]
                changes += [at_ns for at_ns in (*steps, ends_ns) if start_ns <= at_ns < end_ns]
                over = ends_ns < start_ns  # and so are all the earlier ones
                begun_ns = None if over else trouble.occasion.latest(begun_ns - 1)
        return changes

    def _whole(
        self, state: Values, trouble: tuple[Trouble, int] | None, time_ns: int
    ) -> dict[str, float]:
        told = dict(state)
        if trouble is not None:
            for after_s, values in trouble[0].steps:
                if time_ns >= trouble[1] + seconds_to_ns(after_s):
                    told.update(values)
        return told

    def _parked(self, epoch: int) -> dict[str, float]:
        floor = 1 + int(uniform(self.key, np.array([epoch]))[0] * FLOORS)
        return dict(zip(NAMES, (0, 1, 0, floor, 0, 0.0), strict=True))

    def _trips(self, epoch: int) -> Iterator[Event]:
        """Yield the trips of an epoch; the last one brings the car to the next epoch's floor."""
        draws = uniform(key_of(self.key, epoch), np.arange(2 * TRIPS_MAX))
        floor = int(self._parked(epoch)["floor"])
        last = int(self._parked(epoch + 1)["floor"])
        count = 2 + int(draws[-1] * (TRIPS_MAX - 2))
        for trip in range(count):
            target = last if trip == count - 1 else 1 + int(draws[trip] * FLOORS)
            pause_s = 60.0 * trip + 4.0 * float(draws[TRIPS_MAX + trip])
            if target != floor:
                yield from _trip(epoch * EPOCH_NS + seconds_to_ns(pause_s), floor, target)
            floor = target


def _trip(start_ns: int, floor: int, target: int) -> Iterator[Event]:
    """Yield one trip, at most 60 s with the doors: in, up or down past each floor, and out."""
    whole_ns = start_ns // NS_PER_MS * NS_PER_MS
    speed_m_s = EXPRESS_M_S if abs(target - floor) > EXPRESS_FLOORS else SPEED_M_S
    per_floor_s = FLOOR_M / speed_m_s

    def at(after_s: float) -> int:
        return whole_ns + round(after_s * 1000) * NS_PER_MS

    yield at(0.0), {"door": 1}
    yield at(3.0), {"passenger": 1}
    yield at(5.0), {"door": 0}
    yield at(6.0), {"car_speed": speed_m_s}
    step = 1 if target > floor else -1
    for passed, number in enumerate(range(floor + step, target + step, step), start=1):
        yield at(6.0 + passed * per_floor_s), {"floor": number}
    arrived_s = 7.0 + abs(target - floor) * per_floor_s
    yield at(arrived_s), {"car_speed": 0.0}
    yield at(arrived_s + 1.0), {"door": 1}
    yield at(arrived_s + 3.0), {"passenger": 0}
    yield at(arrived_s + 6.0), {"door": 0}
