"""What happens to a gas section: leaks, works in the street, a manhole that is vented."""

from dataclasses import dataclass

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S
from simulators.course import NEVER, Occasion

UNTIL_MENDED_S = 30 * 86_400.0

METHANE_GAS_CONSTANT = 518.3  # J/(kg K)
METHANE_ADIABATIC = 1.31
METHANE_KG_M3 = 0.68  # at 15 degC and 101.3 kPa
AIR_KPA = 101.3


def since_s(occasion: Occasion, time_ns: Int64s) -> Float64s:
    """Return the seconds since the latest beginning, -1 before the first."""
    since = occasion.since_ns(time_ns)
    return np.where(since == NEVER, -1.0, since / NS_PER_S)


def during(occasion: Occasion, length_s: float, time_ns: Int64s) -> Float64s:
    """Return 1 while what begins lasts, else 0."""
    since = since_s(occasion, time_ns)
    return np.where((since >= 0.0) & (since < length_s), 1.0, 0.0)


def escape_m3_h(hole_mm: float, pressure_kpa: float = 268.0) -> float:
    """Return what escapes through a hole at a gauge pressure, in standard m3/h.

    Choked flow of an ideal gas through an orifice of discharge coefficient 0.8 (Perry's Chemical
    Engineers' Handbook), which holds above 90 kPa. The soil's resistance is left out.

    >>> round(escape_m3_h(20.0))
    787
    """
    area_m2 = np.pi * (hole_mm / 1_000.0) ** 2 / 4.0
    gamma = METHANE_ADIABATIC
    choked = (2.0 / (gamma + 1.0)) ** ((gamma + 1.0) / (2.0 * (gamma - 1.0)))
    flux = np.sqrt(gamma / (METHANE_GAS_CONSTANT * 288.0)) * choked
    mass_kg_s = 0.8 * area_m2 * (pressure_kpa + AIR_KPA) * 1_000.0 * flux
    return float(mass_kg_s / METHANE_KG_M3 * 3_600.0)


@dataclass(frozen=True, slots=True)
class Leak:
    """Gas that escapes from the main into the trench at ``place_m`` along the street.

    It ends after ``length_s``, when the main is shut; the soil is sucked clear from then on, with
    the time constant ``clearing_s`` (vacuum extraction through bar holes; without it, days).
    """

    occasion: Occasion
    rate_m3_h: float
    place_m: float = 0.0
    length_s: float = UNTIL_MENDED_S
    clearing_s: float = 900.0

    def escaping_m3_s(self, time_ns: Int64s) -> Float64s:
        """Return the gas that leaves the main."""
        return self.rate_m3_h / 3_600.0 * during(self.occasion, self.length_s, time_ns)


@dataclass(frozen=True, slots=True)
class Works:
    """An excavation beside the pipe: it shakes, and opens the ground now and then."""

    occasion: Occasion
    length_s: float
    puff_lel: float = 5.0  # what one opened pocket of soil brings into the manhole, at most
    shaking: float = 5.0  # times the pressure gauge's usual noise


@dataclass(frozen=True, slots=True)
class Ventilation:
    """A manhole (or all) with its cover off and a blower in it."""

    occasion: Occasion
    length_s: float
    changes_per_h: float = 30.0  # blowers for confined space entry: 20 to 40
    manhole: int | None = None  # its place in the section; None: all of them
