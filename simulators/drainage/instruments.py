"""What stands in a drainage section and sends."""

import numpy as np

from domain.readings import Float64s, Int64s
from simulators.course import noise, total
from simulators.drainage.causes import PumpFailure
from simulators.drainage.street import DrainageStreet
from simulators.feed import JsonFeed, Signal
from simulators.noise import key_of
from simulators.payload import TimeForm
from simulators.rain import Storm
from simulators.world import Station

PUMP_CURRENT_A = 28.0
INTERVAL_S = 10.0


def _key(street: DrainageStreet, name: str) -> int:
    return key_of(street.seed, street.street, name)


def _level(street: DrainageStreet, name: str, number: int) -> Signal:
    hum = noise(_key(street, name), 0.004, INTERVAL_S)
    return Signal(name, INTERVAL_S, total(street.course(f"level {number}"), hum), 3)


def _depth(street: DrainageStreet) -> Signal:
    depth, hum = street.course("depth"), noise(_key(street, "U1"), 0.001, INTERVAL_S)

    def course(time_ns: Int64s) -> Float64s:
        return np.clip(depth(time_ns) + hum(time_ns), 0.0, None)

    return Signal("U1", INTERVAL_S, course, 3)


def _current(street: DrainageStreet, name: str, pump: int) -> Signal:
    runs, hum = street.course(f"pump {pump}"), noise(_key(street, name), 0.2, INTERVAL_S)

    def course(time_ns: Int64s) -> Float64s:
        return np.where(runs(time_ns) > 0.5, PUMP_CURRENT_A + hum(time_ns), 0.0)

    return Signal(name, INTERVAL_S, course, 1)


def _plain(
    street: DrainageStreet, name: str, interval_s: float, deviation: float, of: str, decimals: int
) -> Signal:
    hum = noise(_key(street, name), deviation, interval_s)
    return Signal(name, interval_s, total(street.course(of), hum), decimals)


def _flow(street: DrainageStreet) -> Signal:
    """Return a Doppler meter at the outfall: 3 per cent, and L/s."""
    flow, hum = street.course(f"flow {street.manholes - 1}"), noise(_key(street, "F1"), 0.03, 60.0)

    def course(time_ns: Int64s) -> Float64s:
        return np.asarray(1_000.0 * flow(time_ns) * (1.0 + hum(time_ns)), np.float64)

    return Signal("F1", 60.0, course, 1)


def _rain(street: DrainageStreet) -> Signal:
    return Signal("R1", 60.0, street.course("tips"), 1)


def _station(gateway: str, district: str, *signals: Signal) -> Station:
    return Station((JsonFeed(gateway, district, INTERVAL_S, signals, TimeForm.LOCAL),))


def small_station(street: DrainageStreet, gateway: str, district: str) -> Station:
    """Return the instruments of ``drainage``."""
    return _station(
        gateway,
        district,
        _level(street, "L1", 0),
        _level(street, "L2", street.manholes - 1),
        _depth(street),
        _current(street, "I1", 0),
        _rain(street),
    )


def whole_station(street: DrainageStreet, gateway: str, district: str) -> Station:
    """Return a section with an instrument at every place.

    Levels L1 and so on, flow F1 (L/s) at the outfall, river W1 (m above the outfall's invert), depth
    U1 and sump S1 (m), currents I1 and I2 (A), rain R1 (mm), conductivity C1 (uS/cm) and pH H1.
    """
    levels = [_level(street, f"L{number + 1}", number) for number in range(street.manholes)]
    return _station(
        gateway,
        district,
        *levels,
        _flow(street),
        _plain(street, "W1", 60.0, 0.005, "river", 3),
        _depth(street),
        _plain(street, "S1", INTERVAL_S, 0.004, "sump", 3),
        _current(street, "I1", 0),
        _current(street, "I2", 1),
        _rain(street),
        _plain(street, "C1", 300.0, 12.0, "conductivity", 0),
        _plain(street, "H1", 300.0, 0.03, "ph", 2),
    )


def drainage(
    gateway: str,
    district: str,
    seed: int,
    *,
    storms: tuple[Storm, ...] = (),
    failures: tuple[PumpFailure, ...] = (),
) -> Station:
    """Return a drainage section beneath the district's street, with an underpass.

    Sent: level in the first and last manhole L1, L2 (m above the invert), depth in the underpass U1
    (m), current of the first pump I1 (A), rain R1 (mm in the past minute; times without a zone, in
    the city's).
    """
    street = DrainageStreet(seed, f"{district}/{gateway}", storms=storms, failures=failures)
    return small_station(street, gateway, district)
