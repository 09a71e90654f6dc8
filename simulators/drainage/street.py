"""A street's sewer from its upper end to the river, and the underpass beside it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.readings import Float64s, Int64s
from simulators.climate import Weather, wander
from simulators.course import Course, local_hour
from simulators.days import Days, Made, routed, seconds
from simulators.drainage.causes import Blockage, Discharge, HighRiver, PumpFailure
from simulators.drainage.pipe import Basin, Pipe, held_back
from simulators.drainage.underpass import Underpass
from simulators.gas.causes import during
from simulators.network import Section, section
from simulators.noise import key_of, uniform
from simulators.rain import SHANGHAI, Storm, rain_mm, tipped_mm

STEP_S = 10.0
GROUND_M = 3.6  # above the invert, and
CROWN_M = 0.9  # as the catalogue's dossier has them for every seed
HEAD_SHARE = 0.6  # of the catchment lies above the first manhole
SHAFTS_M2_HA = 4.0  # of a catchment: some 120 m of sewers a hectare, each 30 m a shaft of 1 m2
SPILLED_SHARE = 0.3  # of what comes out of manholes runs down into the underpass
BALANCING_ROUNDS = 4


@dataclass(frozen=True)
class DrainageStreet:
    """The physics of one section, without its instruments' noise.

    A combined sewer of DN900, laid for storms of a year and a half to three (GB 50014: older parts of
    cities), and an underpass of the same age.
    """

    seed: int
    street: str
    manholes: int = 4
    storms: tuple[Storm, ...] = ()
    blockages: tuple[Blockage, ...] = ()
    failures: tuple[PumpFailure, ...] = ()
    rivers: tuple[HighRiver, ...] = ()
    discharges: tuple[Discharge, ...] = ()

    @cached_property
    def weather(self) -> Weather:
        """The city's."""
        return Weather(self.seed)

    @cached_property
    def section(self) -> Section:
        """The street's manholes."""
        return section(self.seed, self.street, self.manholes)

    @cached_property
    def chance(self) -> list[float]:
        """What differs from seed to seed."""
        drawn = uniform(key_of(self.seed, self.street, "drainage"), np.arange(12))
        return [float(one) for one in drawn]

    @cached_property
    def pipes(self) -> tuple[Pipe, ...]:
        """The pipe that leaves each manhole; the last one leads to the river."""
        steps = [self.section.distance_m(n, n + 1) for n in range(self.manholes - 1)] + [60.0]
        roughness = 0.013 + 0.002 * self.chance[0]
        return tuple(Pipe(CROWN_M, self.section.slope, step, roughness) for step in steps)

    @cached_property
    def runoff(self) -> float:
        """Share of the rain that runs off: 0.9 of roofs and roads, 0.15 of the rest (GB 50014)."""
        return 0.9 * self.section.impervious + 0.15 * (1.0 - self.section.impervious)

    @cached_property
    def design_years(self) -> float:
        """The storm that the pipes were laid for."""
        return 1.5 + 1.5 * self.chance[1]

    @cached_property
    def inlet_s(self) -> float:
        """How long rain takes into the sewer: 5 to 15 min (GB 50014)."""
        return 420.0 + 360.0 * self.chance[2]

    @cached_property
    def catchment_ha(self) -> float:
        """What drains here: as much as the pipe can bear in the storm that it was laid for."""
        rate = SHANGHAI.mean_l_s_ha(self.design_years, self.inlet_s / 60.0)
        return self.pipes[0].full_m3_s * 1_000.0 / (rate * self.runoff)

    @cached_property
    def sewage_m3_s(self) -> float:
        """Of an average hour: 1.5 to 3.5 per cent of the full pipe."""
        return self.pipes[0].full_m3_s * (0.015 + 0.02 * self.chance[3])

    @cached_property
    def underpass(self) -> Underpass:
        """The underpass: half a hectare to one, pumps for storms of one to three years."""
        area_ha = 0.5 + 0.5 * self.chance[4]
        years = 1.0 + 2.0 * self.chance[5]
        rate_m3_s = SHANGHAI.mean_l_s_ha(years, 5.0) / 1_000.0 * 0.9 * area_ha
        return Underpass(area_ha, 0.9, 0.5 * rate_m3_s, 0.0004 + 0.0012 * self.chance[6])

    @cached_property
    def days(self) -> Days:
        """All that has a past."""
        return Days(STEP_S, self.made)

    def course(self, name: str) -> Course:
        """Return a course by its name: ``level 0``, ``flow 0``, ``depth``, ``rain`` and so on."""
        return self.days.course(name)

    def made(self, time_ns: Int64s) -> Made:
        """Return everything on a grid."""
        step_s = seconds(time_ns)
        rain = rain_mm(self.storms, self.weather, time_ns, step_s)
        river = self._river_m(time_ns)
        inflows = self._inflows_m3_s(rain, time_ns)
        held = self._held(time_ns)
        flows, overs, levels = self._balanced(inflows, river, held, step_s)
        spilled = np.sum(overs, axis=0)
        made = {"rain": rain, "river": river, "spilled": spilled}
        for number in range(self.manholes):
            made[f"inflow {number}"] = inflows[number]
            made[f"flow {number}"] = flows[number]
            made[f"level {number}"] = levels[number]
        made["tips"] = tipped_mm(rain, round(60.0 / step_s))
        made.update(self._underpass(rain, spilled, time_ns))
        made.update(self._quality(inflows[0], time_ns))
        return made

    def _river_m(self, time_ns: Int64s) -> Float64s:
        """Return the river above the outfall's invert; usually it is half a metre below."""
        river = wander(key_of(self.seed, "river"), 0.08, 40_000.0)(time_ns) - 0.5
        for one in self.rivers:
            river = river + one.course(time_ns)
        return river

    def _day_of_sewage(self, time_ns: Int64s) -> Float64s:
        hour = local_hour(time_ns)
        peaks = (
            np.cos((hour - 20.0) * np.pi / 12.0) * 0.35 + np.cos((hour - 9.0) * np.pi / 6.0) * 0.2
        )
        return np.asarray(1.0 + peaks, np.float64)

    def _inflows_m3_s(self, rain: Float64s, time_ns: Int64s) -> list[Float64s]:
        """Return what enters each manhole: sewage, runoff, and what others let in."""
        step_s = seconds(time_ns)
        shares = [HEAD_SHARE] + [(1.0 - HEAD_SHARE) / (self.manholes - 1)] * (self.manholes - 1)
        runs_m3_s = rain / 1_000.0 / step_s * self.catchment_ha * 1e4 * self.runoff
        head = routed(runs_m3_s, self.inlet_s / 3.0, 3, 0.2 * self.inlet_s, step_s)
        sides = routed(runs_m3_s, self.inlet_s / 3.0, 2, 0.0, step_s)
        sewage = self.sewage_m3_s * self._day_of_sewage(time_ns)
        inflows = []
        for number, share in enumerate(shares):
            runoff = head if number == 0 else sides
            inflow = share * (runoff + sewage)
            for one in self.discharges:
                if one.manhole == number:
                    inflow = inflow + one.flow_m3_s * during(one.occasion, one.length_s, time_ns)
            inflows.append(np.asarray(inflow, np.float64))
        return inflows

    def _held(self, time_ns: Int64s) -> dict[int, Float64s]:
        """Return how far each blocked pipe is open."""
        shares: dict[int, Float64s] = {}
        for one in self.blockages:
            blocked = during(one.occasion, one.length_s, time_ns)
            shares[one.manhole] = 1.0 - (1.0 - one.open_share) * blocked
        return shares

    def _cascade(
        self,
        inflows: list[Float64s],
        overs: list[Float64s],
        held: dict[int, Float64s],
        step_s: float,
    ) -> tuple[list[Float64s], list[Float64s], dict[int, Float64s]]:
        """Return what leaves each manhole, what blockages spill, and how high they make it stand."""
        flows, spilt, standing = [], [np.zeros(len(inflows[0])) for _ in inflows], {}
        arrives = np.zeros(len(inflows[0]))
        for number, pipe in enumerate(self.pipes):
            flow = np.maximum(arrives + inflows[number] - overs[number], 0.0)
            if number in held and (held[number] < 1.0).any():
                reach_m = sum(one.length_m for one in self.pipes[:number]) + 60.0
                back = held_back(
                    Basin(pipe, reach_m, SHAFTS_M2_HA * self.catchment_ha, GROUND_M),
                    flow,
                    held[number],
                    step_s,
                )
                flow, spilt[number], standing[number] = (
                    back.on_m3_s,
                    back.over_m3_s,
                    back.level_m,
                )
            flows.append(flow)
            arrives = shifted(flow, pipe.travel_s / step_s)
        return flows, spilt, standing

    def _levels(
        self, flows: list[Float64s], river: Float64s, standing: dict[int, Float64s]
    ) -> list[Float64s]:
        """Return the water above each invert, from the river upwards."""
        below = np.maximum(river, 0.0)
        levels: list[Float64s] = []
        for number in range(self.manholes - 1, -1, -1):
            below = self.pipes[number].upper_m(flows[number], below)
            if number in standing:
                below = np.maximum(below, standing[number])
            levels.append(below)
        return levels[::-1]

    def _balanced(
        self, inflows: list[Float64s], river: Float64s, held: dict[int, Float64s], step_s: float
    ) -> tuple[list[Float64s], list[Float64s], list[Float64s]]:
        """Return flows, what comes out of manholes, and levels, such that no water is lost.

        Where a level would be above the ground, what the pipe cannot carry comes out of the manhole,
        and less flows on; after a few rounds the two agree. Levels end at the ground.
        """
        overs = [np.zeros(len(river)) for _ in inflows]
        for _ in range(BALANCING_ROUNDS):
            flows, spilt, standing = self._cascade(inflows, overs, held, step_s)
            levels = self._levels(flows, river, standing)
            if max(float(level.max()) for level in levels) <= GROUND_M:
                break
            for number, pipe in enumerate(self.pipes):
                lower = levels[number + 1] if number + 1 < self.manholes else np.maximum(river, 0)
                most = pipe.most_m3_s(np.full(len(river), GROUND_M), np.minimum(lower, GROUND_M))
                excess = np.where(levels[number] > GROUND_M, flows[number] - most, 0.0)
                room = overs[number] + flows[number]
                overs[number] = np.clip(overs[number] + excess, 0.0, room)
        flows, spilt, standing = self._cascade(inflows, overs, held, step_s)
        levels = self._levels(flows, river, standing)
        out = [one + other for one, other in zip(overs, spilt, strict=True)]
        return flows, out, [np.minimum(level, GROUND_M) for level in levels]

    def _underpass(self, rain: Float64s, spilled: Float64s, time_ns: Int64s) -> Made:
        step_s, below = seconds(time_ns), self.underpass
        runs = rain / 1_000.0 / step_s * below.catchment_ha * 1e4 * below.runoff
        inflow = routed(runs, below.storage_s, 2, 0.0, step_s) + below.seepage_m3_s
        inflow = inflow + SPILLED_SHARE * shifted(spilled, 60.0 / step_s)
        able = [np.ones(len(rain)), np.ones(len(rain))]
        for one in self.failures:
            for pump in one.pumps:
                able[pump] = able[pump] * (1.0 - during(one.occasion, one.length_s, time_ns))
        run = below.run(inflow, (able[0], able[1]), local_hour(time_ns), step_s)
        return {"underpass inflow": inflow, **run}

    def _quality(self, head_m3_s: Float64s, time_ns: Int64s) -> Made:
        """Return conductivity and pH at the second manhole: a mixture of what flows there.

        Sewage 900 uS/cm and 7.4, rain 60 and 6.6, and what is let in, each by its flow. For salts
        that is right; for pH it is crude, as what sewage buffers is left out.
        """
        sewage = HEAD_SHARE * self.sewage_m3_s * self._day_of_sewage(time_ns)
        rainy = np.maximum(head_m3_s - sewage, 0.0)
        whole = sewage + rainy
        salt, acid = (900.0 * sewage + 60.0 * rainy), (7.4 * sewage + 6.6 * rainy)
        for one in self.discharges:
            let_in = one.flow_m3_s * during(one.occasion, one.length_s, time_ns)
            whole = whole + let_in
            salt, acid = salt + let_in * one.conductivity, acid + let_in * one.ph
        return {"conductivity": salt / whole, "ph": acid / whole}


def shifted(flow: Float64s, steps: float) -> Float64s:
    """Return a flow so many steps later; between two steps it is shared between them."""
    whole = int(steps)
    share = steps - whole

    def late(number: int) -> Float64s:
        return np.concatenate([np.full(number, flow[0]), flow[: len(flow) - number]])

    return np.asarray((1.0 - share) * late(whole) + share * late(whole + 1), np.float64)
