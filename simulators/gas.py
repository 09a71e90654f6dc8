"""A gas section: methane in the manholes beside the pipe, its pressure, and the air above."""

from simulators.course import Course, daily, delayed, noise, still, times, total, traffic
from simulators.feed import JsonFeed, Signal
from simulators.noise import key_of
from simulators.payload import TimeForm
from simulators.world import Station

PPM_PER_LEL_PERCENT = 2.5  # what of a manhole's gas reaches the open path above it
NEIGHBOUR_SHARE = 0.45
NEIGHBOUR_DELAY_S = 40.0  # gas creeps through the soil to the next manhole


def gas(
    gateway: str, district: str, seed: int, *, leak: Course = still, biogas: float = 1.0
) -> Station:
    """Return a gas section.

    ``leak`` is the methane in %LEL that a leak brings to manhole M1 (the neighbour M2 gets part of
    it, later). ``biogas`` scales the sewers' own methane, which comes and goes with the day. Sent: methane
    M1, M2, M3 (%LEL), pressure P1 (kPa), methane on the open path O1 (ppm).
    """
    key = key_of(seed, gateway)
    sewers = times(biogas, daily(0.8, 0.6, 15.0))
    neighbour = times(NEIGHBOUR_SHARE, delayed(leak, NEIGHBOUR_DELAY_S))

    def signal(name: str, deviation: float, *parts: Course, decimals: int = 2) -> Signal:
        course = total(*parts, noise(key_of(key, name), deviation, 5.0))
        return Signal(name, 5.0, course, decimals)

    signals = (
        signal("M1", 0.04, sewers, leak),
        signal("M2", 0.04, sewers, neighbour),
        signal("M3", 0.04, sewers),
        signal("P1", 0.4, daily(268.0, 6.0, 3.0), times(-0.06, leak)),
        signal(
            "O1",
            0.5,
            times(biogas, daily(22.0, 12.0, 15.0)),
            times(4.0, traffic(key, 300.0, 140.0, 1.0)),
            times(PPM_PER_LEL_PERCENT, delayed(leak, 15.0)),
            decimals=1,
        ),
    )
    return Station((JsonFeed(gateway, district, 5.0, signals, TimeForm.SECONDS),))
