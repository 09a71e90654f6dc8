"""A road tunnel: its slow shape, its air, and the water at its portal."""

from simulators.course import Course, daily, noise, still, times, total, traffic
from simulators.feed import JsonFeed, Signal
from simulators.noise import key_of
from simulators.payload import TimeForm
from simulators.world import Station


def tunnel(
    gateway: str,
    district: str,
    seed: int,
    *,
    jam: Course = still,
    smoke: Course = still,
    settling: Course = still,
    flood: Course = still,
) -> Station:
    """Return a tunnel.

    ``jam`` is carbon monoxide in cm3/m3 that standing traffic adds, ``smoke`` the extinction in
    10^-3 m-1 that a fire or soot adds, ``settling`` mm of settlement at ring 2, ``flood`` m of
    water at the portal. Sent: convergence V1, V2 (mm), crack width K1 (mm), settlement Z1, Z2
    (mm), carbon monoxide CO1, CO2 (cm3/m3), extinction VI1 (10^-3 m-1), portal water level W1 (m).
    """
    key = key_of(seed, gateway)
    flow = traffic(key, 240.0, 110.0, 1.0)
    fresh = daily(18.0, 7.0, 17.5)

    def signal(
        name: str, interval_s: float, deviation: float, *parts: Course, decimals: int = 2
    ) -> Signal:
        course = total(*parts, noise(key_of(key, name), deviation, interval_s))
        return Signal(name, interval_s, course, decimals)

    signals = (
        signal("CO1", 10.0, 0.6, fresh, times(6.0, flow), jam, decimals=1),
        signal("CO2", 10.0, 0.6, fresh, times(5.0, flow), times(0.6, jam), decimals=1),
        signal("VI1", 10.0, 0.06, daily(1.6, 0.5, 17.5), times(0.4, flow), smoke, times(0.01, jam)),
        signal("W1", 10.0, 0.002, daily(0.02, 0.005, 6.0), flood, decimals=3),
        signal("V1", 60.0, 0.03, daily(3.2, 0.15, 16.0)),
        signal("V2", 60.0, 0.03, daily(2.6, 0.12, 16.0)),
        signal("K1", 60.0, 0.002, daily(0.11, 0.008, 5.0), decimals=3),
        signal("Z1", 60.0, 0.04, daily(2.1, 0.1, 16.0)),
        signal("Z2", 60.0, 0.04, daily(1.7, 0.1, 16.0), settling),
    )
    return Station((JsonFeed(gateway, district, 10.0, signals, TimeForm.RFC3339),))
