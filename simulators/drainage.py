"""A drainage section with an underpass: rain, manholes, the water on the road, its pump."""

import numpy as np

from domain.readings import Float64s, Int64s
from simulators.course import Course, daily, noise, times, total
from simulators.feed import JsonFeed, Signal
from simulators.noise import key_of
from simulators.payload import TimeForm
from simulators.weather import Storm, several
from simulators.world import Station

PUMP_STARTS_M = 0.03
PUMP_CURRENT_A = 28.0


def drainage(gateway: str, district: str, seed: int, *, storms: tuple[Storm, ...] = ()) -> Station:
    """Return a drainage section under ``storms``.

    Sent: level in the manholes L1, L2 (m above the invert), depth in the underpass U1 (m), pump
    current I1 (A), rain R1 (mm in the past minute; times without a zone, in the city's).
    """
    key = key_of(seed, gateway)
    rain, depth, rise = several(storms)
    sewage = daily(0.42, 0.1, 20.0)

    def wet(time_ns: Int64s) -> Float64s:
        noisy = depth(time_ns) + noise(key_of(key, "U1"), 0.001, 10.0)(time_ns)
        return np.asarray(np.clip(noisy, 0.0, None), np.float64)

    def tipped(time_ns: Int64s) -> Float64s:
        return np.asarray(np.floor(rain(time_ns) / 0.1 + 1e-9) * 0.1, np.float64)  # 0.1 mm a tip

    def pump(time_ns: Int64s) -> Float64s:
        runs = depth(time_ns) > PUMP_STARTS_M
        hum = noise(key_of(key, "I1"), 0.2, 10.0)(time_ns)
        return np.where(runs, PUMP_CURRENT_A + hum, 0.0)

    def level(name: str, *parts: Course) -> Signal:
        return Signal(name, 10.0, total(sewage, *parts, noise(key_of(key, name), 0.004, 10.0)), 3)

    signals = (
        level("L1", rise),
        level("L2", times(0.8, rise)),
        Signal("U1", 10.0, wet, 3),
        Signal("I1", 10.0, pump, 1),
        Signal("R1", 60.0, tipped, 1),
    )
    return Station((JsonFeed(gateway, district, 10.0, signals, TimeForm.LOCAL),))
