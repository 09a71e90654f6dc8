"""Rain at the portal: catchment, sump, pumps, and what then stands on the road.

A linear reservoir makes runoff of rain (Nash 1957, one store); the sump takes it until it is full, the
rest stands on the road; pumps start and stop by the sump's level. Simulated by pieces of two hours from four
hours before, with an empty sump: ordinary rain is pumped within one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import seconds_to_ns
from simulators.course import Course, whole

STEP_S = 30.0
PIECE = 240  # steps: two hours
WARM = 480


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal's drainage; typical of an urban underpass-like ramp (GB 50014, 20 to 30 years)."""

    catchment_m2: float = 9_000.0
    runoff: float = 0.9  # share of the rain that arrives
    lag_s: float = 420.0
    sump_m3: float = 60.0
    pump_m3_s: float = 0.11  # two of 0.11: one in 60 mm/h is enough
    pumps: int = 2
    start_m3: tuple[float, float] = (15.0, 30.0)
    stop_m3: float = 5.0
    road_m2: float = 700.0  # under water for each metre of depth, at the low point


def stored(portal: Portal, rain_mm_h: Course, working: Course, time_ns: Int64s) -> Float64s:
    """Return the water in sump and on the road, in m3, at each step from an empty start."""
    inflow = portal.runoff * portal.catchment_m2 * rain_mm_h(time_ns) / 3.6e6
    share = -np.expm1(-STEP_S / portal.lag_s)
    running, held, going = 0.0, 0.0, 0
    found = []
    for rain, work in zip(inflow.tolist(), working(time_ns).tolist(), strict=True):
        running += share * (rain - running)
        for number, start in enumerate(portal.start_m3, 1):
            going = max(going, number) if held >= start else going
        if held <= portal.stop_m3:
            going = 0
        held = max(0.0, held + STEP_S * (running - going * work * portal.pump_m3_s))
        found.append(held)
    return np.array(found)


def depth(portal: Portal, rain_mm_h: Course, working: Course = whole) -> Course:
    """Return the depth on the road in m; ``working``: the share of the pumps that work."""
    step_ns = seconds_to_ns(STEP_S)

    @lru_cache(maxsize=64)
    def piece(number: int) -> Float64s:
        steps = np.arange(number * PIECE - WARM, (number + 1) * PIECE)
        return stored(portal, rain_mm_h, working, steps * step_ns)[WARM:]

    def course(time_ns: Int64s) -> Float64s:
        step = time_ns // step_ns
        held = np.empty(len(step))
        for number in np.unique(step // PIECE).tolist():
            inside = step // PIECE == number
            held[inside] = piece(number)[step[inside] - number * PIECE]
        return np.asarray(np.clip(held - portal.sump_m3, 0.0, None) / portal.road_m2, np.float64)

    return course
