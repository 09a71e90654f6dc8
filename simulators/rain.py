"""Design storms, in closed form, and the gauge that they fall into."""

from dataclasses import dataclass

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.climate import Weather
from simulators.course import NEVER, Occasion

TIP_MM = 0.1
L_S_HA_PER_MM_MIN = 1e4 / 60.0


@dataclass(frozen=True, slots=True)
class Intensity:
    """A city's storm intensity formula: q = a (1 + c lg P) / (t + b)^n in L/(s ha), t in min."""

    a: float
    c: float
    b: float
    n: float

    def mean_l_s_ha(self, years: float, minutes: float) -> float:
        """Return the mean intensity over the worst so many minutes of a storm of ``years``."""
        whole = self.a * (1.0 + self.c * np.log10(years))
        return float(whole / (minutes + self.b) ** self.n)

    def depth_mm(self, years: float, minutes: float) -> float:
        """Return what falls in the worst so many minutes."""
        return self.mean_l_s_ha(years, minutes) / L_S_HA_PER_MM_MIN * minutes


SHANGHAI = Intensity(1_600.0, 0.846, 7.0, 0.656)
"""DB31/T 1043-2017, from memory: check it against the paper copy."""


@dataclass(frozen=True, slots=True)
class Storm:
    """A Chicago design storm (Keifer and Chu 1957): every shorter spell in it is of ``years``, too.

    The crest stands at the share ``crest`` of the length; 0.3 to 0.5 where it was measured.
    """

    occasion: Occasion
    years: float
    length_s: float = 7_200.0
    crest: float = 0.4
    intensity: Intensity = SHANGHAI

    @property
    def depth_mm(self) -> float:
        """All that falls."""
        return self.intensity.depth_mm(self.years, self.length_s / 60.0)

    def fallen_mm(self, since_s: Float64s) -> Float64s:
        """Return what has fallen so long after the beginning: the closed form of the hyetograph."""
        one, share = self.intensity, self.crest
        rate = one.mean_l_s_ha(self.years, 0.0) * one.b**one.n / L_S_HA_PER_MM_MIN  # mm/min
        minutes = np.clip(since_s, 0.0, self.length_s) / 60.0
        from_crest = minutes - share * self.length_s / 60.0
        before, behind = np.maximum(-from_crest, 0.0), np.maximum(from_crest, 0.0)
        to_crest = self.depth_mm * share - rate * before / (before / share + one.b) ** one.n
        after = rate * behind / (behind / (1.0 - share) + one.b) ** one.n
        return np.asarray(np.where(from_crest < 0.0, to_crest, self.depth_mm * share + after))

    def rain_mm(self, time_ns: Int64s, step_s: float) -> Float64s:
        """Return what falls in the ``step_s`` before each time."""
        since = self.occasion.since_ns(time_ns)
        at_s = np.where(since == NEVER, -1.0, since / NS_PER_S)
        return self.fallen_mm(at_s) - self.fallen_mm(np.minimum(at_s, np.maximum(at_s - step_s, 0)))

    def crest_s(self) -> float:
        """How long after its beginning it is at its worst."""
        return self.crest * self.length_s


def rain_mm(
    storms: tuple[Storm, ...], weather: Weather, time_ns: Int64s, step_s: float
) -> Float64s:
    """Return the rain in the ``step_s`` before each time: the weather's, and storms on top."""
    middle_ns = time_ns - seconds_to_ns(step_s / 2.0)
    fallen = weather.rain_mm_h(middle_ns) * step_s / 3_600.0
    for storm in storms:
        fallen = fallen + storm.rain_mm(time_ns, step_s)
    return fallen


def tipped_mm(rain: Float64s, steps: int) -> Float64s:
    """Return what a tipping bucket counts over the last ``steps`` of the grid: whole tips."""
    tips = np.floor(np.cumsum(rain) / TIP_MM + 1e-9)
    before = np.concatenate([np.zeros(steps), tips[:-steps]])
    return np.asarray((tips - before) * TIP_MM, np.float64)
