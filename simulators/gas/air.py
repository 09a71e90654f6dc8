"""The air in manholes: how it is exchanged, what the sewers bring into it, what is above them."""

from dataclasses import dataclass

import numpy as np

from domain.readings import Float64s, Int64s
from simulators.climate import Weather, year_angle
from simulators.course import local_hour
from simulators.days import mixed, seconds

LEL_SHARE = 0.05  # 100 %LEL of methane is 5 %vol


@dataclass(frozen=True, slots=True)
class Shaft:
    """A manhole as one mixed volume, open to the street through the holes of its cover."""

    volume_m3: float
    opening_cm2: float
    takes: float  # share of the gas passing in the trench that enters through wall and joints
    biogas_lel: float  # of the sewers, on an average day

    def exchange_m3_s(self, weather: Weather, time_ns: Int64s) -> Float64s:
        """Return the air exchanged: wind and buoyancy together (Sherman and Grimsrud 1980)."""
        year = 7.0 * np.cos(year_angle(time_ns, 235.0))
        ground_c = weather.climate.mean_temperature_c + year
        stack = 1.45e-4 * np.abs(weather.air_c(time_ns) - ground_c)
        wind = 0.32e-4 * weather.mean_wind_m_s(time_ns) ** 2  # behind houses: heavy shielding
        return np.asarray(self.opening_cm2 * np.sqrt(stack + wind + 5e-5) / 1_000.0, np.float64)


@dataclass(frozen=True, slots=True)
class Sewers:
    """Methane that the sewers make, as a factor of an average day."""

    day_swing: float = 0.5  # warm sewage and slow flow in the afternoon
    peak_hour: float = 15.0
    doubling_c: float = 12.0  # of temperature; Q10 about 1.8 for sewer biofilms
    flush_mm: float = 4.0  # of rain within hours that leave 1/e of the methane
    flush_s: float = 10_800.0
    pushed: float = 1.5  # how much more comes while the water rises and drives the air out

    def factor(self, time_ns: Int64s, rain_mm_h: Float64s) -> Float64s:
        """Return how much methane comes, 1 on average; ``time_ns`` is a grid."""
        day = self.day_swing * np.cos((local_hour(time_ns) - self.peak_hour) * np.pi / 12.0)
        season = 10.0 * np.cos(year_angle(time_ns, 215.0))
        warmth = 2.0 ** ((0.5 * season - 2.5) / self.doubling_c)  # sewage lags and is damped
        dry = np.full(len(time_ns), 1.0 / self.flush_s)
        wet_mm = mixed(rain_mm_h / 3_600.0, dry, seconds(time_ns))
        pushing = 1.0 + self.pushed * np.clip(rain_mm_h / 5.0, 0.0, 1.0)
        return np.asarray(
            (1.0 + day) * warmth * pushing * np.exp(-wet_mm / self.flush_mm), np.float64
        )


@dataclass(frozen=True, slots=True)
class OpenPath:
    """A beam along the street: the mean over its length, in ppm.

    A box model: what comes out of the ground is carried off through ``height_m`` by ``width_m`` of
    air at the wind's speed in the street.
    """

    background_ppm: float = 2.0  # of clean air
    height_m: float = 1.5
    width_m: float = 14.0
    wind_share: float = 0.4  # of the wind at 10 m that blows in the street

    def above_ppm(self, escaping_m3_s: Float64s, wind_m_s: Float64s) -> Float64s:
        """Return what ``escaping_m3_s`` from the ground adds."""
        speed = np.maximum(self.wind_share * wind_m_s, 0.3)
        return np.asarray(1e6 * escaping_m3_s / (speed * self.height_m * self.width_m), np.float64)
