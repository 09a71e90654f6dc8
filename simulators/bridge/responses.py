"""What a bridge does: each response the sum of traffic, temperature, wind, and what is wrong."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domain.readings import Float64s, Int64s
from simulators.bridge.causes import Trouble
from simulators.bridge.design import STEEL_PER_K, Cable, Design
from simulators.bridge.influence import Line
from simulators.bridge.vehicles import Lane, stream
from simulators.bridge.vibration import Swing
from simulators.climate import Weather
from simulators.course import NEVER, Course, total
from simulators.noise import key_of

PIER = 1  # the support that settles, and is scoured


@dataclass(frozen=True)
class Bridge:
    """A bridge as built, in its weather, with its troubles."""

    key: int
    seed: int  # of the city, whose weather it shares
    design: Design
    trouble: Trouble

    def response(self, name: str) -> Course:
        """Return the course of what is sent under this name (see ``simulators.bridge.bridge``)."""
        if name[0] == "S":
            return self._strain(int(name[1]) - 1)
        if name[0] == "B":
            return self._bearing(int(name[1]) - 1)
        if name[0] == "C":
            return self._cable(int(name[1]) - 1)
        return {
            "D1": self._sag,
            "T1": self.effective_c,
            "T2": self.difference_k,
            "W1": self.wind_m_s,
        }[name]

    @cached_property
    def weather(self) -> Weather:
        """The city's weather, with the front that is on its way."""
        return ColdFront(self.seed, front=self.trouble.cold_k)

    @cached_property
    def effective_c(self) -> Course:
        """The deck's mean temperature."""
        return self.design.warmth.effective_c(self.weather)

    @cached_property
    def difference_k(self) -> Course:
        """How much warmer its top is."""
        return self.design.warmth.difference_k(self.weather)

    def wind_m_s(self, time_ns: Int64s) -> Float64s:
        """Return the wind on the deck."""
        return self.weather.wind_m_s(time_ns) + self.trouble.gale_m_s(time_ns)

    def load(self, line: Line) -> Course:
        """Return what traffic and convoys do to a quantity with this influence line."""
        design = self.design
        length_m = line.end_m
        parts = [convoy.effect(line.at) for convoy in self.trouble.convoys]
        for number in range(design.lanes):
            lane = Lane(
                key_of(self.key, "lane", number),
                slot_s=design.slot_s,
                busiest=design.busiest,
                heavy=design.heavy,
            )
            parts.append(stream(lane, length_m, line.at))
        return total(*parts)

    @cached_property
    def _sag(self) -> Course:
        design, trouble = self.design, self.trouble
        live = self.load(design.structure.lines(design.midspan_m)[1])
        share = design.structure.settled(PIER, design.midspan_m)[1]
        cable_mm = (
            0.4
            * design.cables[0].force_kn
            * design.structure.lines(design.midspan_m)[1].value.max()
            * 1e3
        )

        def course(time_ns: Int64s) -> Float64s:
            weaker = gain(trouble.damage(time_ns))
            sag = design.sag_mm + design.sag_mm_per_k * (self.effective_c(time_ns) - 20.0)
            sag = sag + design.sag_mm_per_gradient_k * self.difference_k(time_ns)
            sag = sag + 1e3 * live(time_ns) * (1.0 + weaker) + design.dead_sag_mm * weaker
            sag = sag + share * trouble.settling_mm(time_ns)
            return np.asarray(sag + cable_mm * trouble.cable_loss(time_ns), np.float64)

        return course

    def _strain(self, number: int) -> Course:
        design, trouble = self.design, self.trouble
        place = (design.midspan_m, design.quarter_m, design.pier_m)[number]
        live = self.load(design.structure.lines(place)[0])
        per_moment = 1e6 * design.lever_m / design.structure.stiffness_kn_m2
        settled = per_moment * design.structure.settled(PIER, place)[0] * 1e-3
        sign = -0.7 if number == 2 else 1.0
        jammed = self._since_jam(self.effective_c)

        def course(time_ns: Int64s) -> Float64s:
            weaker = gain(trouble.damage(time_ns)) if number < 2 else 0.0
            strain = design.strain_um_m[number] + sign * (
                design.strain_per_k * (self.effective_c(time_ns) - 20.0)
                + design.strain_per_gradient_k * self.difference_k(time_ns)
            )
            strain = strain + per_moment * live(time_ns) * (1.0 + weaker)
            strain = strain + settled * trouble.settling_mm(time_ns)
            return np.asarray(strain - design.jam_um_m_per_k * jammed(time_ns), np.float64)

        return course

    def _bearing(self, number: int) -> Course:
        design = self.design
        per_k = 1e3 * STEEL_PER_K * design.expansion_m[number]
        jammed = self._since_jam(self.effective_c)

        def course(time_ns: Int64s) -> Float64s:
            warmth = self.effective_c(time_ns) - design.bearing_set_c
            if number == 0:
                warmth = warmth - jammed(time_ns)
            return np.asarray(per_k * warmth, np.float64)

        return course

    def _cable(self, number: int) -> Course:
        design, trouble = self.design, self.trouble
        cable: Cable = design.cables[number]
        line = design.structure.lines(design.midspan_m)[1]
        live = self.load(Line(line.start_m, line.end_m, line.value / line.value.max()))
        taken = -design.cables[0].force_kn if number == 0 else 0.25 * design.cables[0].force_kn

        def course(time_ns: Int64s) -> Float64s:
            warm = cable.warm_share_per_k * (self.effective_c(time_ns) - 20.0)
            force = cable.force_kn * (1.0 + warm) + cable.load_share * live(time_ns)
            return np.asarray(force + taken * trouble.cable_loss(time_ns), np.float64)

        return course

    def _since_jam(self, course: Course) -> Course:
        """Return how far a course has gone since the bearing jammed; 0 before."""
        jam = self.trouble.jam

        def gone(time_ns: Int64s) -> Float64s:
            if jam is None:
                return np.zeros(len(time_ns))
            since = jam.since_ns(time_ns)
            begun = np.where(since == NEVER, time_ns, time_ns - since)
            return course(time_ns) - course(begun)

        return gone

    def frequency_share(self, time_ns: Int64s) -> Float64s:
        """Return what is left of the frequencies: warmth, damage (half of it is felt), scour."""
        warm = self.design.frequency_per_k * (self.effective_c(time_ns) - 20.0)
        left = np.sqrt(1.0 - 0.5 * self.trouble.damage(time_ns))
        return np.asarray((1.0 + warm) * left * (1.0 - self.trouble.scour(time_ns)), np.float64)

    def swing(self, rate_hz: int) -> Swing:
        """Return the acceleration at midspan."""
        design = self.design
        line = design.structure.lines(design.midspan_m)[1]
        there = np.minimum(1.0, 50.0 * np.linspace(0, 1, 101) * np.linspace(1, 0, 101))
        live = self.load(Line(0.0, line.end_m, there))

        def strength(time_ns: Int64s) -> Float64s:
            mean_m_s = self.weather.mean_wind_m_s(time_ns) + self.trouble.gale_m_s(time_ns)
            buffeting = design.wind_m_s2 * (mean_m_s / 10.0) ** 2
            driven = design.load_m_s2_per_kn * live(time_ns)
            return np.asarray(np.sqrt(design.ambient_m_s2**2 + buffeting**2 + driven**2))

        return Swing(key_of(self.key, "A1"), design.modes, rate_hz, strength, self.frequency_share)


def gain(loss: Float64s) -> Float64s:
    """Return how much more a span gives where it has lost this share of its stiffness."""
    return np.asarray(loss / (1.0 - loss), np.float64)


@dataclass(frozen=True)
class ColdFront(Weather):
    """The city's weather with a change of temperature on top."""

    front: Course = lambda time_ns: np.zeros(len(time_ns))

    def air_c(self, time_ns: Int64s) -> Float64s:
        """Return the air's temperature with the front."""
        return super().air_c(time_ns) + self.front(time_ns)
