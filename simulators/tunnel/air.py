"""The air of a bore: traffic drives and fouls it, fans move it; one dimension, longitudinal.

Momentum, quasi-steady with the air's inertia as a first-order lag (Bendelius 1996, PIARC):
piston (rho / 2) (A_v / A) n (v - u) |v - u| + fans + portal wind = (rho / 2) (1.5 + lambda L / D) u |u|.
Mass, upwind over cells along the bore: dC/dt = - u dC/dx + q / A, for carbon monoxide and for soot,
which dims light. Fans have two stages, switched with hysteresis by the worst CO.

Fans remember, so this is a state. Each piece of two hours is simulated from two hours before, with the
fans off: in a quarter of that the bore's air has changed, and all but the edge of the hysteresis is
forgotten. So the air is a function of time alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import seconds_to_ns
from simulators.climate import Weather
from simulators.course import Course, still, whole

STEP_S = 10.0
PIECE = 720  # steps: two hours
WARM = 720  # steps simulated before
AIR_KG_M3 = 1.2


@dataclass(frozen=True, slots=True)
class Bore:
    """A bore and its plant; figures typical of two lanes, after JTG/T D70/2-02 and PIARC 2019."""

    length_m: float = 2_860.0
    area_m2: float = 65.0
    diameter_m: float = 8.2  # hydraulic
    friction: float = 0.022
    vehicle_m2: float = 3.2  # drag area of the average vehicle, in the bore
    busiest_per_h: float = 1_500.0
    speed_m_s: float = 18.0
    jam_per_m: float = 0.26  # two lanes, 130 vehicles a km each
    jam_speed_m_s: float = 1.4
    co_m3_per_m: float = 0.007e-3  # a vehicle's, moving
    co_jam_m3_per_m: float = 0.028e-3  # crawling
    soot_m2_per_m: float = 0.45e-3
    soot_jam_m2_per_m: float = 1.5e-3
    fan_stage_pa: float = 40.0  # a stage of five or six jet fans
    on_ppm: tuple[float, float] = (45.0, 75.0)
    off_ppm: float = 25.0
    fresh_ppm: float = 2.0
    fresh_per_m: float = 0.3e-3
    cells: int = 10


@dataclass(frozen=True, slots=True)
class Traffic:
    """What drives through, and what goes wrong with it and with the fans."""

    flow: Course  # share of the busiest hour
    jam: Course = still  # share of the bore in which vehicles crawl
    fans: Course = whole  # share of the fans that work
    smoke_m2_s: Course = still  # of a fire, in the middle of the bore
    fire_co_m3_s: Course = still


class Air(NamedTuple):
    """The air at steps: CO (ppm) and extinction (10^-3 m-1) by cell, speed (m/s), fan stage."""

    co: Float64s
    soot: Float64s
    speed: Float64s
    stage: Float64s


def air_of(bore: Bore, traffic: Traffic, weather: Weather) -> Callable[[int], Air]:
    """Return the function that gives the air of a piece of two hours, by its number."""

    @lru_cache(maxsize=32)
    def piece(number: int) -> Air:
        first = number * PIECE - WARM
        time_ns = np.arange(first, (number + 1) * PIECE) * seconds_to_ns(STEP_S)
        return simulate(bore, traffic, weather, time_ns)

    return piece


def simulate(bore: Bore, traffic: Traffic, weather: Weather, time_ns: Int64s) -> Air:
    """Return the air at each step, from clean and calm; the first ``WARM`` steps are left out."""
    flow = traffic.flow(time_ns) * bore.busiest_per_h / 3_600.0
    jam = np.clip(traffic.jam(time_ns), 0.0, 1.0)
    wind_pa = 0.5 * AIR_KG_M3 * 0.2 * weather.mean_wind_m_s(time_ns) ** 2
    # A queue lets fewer through, and what it lets through has less of the bore to itself.
    moving = (1.0 - jam) ** 2 * flow / bore.speed_m_s  # vehicles a metre of bore
    crawling = jam * bore.jam_per_m
    co_m3_m = bore.co_m3_per_m * moving * bore.speed_m_s
    co_m3_m = co_m3_m + bore.co_jam_m3_per_m * crawling * bore.jam_speed_m_s
    soot_m2_m = bore.soot_m2_per_m * moving * bore.speed_m_s
    soot_m2_m = soot_m2_m + bore.soot_jam_m2_per_m * crawling * bore.jam_speed_m_s
    middle = np.eye(bore.cells)[bore.cells // 2] / (bore.length_m / bore.cells)
    sources = np.stack(
        [
            co_m3_m[:, None] + traffic.fire_co_m3_s(time_ns)[:, None] * middle,
            soot_m2_m[:, None] + traffic.smoke_m2_s(time_ns)[:, None] * middle,
        ],
        axis=1,
    )
    drive = np.stack(
        [bore.length_m * moving, bore.length_m * crawling, wind_pa, traffic.fans(time_ns)], axis=1
    )
    return _march(bore, sources / bore.area_m2, drive)


def _march(bore: Bore, sources: Float64s, drive: Float64s) -> Air:
    fresh = np.array([bore.fresh_ppm * 1e-6, bore.fresh_per_m])
    state = np.tile(fresh[:, None], (1, bore.cells))
    width_m = bore.length_m / bore.cells
    resistance = 0.5 * AIR_KG_M3 * (1.5 + bore.friction * bore.length_m / bore.diameter_m)
    inertia = AIR_KG_M3 * bore.length_m
    speed, stage = 1.0, 0
    kept: list[tuple[Float64s, float, int]] = []
    for step, (moving, crawling, wind_pa, fans) in enumerate(drive.tolist()):
        worst_ppm = 1e6 * float(state[0].max())
        stage = switched(bore, stage, worst_ppm)
        push = wind_pa + fans * stage * bore.fan_stage_pa
        for vehicles, at_m_s in ((moving, bore.speed_m_s), (crawling, bore.jam_speed_m_s)):
            faster = at_m_s - speed
            push += (
                0.5 * AIR_KG_M3 * bore.vehicle_m2 / bore.area_m2 * vehicles * faster * abs(faster)
            )
        balance = (push - resistance * speed * abs(speed)) / inertia
        # Implicit in the resistance, or a step would overshoot: d(balance)/du = -2 R u / inertia.
        speed += STEP_S * balance / (1.0 + STEP_S * 2.0 * resistance * abs(speed) / inertia)
        speed = min(max(speed, 0.15), 0.9 * width_m / STEP_S)  # the draught never dies quite
        before = np.concatenate((fresh[:, None], state[:, :-1]), axis=1)
        state = state + STEP_S * (speed / width_m * (before - state) + sources[step])
        if step >= WARM:
            kept.append((state, speed, stage))
    states = np.array([one[0] for one in kept])
    return Air(
        1e6 * states[:, 0], 1e3 * states[:, 1],
        np.array([one[1] for one in kept]), np.array([float(one[2]) for one in kept]),
    )  # fmt: skip


def switched(bore: Bore, stage: int, worst_ppm: float) -> int:
    """Return the fans' stage after hysteresis."""
    if worst_ppm >= bore.on_ppm[1]:
        return 2
    if worst_ppm >= bore.on_ppm[0]:
        return max(stage, 1)
    return 0 if worst_ppm < bore.off_ppm else stage


def felt(piece: Callable[[int], Air], which: str, place: float = 0.85) -> Course:
    """Return the course of CO, soot (at ``place`` along the bore), speed or stage."""
    step_ns = seconds_to_ns(STEP_S)

    def course(time_ns: Int64s) -> Float64s:
        step = time_ns // step_ns
        found = np.empty(len(step))
        for number in np.unique(step // PIECE).tolist():
            inside = step // PIECE == number
            values = getattr(piece(number), which)
            if values.ndim == 2:
                values = values[:, int(place * values.shape[1])]
            found[inside] = values[step[inside] - number * PIECE]
        return found

    return course


__all__ = ["Air", "Bore", "Traffic", "air_of", "felt", "simulate", "switched"]
