"""Gas in the trench along the pipe: closed forms of distance and time."""

from dataclasses import dataclass

import numpy as np
from scipy.special import erfc

from domain.readings import Float64s, Int64s
from simulators.gas.causes import Leak, since_s


@dataclass(frozen=True, slots=True)
class Trench:
    """The loose backfill that gas follows: far easier to pass than the ground about it.

    One-dimensional advection and dispersion from a continuous source (Ogata and Banks 1961), with
    what is lost through the surface on the way as a decay over ``loss_m``.
    """

    section_m2: float = 0.8  # of the trench; a DN300 main in a trench 0.8 m wide
    porosity: float = 0.35  # of sand backfill
    loss_m: float = 35.0  # after so much way 1/e is left; under asphalt more, under grass less
    dispersion: float = 0.1  # longitudinal dispersivity over the way (Gelhar et al. 1992)
    diffusion_m2_s: float = 4e-6  # methane in soil: 2.2e-5 in air, Millington and Quirk (1961)

    def front_m_s(self, rate_m3_h: float) -> float:
        """Return how fast the gas displaces the air of the trench; it goes both ways."""
        return rate_m3_h / 3_600.0 / (2.0 * self.section_m2 * self.porosity)

    def filled(self, leak: Leak, way_m: float, age_s: Float64s) -> Float64s:
        """Return the share of the trench's air that is gas, so long after the leak's beginning."""
        speed = self.front_m_s(leak.rate_m3_h)
        age = np.maximum(age_s, 1e-3)
        spread = self.diffusion_m2_s + self.dispersion * way_m * speed
        ahead = (way_m - speed * age) / (2.0 * np.sqrt(spread * age))
        there = 0.5 * np.exp(-way_m / self.loss_m) * np.asarray(erfc(ahead), np.float64)
        return np.where(age_s > 0.0, there, 0.0)

    def reaching_m3_s(self, leak: Leak, way_m: float, share: float, time_ns: Int64s) -> Float64s:
        """Return the gas that enters a manhole ``way_m`` off, which takes in ``share`` of it.

        Once the main is shut, what is in the trench is no longer driven, and goes as it is cleared.
        """
        age = since_s(leak.occasion, time_ns)
        filled = self.filled(leak, way_m, np.minimum(age, leak.length_s))
        left = np.exp(-np.maximum(age - leak.length_s, 0.0) / leak.clearing_s)
        return leak.rate_m3_h / 3_600.0 * share * filled * left
