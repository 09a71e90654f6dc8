"""The weather that all facilities of a city share: a pure function of the city's seed and of time.

Air temperature, sun and wind, each the sum of a season, a day and what passes through; rain comes in
spells. Figures are typical of the lower Yangtze (humid subtropical, about 31° N) and are parameters.
"""

from dataclasses import dataclass

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import DAY_NS, Course, local_hour
from simulators.noise import bell, key_of, uniform

YEAR_NS = 31_556_952 * NS_PER_S
SOLAR_CONSTANT_W_M2 = 1_361.0
HOUR_S = 3_600.0


def wander(key: int, deviation: float, scale_s: float) -> Course:
    """Return a smooth course of mean 0 that forgets itself within about ``scale_s``.

    Random numbers on a grid of ``scale_s``, joined by a cubic (value noise, Perlin 1985): what a
    filtered random process looks like, and needs no past.
    """
    scale_ns = seconds_to_ns(scale_s)

    def course(time_ns: Int64s) -> Float64s:
        place = time_ns // scale_ns
        share = (time_ns % scale_ns) / scale_ns
        weight = share * share * (3.0 - 2.0 * share)
        before, after = bell(key, place), bell(key, place + 1)
        return np.asarray(deviation * (before + weight * (after - before)), np.float64)

    return course


def year_angle(time_ns: Int64s, peak_day: float) -> Float64s:
    """Return the angle of the year, 0 on day ``peak_day``."""
    return np.asarray((time_ns % YEAR_NS / DAY_NS - peak_day) * (2 * np.pi / 365.2425), np.float64)


@dataclass(frozen=True, slots=True)
class Climate:
    """What is usual at a place."""

    latitude_deg: float = 31.0
    mean_temperature_c: float = 16.5  # of the year
    season_swing_c: float = 12.5  # from mean to the warmest day, late in July
    day_swing_c: float = 4.5  # under a clear sky, from mean to 15 h
    passing_c: float = 2.5  # deviation of warm and cold spells of some days
    mean_wind_m_s: float = 3.2
    turbulence: float = 0.18  # gusts' deviation over the mean: open terrain at 10 m, ISO 4354
    wet_share: float = 0.28  # of the stretches of six hours that have a spell of rain
    rain_mm_h: float = 1.0  # mean intensity of a spell


@dataclass(frozen=True, slots=True)
class Weather:
    """The weather of a city; every method takes event times and returns one value for each."""

    seed: int
    climate: Climate = Climate()

    def _wander(self, name: str, deviation: float, scale_s: float, time_ns: Int64s) -> Float64s:
        return wander(key_of(self.seed, "weather", name), deviation, scale_s)(time_ns)

    def cloud(self, time_ns: Int64s) -> Float64s:
        """Return the share of the sky that is covered, 0 to 1."""
        passing = self._wander("cloud", 0.34, 5 * HOUR_S, time_ns)
        spells = self._wander("cloud spells", 0.22, 60 * HOUR_S, time_ns)
        wet = np.where(self.rain_mm_h(time_ns) > 0.0, 0.35, 0.0)
        return np.clip(0.45 + passing + spells + wet, 0.0, 1.0)

    def sun_w_m2(self, time_ns: Int64s) -> Float64s:
        """Return the global irradiance on the ground.

        Sun's height from latitude, declination (Cooper 1969) and hour; clear sky after Haurwitz
        (1945); clouds take up to three quarters (Kasten and Czeplak 1980).
        """
        declination = np.deg2rad(23.45) * np.cos(year_angle(time_ns, 172.0))
        hour_angle = (local_hour(time_ns) - 12.0) * (np.pi / 12.0)
        latitude = np.deg2rad(self.climate.latitude_deg)
        height = np.sin(latitude) * np.sin(declination)
        height = height + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
        height = np.clip(height, 1e-3, 1.0)
        clear = 1_098.0 * height * np.exp(-0.057 / height)
        return np.asarray(clear * (1.0 - 0.75 * self.cloud(time_ns) ** 3.4), np.float64)

    def air_c(self, time_ns: Int64s) -> Float64s:
        """Return the air's temperature: season, day (flatter under clouds), and what passes."""
        climate = self.climate
        season = climate.season_swing_c * np.cos(year_angle(time_ns, 206.0))
        open_sky = 1.0 - 0.6 * self.cloud(time_ns // DAY_NS * DAY_NS + DAY_NS // 2)
        day = climate.day_swing_c * open_sky * np.cos((local_hour(time_ns) - 15.0) * np.pi / 12.0)
        passing = self._wander("warm", climate.passing_c, 70 * HOUR_S, time_ns)
        return np.asarray(climate.mean_temperature_c + season + day + passing, np.float64)

    def mean_wind_m_s(self, time_ns: Int64s) -> Float64s:
        """Return the ten-minute mean wind at 10 m: log-normal about its mean, more by day."""
        spells = self._wander("wind", 0.32, 16 * HOUR_S, time_ns)
        short = self._wander("wind short", 0.16, 1.5 * HOUR_S, time_ns)
        day = 0.15 * np.cos((local_hour(time_ns) - 14.0) * np.pi / 12.0)
        return np.asarray(self.climate.mean_wind_m_s * np.exp(spells + short + day), np.float64)

    def wind_m_s(self, time_ns: Int64s) -> Float64s:
        """Return the wind with its gusts (deviation ``turbulence`` of the mean, scales 8 and 40 s)."""
        gusts = self._wander("gusts", 0.8, 40.0, time_ns) + self._wander("gust", 0.75, 8.0, time_ns)
        strength = np.clip(1.0 + self.climate.turbulence * 1.2 * gusts, 0.05, None)
        return np.asarray(self.mean_wind_m_s(time_ns) * strength, np.float64)

    def wind_from_deg(self, time_ns: Int64s) -> Float64s:
        """Return where the wind comes from, degrees clockwise from north."""
        turning = self._wander("turning", 70.0, 20 * HOUR_S, time_ns)
        swinging = self._wander("swinging", 12.0, 120.0, time_ns)
        return np.asarray((135.0 + turning + swinging) % 360.0, np.float64)

    def rain_mm_h(self, time_ns: Int64s) -> Float64s:
        """Return the everyday rain: spells of one to five hours, each with its own intensity.

        Cloudbursts are causes of a scenario, and come on top.
        """
        slot_ns = seconds_to_ns(6 * HOUR_S)
        slot = time_ns // slot_ns
        key = key_of(self.seed, "weather", "rain")
        wet = uniform(key, slot) < self.climate.wet_share
        length = 0.17 + 0.66 * uniform(key + 1, slot)  # of the six hours
        start = (1.0 - length) * uniform(key + 2, slot)
        share = ((time_ns % slot_ns) / slot_ns - start) / length
        inside = wet & (share >= 0.0) & (share <= 1.0)
        # An exponential intensity (Cowpertwait 1991), and one crest within the spell.
        intensity = -self.climate.rain_mm_h * np.log(1.0 - 0.98 * uniform(key + 3, slot))
        return np.where(inside, intensity * 2.0 * np.sin(np.pi * np.clip(share, 0, 1)) ** 2, 0.0)
