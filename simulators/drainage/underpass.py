"""An underpass: its catchment, the sump, two pumps with their float switches, the road."""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np

from domain.readings import Float64s


@dataclass(frozen=True)
class Underpass:
    """The lowest stretch of a road, drained by two pumps.

    The road's sag is a parabola of ``radius_m``, so that water ``h`` deep holds
    ``4/3 width sqrt(2 radius) h^1.5``. GB 50014 wants the pumps for storms of 20 to 30 years today;
    older ones were built for one to five.
    """

    catchment_ha: float
    runoff: float  # share of the rain that comes down
    pump_m3_s: float  # of each
    seepage_m3_s: float
    sump_m2: float = 24.0
    sump_m: float = 2.5  # deep, up to the road's gullies
    width_m: float = 12.0
    radius_m: float = 700.0  # of the sag; CJJ 193 has this for 40 km/h
    storage_s: float = 75.0  # of each of two reservoirs: steep, short and paved
    starts_m: tuple[float, float] = (1.3, 1.7)  # in the sump, pump by pump
    stops_m: tuple[float, float] = (0.5, 0.8)

    @cached_property
    def sump_m3(self) -> float:
        """What the sump holds."""
        return self.sump_m2 * self.sump_m

    @cached_property
    def sag(self) -> float:
        """The road holds ``sag * h ** 1.5``."""
        return 4.0 / 3.0 * self.width_m * sqrt(2.0 * self.radius_m)

    def road_m3(self, depth_m: Float64s) -> Float64s:
        """Return what stands on the road at a depth."""
        return np.asarray(self.sag * np.asarray(depth_m) ** 1.5, np.float64)

    def run(
        self, inflow_m3_s: Float64s, works: tuple[Float64s, Float64s], hour: Float64s, step_s: float
    ) -> dict[str, Float64s]:
        """Return sump level, road depth, pumped flow, and which pumps run, step by step.

        ``works`` is 1 where a pump can run. A pump starts at its level and stops at a lower one. At
        four each morning the first one empties the sump, as stations do against silt; that also
        makes one day's computation join the next one's.
        """
        volume, on = 0.5 * self.starts_m[0] * self.sump_m2, [False, False]
        told: list[tuple[float, ...]] = []
        able = [one.tolist() for one in works]
        emptied = ((hour >= 3.5) & (hour < 4.0)).tolist()
        for step, comes in enumerate(inflow_m3_s.tolist()):
            level = volume / self.sump_m2
            for pump in (0, 1):
                starts, stops = self.starts_m[pump], self.stops_m[pump]
                if pump == 0 and emptied[step]:
                    starts = stops = 0.4
                if level >= starts:
                    on[pump] = True
                elif level <= stops:
                    on[pump] = False
                on[pump] = on[pump] and able[pump][step] > 0.0
            pumped = min(self.pump_m3_s * sum(on), volume / step_s + comes)
            told.append((volume, pumped, float(on[0]), float(on[1])))
            volume += (comes - pumped) * step_s
        held, pumped_m3_s, first, second = (np.array(column) for column in zip(*told, strict=True))
        over = np.maximum(held - self.sump_m3, 0.0)
        return {
            "volume": held,
            "sump": np.minimum(held / self.sump_m2, self.sump_m),
            "depth": np.asarray((over / self.sag) ** (2.0 / 3.0), np.float64),
            "pumped": pumped_m3_s,
            "pump 0": first,
            "pump 1": second,
        }
