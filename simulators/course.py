"""Courses: how a quantity goes with time, as closed forms, and the occasions that set them off.

A course takes event times (int64 ns) and returns one value for each, whatever stands beside it.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.noise import bell, uniform

Course = Callable[[Int64s], Float64s]

LOCAL_OFFSET_NS = 8 * 3600 * NS_PER_S  # the worlds' city keeps China's time
DAY_NS = 86_400 * NS_PER_S
NEVER = -1


@dataclass(frozen=True, slots=True)
class Occasion:
    """The moments at which something begins: once each, and from ``first_ns`` every ``period_ns``.

    ``once_ns`` is ascending and lies before ``first_ns``. What begins is over before it begins
    again.
    """

    once_ns: tuple[int, ...] = ()
    first_ns: int | None = None
    period_ns: int = 0

    def since_ns(self, time_ns: Int64s) -> Int64s:
        """Return the nanoseconds since the latest beginning, ``NEVER`` before the first."""
        since = np.full(len(time_ns), NEVER, np.int64)
        for moment_ns in self.once_ns:
            since = np.where(time_ns >= moment_ns, time_ns - moment_ns, since)
        if self.first_ns is not None:
            passed = time_ns - self.first_ns
            repeated = passed % self.period_ns if self.period_ns else passed
            since = np.where(passed >= 0, repeated, since)
        return since

    def latest(self, time_ns: int) -> int | None:
        """Return the latest beginning not after ``time_ns``."""
        if self.first_ns is not None and time_ns >= self.first_ns:
            passed = time_ns - self.first_ns
            return time_ns - (passed % self.period_ns if self.period_ns else passed)
        place = bisect_right(self.once_ns, time_ns)
        return self.once_ns[place - 1] if place else None


def once(moment_ns: int) -> Occasion:
    """Return the occasion that comes once."""
    return Occasion(once_ns=(moment_ns,))


def level(value: float) -> Course:
    """Return the course that stays at ``value``."""
    return lambda time_ns: np.full(len(time_ns), value)


still = level(0.0)
whole = level(1.0)


def total(*courses: Course) -> Course:
    """Return the sum of courses."""
    return lambda time_ns: np.sum([course(time_ns) for course in courses], axis=0)


def times(factor: float, course: Course) -> Course:
    """Return ``factor`` times a course."""
    return lambda time_ns: factor * course(time_ns)


def delayed(course: Course, delay_s: float) -> Course:
    """Return a course that comes ``delay_s`` later."""
    delay_ns = seconds_to_ns(delay_s)
    return lambda time_ns: course(time_ns - delay_ns)


def local_hour(time_ns: Int64s) -> Float64s:
    """Return the hour of the local day, 0 to 24."""
    return np.asarray(((time_ns + LOCAL_OFFSET_NS) % DAY_NS) / (3600.0 * NS_PER_S), np.float64)


def daily(mean: float, swing: float, peak_hour: float) -> Course:
    """Return a daily wave between ``mean - swing`` and ``mean + swing``, highest at ``peak_hour``."""

    def course(time_ns: Int64s) -> Float64s:
        angle = (local_hour(time_ns) - peak_hour) * (2 * np.pi / 24)
        return np.asarray(mean + swing * np.cos(angle), np.float64)

    return course


def noise(key: int, deviation: float, interval_s: float) -> Course:
    """Return noise, a fresh value each ``interval_s``."""
    interval_ns = seconds_to_ns(interval_s)
    return lambda time_ns: deviation * bell(key, time_ns // interval_ns)


def _smooth(share: Float64s) -> Float64s:
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share), np.float64)


def swell(occasion: Occasion, rise_s: float, hold_s: float, fall_s: float, height: float) -> Course:
    """Return a course that at each occasion rises smoothly to ``height``, stays, and falls to 0."""

    def course(time_ns: Int64s) -> Float64s:
        since = occasion.since_ns(time_ns)
        since_s = np.where(since == NEVER, -1.0, since / NS_PER_S)
        fallen = _smooth((since_s - rise_s - hold_s) / fall_s)
        return np.asarray(height * (_smooth(since_s / rise_s) - fallen), np.float64)

    return course


def drift(start_ns: int, per_day: float, length_s: float) -> Course:
    """Return a course that from ``start_ns`` rises steadily for ``length_s`` and then stays."""

    def course(time_ns: Int64s) -> Float64s:
        since_s = np.clip((time_ns - start_ns) / NS_PER_S, 0.0, length_s)
        return np.asarray(since_s * (per_day / 86_400.0), np.float64)

    return course


def traffic(key: int, slot_s: float, crossing_s: float, heaviest: float) -> Course:
    """Return the effect of vehicles: about one each ``slot_s``, busier by day than by night.

    Each is a bump of ``crossing_s`` (less than half a slot) of at most ``heaviest``; most are far lighter.
    """
    slot_ns, half_ns = seconds_to_ns(slot_s), seconds_to_ns(crossing_s / 2)
    busy = daily(0.65, 0.35, 14.0)

    def course(time_ns: Int64s) -> Float64s:
        slot = time_ns // slot_ns
        middle_ns = ((0.25 + 0.5 * uniform(key, slot)) * slot_ns).astype(np.int64)
        away = np.clip(np.abs(time_ns - slot * slot_ns - middle_ns) / half_ns, 0.0, 1.0)
        weight = uniform(key + 1, slot) ** 4
        bump = np.cos(away * (np.pi / 2)) ** 2
        return np.asarray(heaviest * busy(time_ns) * weight * bump, np.float64)

    return course
