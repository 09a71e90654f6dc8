"""A street with a gas main, and the instruments beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from domain.readings import Float64s, Int64s
from simulators.climate import Weather, wander
from simulators.course import Course, local_hour, noise, traffic
from simulators.days import Days, Made, mixed, seconds
from simulators.feed import JsonFeed, Signal
from simulators.gas.air import LEL_SHARE, OpenPath, Sewers, Shaft
from simulators.gas.causes import Leak, Ventilation, Works, during
from simulators.gas.detector import SATURATED_LEL, Detector
from simulators.gas.soil import Trench
from simulators.network import Section, section
from simulators.noise import key_of, uniform
from simulators.payload import TimeForm
from simulators.rain import Storm, rain_mm
from simulators.world import Station

STEP_S = 5.0
NOMINAL_KPA = 268.0
ETHANE_SHARE = 0.03  # of pipeline gas; 0.01 to 0.08 (Defratyka et al. 2021, AMT 14, 5049)
LASER_MOST_PPM = 5_000.0  # the end of its range
WORKING_PUFF_S = 900.0


@dataclass(frozen=True)
class GasStreet:
    """The physics of one section, without its instruments' noise.

    ``biogas`` multiplies what the sewers make. ``detectors`` are those that are not in order, by the
    place of their manhole; ``lasers`` the manholes that have an ethane channel as well.
    """

    seed: int
    street: str
    manholes: int = 3
    leaks: tuple[Leak, ...] = ()
    biogas: float = 1.0
    works: tuple[Works, ...] = ()
    ventilations: tuple[Ventilation, ...] = ()
    storms: tuple[Storm, ...] = ()
    detectors: Mapping[int, Detector] = field(default_factory=dict)
    lasers: tuple[int, ...] = ()
    trench: Trench = field(default_factory=Trench)

    @cached_property
    def weather(self) -> Weather:
        """The city's."""
        return Weather(self.seed)

    @cached_property
    def section(self) -> Section:
        """The street's manholes."""
        return section(self.seed, self.street, self.manholes)

    @cached_property
    def key(self) -> int:
        """What its own chances hang on."""
        return key_of(self.seed, self.street, "gas")

    def shaft(self, number: int) -> Shaft:
        """Return a manhole: 1.6 to 3.6 m3, an opening of 12 to 36 cm2."""
        chance = uniform(key_of(self.key, "shaft", number), np.arange(4)).tolist()
        return Shaft(
            1.6 + 2.0 * chance[0],
            12.0 + 24.0 * chance[1],
            0.06 + 0.1 * chance[2],
            0.3 + 0.7 * chance[3],
        )

    def way_m(self, leak: Leak, number: int) -> float:
        """Return the way from a leak to a manhole: along the trench, and across from the pipe."""
        along = self.section.manholes[number].place_m - leak.place_m
        return float(np.hypot(along, self.section.gas_pipe_away_m))

    @cached_property
    def days(self) -> Days:
        """All that has a past."""
        return Days(STEP_S, self._made)

    def true_lel(self, number: int) -> Course:
        """Return the methane in a manhole in %LEL, without end."""
        return self.days.course(f"methane {number}")

    def _made(self, time_ns: Int64s) -> Made:
        made: dict[str, Float64s] = {}
        step_s = seconds(time_ns)
        rain_mm_h = rain_mm(self.storms, self.weather, time_ns, step_s) * 3_600.0 / step_s
        sewers = Sewers().factor(time_ns, rain_mm_h)
        escaping = np.zeros(len(time_ns))
        for leak in self.leaks:
            escaping += leak.escaping_m3_s(time_ns)
        humidity = humidity_of(self.weather)(time_ns)
        for number in range(self.manholes):
            shaft = self.shaft(number)
            air_m3_s = shaft.exchange_m3_s(self.weather, time_ns)
            for blown in self.ventilations:
                if blown.manhole in (None, number):
                    on = during(blown.occasion, blown.length_s, time_ns)
                    air_m3_s = air_m3_s + on * shaft.volume_m3 * blown.changes_per_h / 3_600.0
            gas_m3_s = self._entering(shaft, number, time_ns)
            rate = (air_m3_s + gas_m3_s) / shaft.volume_m3
            usual_per_s = shaft.opening_cm2 * 0.03 / 1_000.0 / shaft.volume_m3
            own = shaft.biogas_lel / 100.0 * LEL_SHARE * usual_per_s * self.biogas * sewers
            natural = mixed(gas_m3_s / shaft.volume_m3, rate, step_s)
            biogas = mixed(own, rate, step_s)
            methane = (natural + biogas) / LEL_SHARE * 100.0 + self._puffs(number, time_ns)
            detector = self.detectors.get(number, Detector())
            lag = np.full(len(time_ns), 1.0 / detector.lag_s)
            made[f"methane {number}"] = methane
            made[f"ethane {number}"] = 1e6 * ETHANE_SHARE * natural
            made[f"shown {number}"] = detector.shown(
                mixed(methane / detector.lag_s, lag, step_s), time_ns, humidity
            )
            escaping = escaping + natural * air_m3_s
        made["escaping"] = mixed(escaping / 30.0, np.full(len(time_ns), 1 / 30.0), step_s)
        return made

    def _entering(self, shaft: Shaft, number: int, time_ns: Int64s) -> Float64s:
        entering = np.zeros(len(time_ns))
        for leak in self.leaks:
            way_m = self.way_m(leak, number)
            entering += self.trench.reaching_m3_s(leak, way_m, shaft.takes, time_ns)
        return entering

    def _puffs(self, number: int, time_ns: Int64s) -> Float64s:
        """Return what works set free: a pocket of soil gas each quarter of an hour, soon gone."""
        puffs = np.zeros(len(time_ns))
        burst = traffic(key_of(self.key, "puff", number), WORKING_PUFF_S, 400.0, 1.0)
        for one in self.works:
            puffs += one.puff_lel * during(one.occasion, one.length_s, time_ns) * burst(time_ns)
        return puffs

    def pressure_kpa(self, time_ns: Int64s) -> Float64s:
        """Return the main's pressure: the regulator's, less what consumption and leaks take.

        The loss goes with the square of the flow. Homes cook at 7, 12 and 18 h.
        """
        hour = local_hour(time_ns)
        cooking = sum(
            height * np.exp(-(((hour - peak) / 1.1) ** 2) / 2.0)
            for peak, height in ((7.0, 0.7), (12.0, 0.8), (18.3, 1.0))
        )
        flow = 0.25 + 0.75 * np.asarray(cooking)
        lost = 7.0 * flow**2
        for leak in self.leaks:
            lost = lost + 55.0 * (leak.escaping_m3_s(time_ns) * 3.6) ** 2  # at 1,000 m3/h
        swing = wander(key_of(self.key, "regulator"), 0.8, 2_400.0)(time_ns)
        return np.asarray(NOMINAL_KPA + 2.0 - lost + swing, np.float64)

    def station(self, gateway: str, district: str) -> Station:
        """Return its instruments (see ``gas``)."""
        numbers = range(self.manholes)
        signals = [self._methane(number) for number in numbers]
        signals += [self._ethane(number) for number in self.lasers]
        signals += [self._pressure(), self._open_path()]
        return Station((JsonFeed(gateway, district, 5.0, tuple(signals), TimeForm.SECONDS),))

    def _methane(self, number: int) -> Signal:
        name = f"M{number + 1}"
        shown, hum = self.days.course(f"shown {number}"), noise(key_of(self.key, name), 0.04, 5.0)

        def course(time_ns: Int64s) -> Float64s:
            return np.minimum(shown(time_ns) + hum(time_ns), SATURATED_LEL)

        return Signal(name, 5.0, course, 2)

    def _ethane(self, number: int) -> Signal:
        name = f"E{number + 1}"
        ethane, hum = self.days.course(f"ethane {number}"), noise(key_of(self.key, name), 1.5, 5.0)

        def course(time_ns: Int64s) -> Float64s:
            return np.minimum(ethane(time_ns) + hum(time_ns), LASER_MOST_PPM)

        return Signal(name, 5.0, course, 1)

    def _pressure(self) -> Signal:
        hum = noise(key_of(self.key, "P1"), 0.4, 5.0)

        def course(time_ns: Int64s) -> Float64s:
            shaking = np.ones(len(time_ns))
            for one in self.works:
                shaking += (one.shaking - 1.0) * during(one.occasion, one.length_s, time_ns)
            return np.asarray(self.pressure_kpa(time_ns) + shaking * hum(time_ns), np.float64)

        return Signal("P1", 5.0, course, 2)

    def _open_path(self) -> Signal:
        path = OpenPath()
        escaping = self.days.course("escaping")
        streets = 0.02 * self.biogas / 3_600.0  # m3/s of methane from gullies along the beam
        passing = traffic(self.key, 300.0, 140.0, 3.0)
        hum = noise(key_of(self.key, "O1"), 0.5, 5.0)

        def course(time_ns: Int64s) -> Float64s:
            day = 1.0 + 0.5 * np.cos((local_hour(time_ns) - 15.0) * np.pi / 12.0)
            wind = self.weather.mean_wind_m_s(time_ns)
            above = path.above_ppm(escaping(time_ns) + streets * day, wind)
            value = path.background_ppm + above + passing(time_ns) + hum(time_ns)
            return np.clip(value, 0.0, None)

        return Signal("O1", 5.0, course, 1)


def humidity_of(weather: Weather) -> Course:
    """Return the relative humidity in the manholes, %RH: damp always, wet after rain."""
    passing = wander(key_of(weather.seed, "manholes' damp"), 8.0, 20_000.0)

    def course(time_ns: Int64s) -> Float64s:
        wet = np.where(weather.rain_mm_h(time_ns) > 0.2, 8.0, 0.0)
        return np.clip(80.0 + passing(time_ns) + wet, 30.0, 100.0)

    return course


def gas(
    gateway: str,
    district: str,
    seed: int,
    *,
    leaks: tuple[Leak, ...] = (),
    biogas: float = 1.0,
    works: tuple[Works, ...] = (),
    ventilations: tuple[Ventilation, ...] = (),
) -> Station:
    """Return a gas section beneath the district's street: three manholes, and a beam above them.

    Sent: methane M1, M2, M3 (%LEL), pressure P1 (kPa), methane on the open path O1 (ppm).
    """
    street = GasStreet(
        seed,
        f"{district}/{gateway}",
        leaks=leaks,
        biogas=biogas,
        works=works,
        ventilations=ventilations,
    )
    return street.station(gateway, district)
