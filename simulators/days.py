"""Physics that has a past, as functions of time: made a day at a time, each from a day before.

A tank remembers what flowed into it. To keep a world a pure function of time, its tanks are computed
on a grid for one whole day together, beginning a day earlier from rest; what they then held is
forgotten by the time the day begins, as far as their memory is shorter than a day (it is hours). A day
is kept once made. So a value depends on the seed and the time alone, and not on what was asked before.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import DAY_NS, LOCAL_OFFSET_NS, Course

Made = Mapping[str, Float64s]
"""Values on the grid, by name."""

KEPT = 3


class Days:
    """Named courses that ``make`` computes on a grid of ``step_s``, for two days at once.

    ``make`` gets the grid's times and returns values for each name; the second of the two days is
    used. ``turn_hour`` (local) is when one day's computation takes over from the last one's.
    Between the grid's times values are joined by straight lines.
    """

    def __init__(
        self, step_s: float, make: Callable[[Int64s], Made], turn_hour: float = 4.0
    ) -> None:
        self._step_ns = seconds_to_ns(step_s)
        self._make = make
        self._turn_ns = seconds_to_ns(turn_hour * 3600) - LOCAL_OFFSET_NS
        self._kept: OrderedDict[int, Made] = OrderedDict()

    def course(self, name: str) -> Course:
        """Return the course of one name."""

        def course(time_ns: Int64s) -> Float64s:
            values = np.empty(len(time_ns))
            number = (time_ns - self._turn_ns) // DAY_NS
            for day in np.unique(number).tolist():
                inside = number == day
                values[inside] = self._on(day, name, time_ns[inside])
            return values

        return course

    def _on(self, day: int, name: str, time_ns: Int64s) -> Float64s:
        since_ns = time_ns - (day * DAY_NS + self._turn_ns)
        place = since_ns // self._step_ns
        share = (since_ns % self._step_ns) / self._step_ns
        made = self._day(day)[name]
        before, after = made[place], made[place + 1]
        return np.asarray(before + share * (after - before), np.float64)

    def _day(self, day: int) -> Made:
        if day in self._kept:
            self._kept.move_to_end(day)
            return self._kept[day]
        steps = DAY_NS // self._step_ns
        start_ns = (day - 1) * DAY_NS + self._turn_ns
        time_ns = start_ns + np.arange(2 * steps + 1, dtype=np.int64) * self._step_ns
        made = {name: values[steps:] for name, values in self._make(time_ns).items()}
        self._kept[day] = made
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made


def mixed(inflow: Float64s, rate_per_s: Float64s, step_s: float) -> Float64s:
    """Return what a mixed volume holds: dC/dt = ``inflow`` - ``rate_per_s`` * C, from C = 0.

    Both are taken as constant over a step, for which the solution is exact.
    """
    kept = np.exp(-rate_per_s * step_s)
    gained = np.where(
        rate_per_s > 0.0, inflow * (1.0 - kept) / np.maximum(rate_per_s, 1e-12), inflow * step_s
    )
    content, held = 0.0, []
    for keep, gain in zip(kept.tolist(), gained.tolist(), strict=True):
        held.append(content)
        content = content * keep + gain
    return np.array(held)


def routed(
    inflow: Float64s, storage_s: float, tanks: int, delay_s: float, step_s: float
) -> Float64s:
    """Return the outflow of a Nash (1957) cascade, ``delay_s`` later: ``tanks`` equal reservoirs.

    Its unit hydrograph (a gamma density) is cut where nothing is left of it and sums to 1, so that
    what flows in flows out. Computed by the Fourier transform.
    """
    steps = int((delay_s + 20.0 * storage_s * tanks) / step_s) + 2
    since_s = np.maximum((np.arange(steps) + 0.5) * step_s - delay_s, 0.0) / storage_s
    unit = np.where(since_s > 0.0, since_s ** (tanks - 1) * np.exp(-since_s), 0.0)
    unit /= unit.sum()
    size = 1 << int(np.ceil(np.log2(len(inflow) + steps)))
    spectrum = np.fft.rfft(inflow, size) * np.fft.rfft(unit, size)
    return np.clip(np.fft.irfft(spectrum, size)[: len(inflow)], 0.0, None)


def seconds(time_ns: Int64s) -> float:
    """Return the step of a grid in seconds."""
    return float((time_ns[1] - time_ns[0]) / NS_PER_S)
