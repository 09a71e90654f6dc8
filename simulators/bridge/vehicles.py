"""The traffic stream: who crosses when, how fast, in which lane, on which axles.

Each lane has a vehicle a slot at most, with a chance that goes with the hour: an arrival process like
Poisson's that keeps its headway. Gross weights are mixtures of normal distributions, empty and loaded,
as weigh-in-motion finds them (OBrien and Enright 2011; Nowak 1993). A vehicle crosses at a constant
speed, so what it does is its axles' loads times the influence line, in closed form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import Course, Occasion, local_hour
from simulators.noise import bell, uniform

GRAVITY = 9.81


class Class(NamedTuple):
    """A class of vehicles: its share, weights of empty and loaded in t, and axle groups."""

    share: float
    empty_t: float
    loaded_t: float
    loaded_share: float
    deviation_t: float
    offset_m: tuple[float, float, float]  # axle groups: steering, drive, trailer
    part: tuple[float, float, float]  # of the weight, on each group


CLASSES = (
    Class(0.86, 1.3, 1.8, 0.5, 0.25, (0.0, 2.7, 2.7), (0.55, 0.45, 0.0)),  # cars
    Class(0.05, 11.0, 16.0, 0.6, 1.5, (0.0, 6.0, 6.0), (0.36, 0.64, 0.0)),  # buses
    Class(0.06, 7.0, 15.0, 0.55, 2.0, (0.0, 5.0, 5.0), (0.35, 0.65, 0.0)),  # two-axle lorries
    Class(0.03, 16.0, 43.0, 0.6, 3.5, (0.0, 4.5, 12.0), (0.14, 0.36, 0.50)),  # five and six axles
)

# Share of the busiest hour, by hour of the day: an urban arterial's two peaks (typical).
BY_HOUR = (
    0.12, 0.08, 0.06, 0.05, 0.07, 0.16, 0.42, 0.85, 1.00, 0.80, 0.70, 0.70,
    0.66, 0.68, 0.72, 0.75, 0.82, 0.98, 0.96, 0.72, 0.55, 0.44, 0.32, 0.20,
)  # fmt: skip


def hourly(share: tuple[float, ...] = BY_HOUR) -> Course:
    """Return the share of the busiest hour's flow, joined between the hours' middles."""
    table = np.array((*share, share[0]))

    def course(time_ns: Int64s) -> Float64s:
        hour = (local_hour(time_ns) - 0.5) % 24.0
        below = hour.astype(np.int64) % 24
        return np.asarray(
            table[below] + (hour - np.floor(hour)) * (table[below + 1] - table[below]), np.float64
        )

    return course


USUAL_FLOW = hourly()


class Passing(NamedTuple):
    """Vehicles: when each front axle is at the start of the bridge, its speed, axles and loads."""

    start_ns: Int64s
    speed_m_s: Float64s
    offset_m: Float64s  # (vehicles, axles), behind the front axle
    load_kn: Float64s  # (vehicles, axles)


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane's stream: a slot a vehicle at most."""

    key: int
    slot_s: float = 4.0
    busiest: float = 0.55  # chance that a slot of the busiest hour has a vehicle
    speed_m_s: float = 15.0
    heavy: float = 1.0  # scales the shares of lorries and buses
    speed_spread: float = 0.12  # deviation over mean; at most 3.47 deviations
    flow: Course = USUAL_FLOW

    @property
    def slowest_m_s(self) -> float:
        """No vehicle is slower."""
        return self.speed_m_s * (1.0 - 3.5 * self.speed_spread)

    def vehicles(self, slot: Int64s) -> Passing:
        """Return the vehicles of slots; one that is empty weighs nothing."""
        key, slot_ns = self.key, seconds_to_ns(self.slot_s)
        start_ns = slot * slot_ns
        there = uniform(key, slot) < self.busiest * self.flow(start_ns)
        start_ns = start_ns + (uniform(key + 1, slot) * (0.6 * slot_ns)).astype(np.int64)
        rest = 1.0 - self.heavy * sum(one.share for one in CLASSES[1:])
        bounds = np.cumsum([rest, *(self.heavy * one.share for one in CLASSES[1:-1])])
        which = np.searchsorted(bounds, uniform(key + 2, slot), "right")
        table = np.array([one[1:5] for one in CLASSES])
        empty, loaded, loaded_share, deviation = table[which].T
        middle = np.where(uniform(key + 3, slot) < loaded_share, loaded, empty)
        weight_t = np.maximum(middle + deviation * bell(key + 4, slot), 0.6 * empty) * there
        speed = self.speed_m_s * (1.0 + self.speed_spread * bell(key + 5, slot))
        offset = np.array([one.offset_m for one in CLASSES])[which]
        part = np.array([one.part for one in CLASSES])[which]
        return Passing(start_ns, speed, offset, part * (weight_t * GRAVITY)[:, None])


@dataclass(frozen=True, slots=True)
class Convoy:
    """Lorries in a row, at each occasion: an exceptional transport, or the overloaded at night."""

    occasion: Occasion
    lorries: int
    weight_t: float
    gap_m: float = 22.0  # from front axle to front axle
    speed_m_s: float = 8.0

    def effect(self, line: Callable[[Float64s], Float64s]) -> Course:
        """Return what the convoy does to a quantity with this influence line (per kN)."""
        behind = [
            (number * self.gap_m + offset, share * self.weight_t * GRAVITY)
            for number in range(self.lorries)
            for offset, share in zip(CLASSES[-1].offset_m, CLASSES[-1].part, strict=True)
        ]

        def course(time_ns: Int64s) -> Float64s:
            since = self.occasion.since_ns(time_ns)
            front = np.where(since < 0, -1.0, self.speed_m_s * since / NS_PER_S)
            total = np.zeros(len(time_ns))
            for offset_m, load_kn in behind:
                total += load_kn * line(front - offset_m)
            return np.where(since < 0, 0.0, total)

        return course


def stream(lane: Lane, length_m: float, line: Callable[[Float64s], Float64s]) -> Course:
    """Return what a lane's traffic does to a quantity with this influence line (per kN)."""
    slot_ns = seconds_to_ns(lane.slot_s)
    reach_s = (length_m + 15.0) / lane.slowest_m_s + lane.slot_s
    back = int(reach_s / lane.slot_s) + 1

    behind = np.arange(back + 1)

    def course(time_ns: Int64s) -> Float64s:
        if len(time_ns) == 0:
            return np.zeros(0)
        current = time_ns // slot_ns
        first = int(current.min()) - back
        known = lane.vehicles(np.arange(first, int(current.max()) + 1))
        which = (current - first)[:, None] - behind
        since_s = (time_ns[:, None] - known.start_ns[which]) / NS_PER_S
        travelled_m = known.speed_m_s[which] * since_s
        there = (travelled_m >= 0.0) & (travelled_m < length_m + 15.0)
        row, column = np.nonzero(there & (known.load_kn[which, 0] > 0.0))
        own = which[row, column]
        place_m = travelled_m[row, column][:, None] - known.offset_m[own]
        effect = (known.load_kn[own] * line(place_m)).sum(axis=1)
        return np.asarray(np.bincount(row, effect, len(time_ns)), np.float64)

    return course
