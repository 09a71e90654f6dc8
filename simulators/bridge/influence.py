"""Influence lines: what a unit load does to a quantity, as a function of where it stands.

Continuous beams by the three-moment equations (Clapeyron 1857), with bending moment and deflection at
any section; decks that hang in cables as beams on elastic support (Hetényi 1946). Both are linear, so
what several loads do is the sum of what each does.
"""

from dataclasses import dataclass

import numpy as np

from domain.readings import Float64s

POINTS = 801


@dataclass(frozen=True, slots=True)
class Line:
    """An influence line: ``value`` at even steps from ``start_m`` to ``end_m``, and 0 beyond."""

    start_m: float
    end_m: float
    value: Float64s

    def at(self, place_m: Float64s) -> Float64s:
        """Return the line at each place, between its points by straight lines."""
        scaled = (place_m - self.start_m) * ((len(self.value) - 1) / (self.end_m - self.start_m))
        inside = (scaled >= 0.0) & (scaled <= len(self.value) - 1)
        scaled = np.where(inside, scaled, 0.0)
        below = np.minimum(scaled.astype(np.int64), len(self.value) - 2)
        share = scaled - below
        line = self.value[below] + share * (self.value[below + 1] - self.value[below])
        return np.where(inside, line, 0.0)


@dataclass(frozen=True, slots=True)
class Beam:
    """A beam of constant stiffness over supports a span apart, free to turn at all of them.

    Units: m, kN; ``stiffness_kn_m2`` is E I.
    """

    spans_m: tuple[float, ...]
    stiffness_kn_m2: float

    @property
    def length_m(self) -> float:
        """From end to end."""
        return sum(self.spans_m)

    def support_moments(self, load_m: Float64s) -> Float64s:
        """Return the moments (kN m, sagging positive) at all supports under 1 kN at each place.

        One row a place, one column a support.
        """
        spans = np.array(self.spans_m)
        starts = np.concatenate(([0.0], np.cumsum(spans)))
        moments = np.zeros((len(load_m), len(spans) + 1))
        if len(spans) == 1:
            return moments
        right = np.zeros((len(load_m), len(spans) - 1))
        for k in range(len(spans) - 1):
            a = np.clip(load_m - starts[k], 0.0, spans[k])
            b = np.clip(starts[k + 2] - load_m, 0.0, spans[k + 1])
            right[:, k] -= a * (spans[k] ** 2 - a**2) / spans[k]
            right[:, k] -= b * (spans[k + 1] ** 2 - b**2) / spans[k + 1]
        moments[:, 1:-1] = np.linalg.solve(self._matrix(), right.T).T
        return moments

    def _matrix(self) -> Float64s:
        """Return the left side of the three-moment equations, of the inner supports."""
        spans, count = np.array(self.spans_m), len(self.spans_m)
        matrix = np.diag(2.0 * (spans[:-1] + spans[1:]))
        for k in range(count - 2):
            matrix[k, k + 1] = matrix[k + 1, k] = spans[k + 1]
        return matrix

    def _within(self, section_m: float) -> tuple[int, float, float, float]:
        """Return (span, its start, its length, where in it as a share) of a section."""
        starts = np.concatenate(([0.0], np.cumsum(self.spans_m)))
        span = int(np.clip(np.searchsorted(starts, section_m, "right") - 1, 0, len(starts) - 2))
        length = self.spans_m[span]
        return span, float(starts[span]), length, float((section_m - starts[span]) / length)

    def settled(self, support: int, section_m: float) -> tuple[float, float]:
        """Return (moment in kN m, sag in m) at a section where a support goes down by 1 m."""
        spans, down = np.array(self.spans_m), np.zeros(len(self.spans_m) + 1)
        down[support] = 1.0
        moments = np.zeros(len(down))
        if len(spans) > 1:
            turns = (down[1:-1] - down[:-2]) / spans[:-1] + (down[1:-1] - down[2:]) / spans[1:]
            right = 6.0 * self.stiffness_kn_m2 * turns
            moments[1:-1] = np.linalg.solve(self._matrix(), right)
        span, _, length, share = self._within(section_m)
        left, right = moments[span : span + 1], moments[span + 1 : span + 2]
        moment, bent = _end_moments(left, right, length, share)
        rigid = down[span] * (1.0 - share) + down[span + 1] * share
        return float(moment[0]), float(rigid + bent[0] / self.stiffness_kn_m2)

    def effects(self, load_m: Float64s, section_m: float) -> tuple[Float64s, Float64s]:
        """Return (moment in kN m, deflection in m, down) at a section under 1 kN at each place."""
        span, start, length, share = self._within(section_m)
        moments = self.support_moments(load_m)
        moment, sag = _end_moments(moments[:, span], moments[:, span + 1], length, share)
        load, place = load_m - start, share * length
        before = place <= load  # the section stands before the load, or behind it
        near = np.where(before, place, length - place)
        far = np.where(before, length - load, load)
        own = ((load > 0.0) & (load < length)) * far * near / length
        moment = moment + own
        sag = sag + own * (length**2 - far**2 - near**2) / 6.0
        return moment, sag / self.stiffness_kn_m2

    def lines(self, section_m: float) -> tuple[Line, Line]:
        """Return the influence lines of moment (kN m / kN) and deflection (m / kN) at a section."""
        moment, sag = self.effects(np.linspace(0.0, self.length_m, POINTS), section_m)
        return Line(0.0, self.length_m, moment), Line(0.0, self.length_m, sag)


def _end_moments(
    left: Float64s, right: Float64s, length: float, share: float
) -> tuple[Float64s, Float64s]:
    """Return (moment, sag times E I) at a share of a simple span under moments at its ends."""
    moment = left * (1.0 - share) + right * share
    bend = left * (2.0 - share) + right * (1.0 + share)
    return moment, share * (1.0 - share) * bend * length**2 / 6.0


@dataclass(frozen=True, slots=True)
class HungDeck:
    """A stiffening girder in closely spaced cables: a long beam on elastic support (Hetényi 1946).

    ``support_kn_m2`` is what the cables give for each metre of sag and metre of deck. Good near the
    middle of a main span, and where 1 / lambda is far shorter than the span; the tower's pull on
    the side spans is left out.
    """

    length_m: float
    stiffness_kn_m2: float
    support_kn_m2: float

    @property
    def wave_per_m(self) -> float:
        """Lambda = (k / 4 E I) ^ 1/4."""
        return float((self.support_kn_m2 / (4.0 * self.stiffness_kn_m2)) ** 0.25)

    def settled(self, support: int, section_m: float) -> tuple[float, float]:
        """Return (moment, sag in m) where a tower (0 or 1) goes down by 1 m: the deck hangs along."""
        share = section_m / self.length_m
        return 0.0, share if support else 1.0 - share

    def lines(self, section_m: float) -> tuple[Line, Line]:
        """Return the influence lines of moment (kN m / kN) and deflection (m / kN) at a section."""
        wave = self.wave_per_m
        places = np.linspace(0.0, self.length_m, POINTS)
        away = wave * np.abs(places - section_m)
        # The cables near a tower give nothing: the lines run out to 0 at both ends.
        ends = np.sin(np.pi * places / self.length_m) ** 0.25
        moment = ends * np.exp(-away) * (np.cos(away) - np.sin(away)) / (4.0 * wave)
        sag = np.exp(-away) * (np.cos(away) + np.sin(away)) * wave / (2.0 * self.support_kn_m2)
        return Line(0.0, self.length_m, moment), Line(0.0, self.length_m, ends * sag)


Structure = Beam | HungDeck
