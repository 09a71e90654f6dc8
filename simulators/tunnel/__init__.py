"""A road tunnel: its air, its slow shape, and the water at its portal.

Formulas, sources and parameters: docs/worlds/tunnel.md.
"""

from dataclasses import dataclass, replace

import numpy as np

from simulators.bridge.vehicles import hourly
from simulators.climate import Weather
from simulators.course import Course, level, noise, still, times, total, whole
from simulators.feed import JsonFeed, Signal
from simulators.noise import key_of, uniform
from simulators.payload import TimeForm
from simulators.thermal import lagged
from simulators.tunnel.air import Bore, Traffic, air_of, felt
from simulators.tunnel.ground import Creep, Works, built_before, settlements
from simulators.tunnel.water import Portal, depth
from simulators.world import Station

__all__ = ["AIR_ONLY", "DEMO", "LINING", "Bore", "Logger", "Trouble", "Works", "tunnel"]

EPOCH_NS = 1_790_000_000_000_000_000
WALL_LAG_S = 20.0 * 3600.0  # concrete of half a metre, and the bore's air behind the city's


@dataclass(frozen=True, slots=True)
class Trouble:
    """Causes; those that are left out are not there."""

    jam: Course = still  # share of the left bore in which traffic crawls
    fans: Course = whole  # share of the fans that work
    smoke_m2_s: Course = still  # of a fire in the left bore
    fire_co_m3_s: Course = still
    exhaust_ppm: Course = still  # CO of engines right beside the first sensor, not yet mixed
    haze: Course = still  # extinction right beside the sensor, 10^-3 m-1
    works: Works | None = None
    settling_mm: Course = still  # at ring 2
    crack_mm: Course = still  # growth
    cloudburst_mm_h: Course = still  # on top of the weather's rain
    pumps: Course = whole  # share of them that work


@dataclass(frozen=True, slots=True)
class Logger:
    """How a tunnel's gateway samples and sends; ``only`` names what is sent, where not all."""

    air_s: float = 10.0
    lining_s: float = 60.0
    upload_s: float = 10.0
    only: tuple[str, ...] = ("CO1", "CO2", "VI1", "W1", "V1", "V2", "K1", "Z1", "Z2")


DEMO = Logger()
AIR_ONLY = Logger(only=("CO1", "CO2", "VI1", "W1", "U1", "F1"))
LINING = Logger(lining_s=600.0, upload_s=600.0, only=("V1", "V2", "K1", "Z1", "Z2", "TW"))
CALM = Trouble()
USUAL = Bore()


def tunnel(
    gateway: str,
    district: str,
    seed: int,
    *,
    trouble: Trouble = CALM,
    bore: Bore = USUAL,
    logger: Logger = DEMO,
) -> Station:
    """Return a tunnel.

    Sent, as ``logger.only`` says: convergence V1, V2 (mm), crack width K1 (mm), settlement Z1, Z2 (mm),
    carbon monoxide CO1, CO2 (cm3/m3, left and right bore), extinction VI1 (10^-3 m-1), portal water
    depth W1 (m); also air speed U1 (m/s) and fan stage F1 of the left bore, wall temperature TW (Cel).
    """
    key = key_of(seed, gateway)
    courses = {
        **_air(key, Weather(seed), trouble, bore),
        **_lining(key, Weather(seed), trouble),
    }
    signals = tuple(
        Signal(
            name,
            logger.air_s if name in _AIR else logger.lining_s,
            total(
                courses[name],
                noise(key_of(key, name), _DEVIATION[name], logger.air_s if name in _AIR else 60.0),
            ),
            _DECIMALS.get(name, 2),
        )
        for name in logger.only
    )
    return Station((JsonFeed(gateway, district, logger.upload_s, signals, TimeForm.RFC3339),))


_AIR = ("CO1", "CO2", "VI1", "W1", "U1", "F1")
_DECIMALS = {"CO1": 1, "CO2": 1, "W1": 3, "K1": 3, "F1": 0}
_DEVIATION = {
    "CO1": 0.6, "CO2": 0.6, "VI1": 0.06, "W1": 0.002, "U1": 0.1, "F1": 0.0,
    "V1": 0.03, "V2": 0.03, "K1": 0.002, "Z1": 0.04, "Z2": 0.04, "TW": 0.03,
}  # fmt: skip


def _about(key: int, name: str, spread: float) -> float:
    """Return this tunnel's own factor: 1, and at most ``spread`` off."""
    return float(1.0 + spread * (2.0 * uniform(key_of(key, name), np.array([0]))[0] - 1.0))


def _air(key: int, weather: Weather, trouble: Trouble, bore: Bore) -> dict[str, Course]:
    own = replace(
        bore,
        busiest_per_h=bore.busiest_per_h * _about(key, "flow", 0.12),
        co_m3_per_m=bore.co_m3_per_m * _about(key, "fleet", 0.1),
        co_jam_m3_per_m=bore.co_jam_m3_per_m * _about(key, "fleet", 0.1),
        fan_stage_pa=bore.fan_stage_pa * _about(key, "fans", 0.08),
    )
    traffic = Traffic(hourly(), trouble.jam, trouble.fans, trouble.smoke_m2_s, trouble.fire_co_m3_s)
    left = air_of(own, traffic, weather)
    right = air_of(own, Traffic(hourly(_EVENING), times(0.3, trouble.jam), trouble.fans), weather)
    portal = Portal(catchment_m2=9_000.0 * _about(key, "catchment", 0.1))

    def rain(time_ns: np.ndarray) -> np.ndarray:
        return weather.rain_mm_h(time_ns) + trouble.cloudburst_mm_h(time_ns)

    return {
        "CO1": total(felt(left, "co"), trouble.exhaust_ppm),
        "CO2": total(felt(right, "co"), times(0.6, trouble.exhaust_ppm)),
        "VI1": total(felt(left, "soot"), trouble.haze, times(0.01, trouble.exhaust_ppm)),
        "U1": felt(left, "speed"),
        "F1": felt(left, "stage"),
        "W1": total(level(0.008), depth(portal, rain, trouble.pumps)),
    }


_EVENING = (
    0.14, 0.09, 0.06, 0.05, 0.06, 0.12, 0.33, 0.68, 0.82, 0.74, 0.70, 0.72,
    0.68, 0.70, 0.75, 0.82, 0.92, 1.00, 0.98, 0.78, 0.60, 0.48, 0.35, 0.22,
)  # fmt: skip


def _lining(key: int, weather: Weather, trouble: Trouble) -> dict[str, Course]:
    wall_c = lagged(weather.air_c, WALL_LAG_S)
    years = 4.0 + 8.0 * float(uniform(key_of(key, "years"), np.array([0]))[0])
    creep = Creep(built_before(EPOCH_NS, years), 3.5 * _about(key, "creep", 0.3))

    def with_wall(base: float, per_k: float, *parts: Course) -> Course:
        factor = per_k * _about(key, f"wall {base}", 0.25)
        return total(lambda t: base + factor * (wall_c(t) - 18.0), *parts)

    return {
        "V1": with_wall(0.5, 0.030, creep),
        "V2": with_wall(0.2, 0.025, times(0.8, creep)),
        "K1": with_wall(0.11, -0.0025, trouble.crack_mm),
        "Z1": with_wall(2.1, 0.012, settlements(trouble.works, still, 15.0)),
        "Z2": with_wall(1.7, 0.012, settlements(trouble.works, trouble.settling_mm, 0.0)),
        "TW": wall_c,
    }
