"""The lining: how it creeps, follows temperature, and settles over a neighbour's works."""

import math
from dataclasses import dataclass

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S
from simulators.course import DAY_NS, Course, still


@dataclass(frozen=True, slots=True)
class Creep:
    """Convergence since the face passed (Sulem, Panet and Guenot 1987), its part in time.

    C(t) = height (1 - (T / (t + T))^0.3); the advance of the face is over long since.
    """

    built_ns: int
    height_mm: float = 3.5
    scale_d: float = 30.0

    def __call__(self, time_ns: Int64s) -> Float64s:
        """Return the convergence in mm."""
        days = (time_ns - self.built_ns) / DAY_NS
        return np.asarray(self.height_mm * (1.0 - (self.scale_d / (days + self.scale_d)) ** 0.3))


@dataclass(frozen=True, slots=True)
class Works:
    """A heading driven beneath or beside: Peck's trough (1969), with its course in time.

    s = most exp(-x^2 / 2 i^2) across, and the cumulative normal distribution along while the face
    goes by (New and O'Reilly 1991). ``passes_ns``: when it is beneath.
    """

    passes_ns: int
    most_mm: float
    trough_m: float = 12.0  # i: 0.4 to 0.6 of the depth
    advance_m_d: float = 12.0

    def at(self, offset_m: float) -> Course:
        """Return the settlement in mm at ``offset_m`` beside the heading's axis."""
        share = math.exp(-0.5 * (offset_m / self.trough_m) ** 2)

        def course(time_ns: Int64s) -> Float64s:
            ahead_m = self.advance_m_d * (time_ns - self.passes_ns) / DAY_NS
            return np.asarray(self.most_mm * share * normal(ahead_m / self.trough_m), np.float64)

        return course


def normal(place: Float64s) -> Float64s:
    """Return the cumulative normal distribution."""
    return np.array([0.5 * (1.0 + math.erf(one / math.sqrt(2.0))) for one in place.tolist()])


def settlements(works: Works | None, settling: Course, offset_m: float) -> Course:
    """Return what works and other settling do at a ring."""
    own = works.at(offset_m) if works else still
    return lambda time_ns: own(time_ns) + settling(time_ns)


def built_before(begin_ns: int, years: float) -> int:
    """Return when a tunnel of so many years was built."""
    return begin_ns - int(years * 31_556_952) * NS_PER_S
