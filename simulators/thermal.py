"""How structures follow the weather: first-order lags of air and sun over a bounded past."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import seconds_to_ns
from simulators.climate import Weather
from simulators.course import Course

GRID_S = 600.0
PAST_LAGS = 6  # e^-6: what lies further back has no weight that anybody could see
PIECE = 36  # grid points computed together: six hours


def lagged(course: Course, lag_s: float) -> Course:
    """Return a course behind a first-order lag (``dy/dt = (x - y) / lag``).

    The convolution with ``exp(-t / lag)`` over six lags, on a grid of ten minutes, joined by straight
    lines: a function of time alone, however a span is cut, as each piece is computed the same way.
    """
    steps = max(1, round(PAST_LAGS * lag_s / GRID_S))
    weight = np.exp(-np.arange(steps) * GRID_S / lag_s)
    weight /= weight.sum()
    grid_ns = seconds_to_ns(GRID_S)

    @lru_cache(maxsize=256)
    def piece(number: int) -> Float64s:
        first = number * PIECE
        past = course(np.arange(first - steps + 1, first + PIECE) * grid_ns)
        return np.array([weight @ past[k : k + steps][::-1] for k in range(PIECE)])

    def at(index: Int64s) -> Float64s:
        numbers, place = np.unique(index // PIECE, return_inverse=True)
        pieces = np.array([piece(number) for number in numbers.tolist()]).reshape(-1, PIECE)
        return np.asarray(pieces[place, index % PIECE], np.float64)

    def behind(time_ns: Int64s) -> Float64s:
        if len(time_ns) == 0:
            return np.zeros(0)
        index, share = time_ns // grid_ns, (time_ns % grid_ns) / grid_ns
        before, after = at(index), at(index + 1)
        return np.asarray(before + share * (after - before), np.float64)

    return behind


@dataclass(frozen=True, slots=True)
class Warmth:
    """How a section takes its temperature from the weather; typical figures (EN 1991-1-5, annex)."""

    lag_s: float = 3.0 * 3600  # steel box with asphalt: 2 to 4 h; concrete: 6 to 12 h
    sun_k_m2_w: float = 0.012  # effective warming by sun: absorbed share over the outer resistance
    gradient_lag_s: float = 1.2 * 3600
    gradient_k_m2_w: float = 0.013  # top above bottom: 8 to 12 K on a clear summer noon
    gradient_night_k: float = -1.0  # the top cools first

    def effective_c(self, weather: Weather) -> Course:
        """Return the effective (mean) temperature of the section, in Celsius."""
        return lagged(
            lambda t: weather.air_c(t) + self.sun_k_m2_w * weather.sun_w_m2(t), self.lag_s
        )

    def difference_k(self, weather: Weather) -> Course:
        """Return how much warmer the top is than the bottom, in K."""
        return lagged(
            lambda t: self.gradient_night_k + self.gradient_k_m2_w * weather.sun_w_m2(t),
            self.gradient_lag_s,
        )
