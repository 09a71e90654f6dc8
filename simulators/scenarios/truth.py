"""What ought to be raised, taken from what is truly there.

A scenario's world knows the water and the gas without any instrument. An alarm is wanted when the
truth passes its limit, and not before; how much later it may come is what instrument and delays take.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.grade import Condition, Grade
from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import Course
from simulators.scenarios.scenario import BEGIN_NS, Expected

GRID_S = 5.0

Limits = Sequence[tuple[Grade, float]]
"""Grades with their limits, the mildest first."""

Key = tuple[str, Condition]


@dataclass(frozen=True, slots=True)
class Watch:
    """A channel, what is truly there, and its limits.

    ``margin`` is what the instrument may be off by, as a share of the limit and as a value: a truth
    that comes so close to a limit may raise it or not. ``late_s`` is how long after the truth the
    alarm may come, ``hold_s`` how long the truth must stay beyond the limit for it to be wanted.
    """

    channel: str
    truth: Course
    limits: Limits
    late_s: float
    margin: float = 0.01
    margin_share: float = 0.03
    hold_s: float = 60.0
    settle_s: float = 900.0  # how long before the end it must be below for the alarm to be over
    condition: Condition = Condition.HIGH  # for LOW, limits are reached from above

    def wanted(
        self, length_s: float, begin_ns: int = BEGIN_NS
    ) -> tuple[tuple[Expected, ...], tuple[Key, ...]]:
        """Return the alarms that must come, and those that may."""
        seconds = np.arange(0.0, length_s, GRID_S)
        time_ns: Int64s = begin_ns + (seconds * NS_PER_S).astype(np.int64)
        sign = -1.0 if self.condition is Condition.LOW else 1.0
        value = sign * self.truth(time_ns)
        limits = [(grade, sign * limit) for grade, limit in self.limits]
        sure = [grade for grade, limit in limits if self._passed(value, limit) is not None]
        near = [grade for grade, limit in limits if value.max() >= limit - self._off(limit)]
        key = (self.channel, self.condition)
        if not sure:
            return (), ((key,) if near else ())
        limit = dict(limits)[sure[-1]]
        passed = self._passed(value, limit)
        first = int(np.argmax(value >= limit - self._off(limit)))
        lowest = limits[0][1]
        tail = value[-max(1, int(self.settle_s / GRID_S)) :]
        over = bool(tail.max() < lowest - 0.15 * abs(lowest) - self.margin)
        wanted = Expected(
            self.channel,
            self.condition,
            sure[-1],
            float(seconds[first]) - 2 * GRID_S,
            float(seconds[passed or 0]) + self.late_s,
            most=near[-1],
            returns=over,
        )
        return (wanted,), ()

    def _off(self, limit: float) -> float:
        return self.margin + self.margin_share * abs(limit)

    def _passed(self, value: Float64s, limit: float) -> int | None:
        """Return where the truth has first been surely beyond the limit for ``hold_s``.

        Nothing where that is so late that the alarm may come after the end: it cannot be wanted.
        """
        steps = int(self.hold_s / GRID_S)
        beyond = (value >= limit + self._off(limit)).astype(np.int64)
        held = np.convolve(beyond, np.ones(steps, np.int64), "valid") == steps
        places = np.flatnonzero(held)
        passed = int(places[0]) + steps if len(places) else len(value)
        return passed if passed + self.late_s / GRID_S < len(value) else None


def all_wanted(
    watches: Sequence[Watch], length_s: float, begin_ns: int = BEGIN_NS
) -> tuple[tuple[Expected, ...], tuple[Key, ...]]:
    """Return what must and what may come of several channels."""
    found = [watch.wanted(length_s, begin_ns) for watch in watches]
    must = tuple(one for wanted, _ in found for one in wanted)
    return must, tuple(key for _, keys in found for key in keys)


def high(*channels: str) -> tuple[Key, ...]:
    """Return the high alarms of channels."""
    return tuple((channel, Condition.HIGH) for channel in channels)


def summed(course: Course, window_s: float, step_s: float) -> Course:
    """Return the sum over a window of what a course gives for each ``step_s``."""
    steps = round(window_s / step_s)

    def total(time_ns: Int64s) -> Float64s:
        """Sum on the grid of the first and last time."""
        step_ns = seconds_to_ns(step_s)
        start_ns = int(time_ns[0]) - steps * step_ns
        grid = np.arange(start_ns, int(time_ns[-1]) + step_ns, step_ns, dtype=np.int64)
        running = np.concatenate([[0.0], np.cumsum(course(grid))])
        place = (time_ns - start_ns) // step_ns
        return np.asarray(running[place + 1] - running[place + 1 - steps], np.float64)

    return total
