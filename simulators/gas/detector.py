"""A catalytic detector: what it makes of the gas that is there."""

from dataclasses import dataclass, field

import numpy as np

from domain.readings import Float64s, Int64s
from simulators.course import Course, Occasion, still
from simulators.gas.causes import since_s

SATURATED_LEL = 100.0
LOWEST_LEL = -9.9


@dataclass(frozen=True, slots=True)
class Detector:
    """The errors of one detector.

    ``zero`` drifts in %LEL. ``poisoned`` is when silicone vapour (sealants, lubricants) first
    reaches the catalyst, and its response halves each ``half_s`` from then on. Responds with T90 =
    30 s, which GB 15322.1-2019 asks of it. Beyond 100 %LEL it stays there: the oxygen runs short,
    and the transmitter holds it.
    """

    zero: Course = still
    poisoned: Occasion = field(default_factory=Occasion)
    half_s: float = 3_600.0
    span: float = 1.0
    humid_per_rh: float = -0.0006  # of the response, for each %RH above 60
    lag_s: float = 13.0

    def response(self, time_ns: Int64s, humidity: Float64s) -> Float64s:
        """Return the share of the true concentration that is shown."""
        exposed_s = np.maximum(since_s(self.poisoned, time_ns), 0.0)
        moist = 1.0 + self.humid_per_rh * (humidity - 60.0)
        return np.asarray(self.span * moist * 0.5 ** (exposed_s / self.half_s), np.float64)

    def shown(self, true_lel: Float64s, time_ns: Int64s, humidity: Float64s) -> Float64s:
        """Return the reading, without noise."""
        value = self.zero(time_ns) + self.response(time_ns, humidity) * true_lel
        return np.clip(value, LOWEST_LEL, SATURATED_LEL)
