"""A round pipe: what flows through it, how full it is, and what a blockage does."""

from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt

import numpy as np

from domain.readings import Float64s

GRAVITY_M_S2 = 9.81
ORIFICE = 0.6  # discharge coefficient of a sharp opening
RUNS_OFF_S = 120.0
BRIM = 1.05  # of the full pipe's flow: here the last air is gone


def _table() -> tuple[Float64s, Float64s, Float64s]:
    """Return (depth, area, flow) of a pipe part full, each over that of the full one.

    Manning's formula in a circle. Flow rises up to a depth of 0.82, where it is that of the full
    pipe; what a pipe carries beyond (up to 1.08) is unstable, and left out.
    """
    depth = np.linspace(0.0, 1.0, 201)
    angle = 2.0 * np.arccos(1.0 - 2.0 * depth)
    area = (angle - np.sin(angle)) / (2.0 * pi)
    radius = np.divide(angle - np.sin(angle), angle, out=np.zeros(201), where=angle > 0)
    return depth, area, area * radius ** (2.0 / 3.0)


DEPTH, AREA, FLOW = _table()
_STABLE = int(np.searchsorted(FLOW, 1.0))
_DEPTHS = np.append(DEPTH[:_STABLE], [DEPTH[_STABLE], 1.0])
_FLOWS = np.append(FLOW[:_STABLE], [1.0, BRIM])


@dataclass(frozen=True)
class Pipe:
    """A pipe between two manholes."""

    diameter_m: float
    slope: float
    length_m: float
    roughness: float = 0.014  # Manning's n of concrete: 0.013 new, 0.015 old

    @cached_property
    def area_m2(self) -> float:
        """Of the whole section."""
        return pi * self.diameter_m**2 / 4.0

    @cached_property
    def full_m3_s(self) -> float:
        """What it carries full, by its own fall (Manning)."""
        hydraulic_m = self.diameter_m / 4.0
        speed_m_s = float(hydraulic_m ** (2.0 / 3.0)) * sqrt(self.slope) / self.roughness
        return self.area_m2 * speed_m_s

    @cached_property
    def travel_s(self) -> float:
        """How long a wave takes: 1.2 times the water's speed when half full or fuller."""
        return self.length_m / (1.2 * self.full_m3_s / self.area_m2)

    def normal_m(self, flow_m3_s: Float64s) -> Float64s:
        """Return the depth at which ``flow_m3_s`` runs by the pipe's own fall, the crown at most."""
        share = np.interp(flow_m3_s / self.full_m3_s, _FLOWS, _DEPTHS)
        return np.asarray(share * self.diameter_m, np.float64)

    def head_lost_m(self, flow_m3_s: Float64s) -> Float64s:
        """Return the head that friction takes when the pipe is full."""
        return np.asarray(
            self.slope * self.length_m * (flow_m3_s / self.full_m3_s) ** 2, np.float64
        )

    def upper_m(self, flow_m3_s: Float64s, lower_m: Float64s) -> Float64s:
        """Return the water above the upper invert for water ``lower_m`` above the lower one.

        The highest of three: the normal depth; a level pool backed up from below, with friction as
        far as the pipe is full; and, beyond what it carries by its own fall, the full pipe's head.
        """
        fall_m = self.slope * self.length_m
        lost = self.head_lost_m(flow_m3_s)
        filled = np.clip(lower_m / self.diameter_m, 0.0, 1.0) ** 3
        backed = lower_m + filled * lost - fall_m
        pressed = np.maximum(lower_m, self.diameter_m) + lost - fall_m
        over = np.where(flow_m3_s > BRIM * self.full_m3_s, pressed, 0.0)
        return np.maximum(np.maximum(self.normal_m(flow_m3_s), backed), over)

    def most_m3_s(self, upper_m: Float64s, lower_m: Float64s) -> Float64s:
        """Return the most that flows full between two levels."""
        fall_m = self.slope * self.length_m
        head = np.maximum(upper_m + fall_m - np.maximum(lower_m, self.diameter_m), 0.0)
        return np.asarray(self.full_m3_s * np.sqrt(head / fall_m), np.float64)


@dataclass(frozen=True, slots=True)
class Held:
    """What a blockage makes of the water that comes: on, standing above it, and over the ground."""

    on_m3_s: Float64s
    level_m: Float64s
    over_m3_s: Float64s
    stored_m3: Float64s


@dataclass(frozen=True)
class Basin:
    """What can stand above a blockage: the wedge in the pipe over ``reach_m``, then the shafts.

    ``shafts_m2`` is the open area of all manholes, gullies and house drains that stand on it.
    """

    pipe: Pipe
    reach_m: float
    shafts_m2: float
    ground_m: float

    @cached_property
    def table(self) -> tuple[Float64s, Float64s]:
        """Return (levels, volumes)."""
        levels = np.linspace(0.0, self.ground_m, 400)
        deep, slope = np.minimum(levels, self.pipe.diameter_m), self.pipe.slope
        long_m = np.minimum(deep / slope, self.reach_m)
        wedge = 0.8 * self.pipe.diameter_m * (deep * long_m - slope * long_m**2 / 2.0)
        return levels, np.asarray(wedge + self.shafts_m2 * levels, np.float64)

    def level_m(self, volume_m3: float) -> float:
        """Return how high a volume stands; the ground at most."""
        levels, volumes = self.table
        return float(np.interp(volume_m3, volumes, levels))

    def volume_m3(self, level_m: Float64s) -> Float64s:
        """Return what stands at a level."""
        levels, volumes = self.table
        return np.asarray(np.interp(level_m, levels, volumes), np.float64)

    @property
    def most_m3(self) -> float:
        """Return what it holds up to the ground."""
        return float(self.table[1][-1])


def held_back(basin: Basin, comes_m3_s: Float64s, open_share: Float64s, step_s: float) -> Held:
    """Return what becomes of ``comes_m3_s`` at a blockage in the upper end of the basin's pipe.

    Water gathers above it and runs through what is open: Q = 0.6 a sqrt(2 g h). No water is lost:
    what comes goes on, over the ground, or is stored. Where nothing is in the way and nothing more
    is stored than the flow needs, all goes on.
    """
    pipe = basin.pipe
    normal_m = pipe.normal_m(comes_m3_s)
    usual = basin.volume_m3(normal_m).tolist()
    volume, through = usual[0], float(comes_m3_s[0])
    held: list[tuple[float, float, float, float]] = []
    for comes, share, free in zip(comes_m3_s.tolist(), open_share.tolist(), usual, strict=True):
        if share >= 1.0 and volume <= free + comes * step_s:
            volume, through = free, comes
            held.append((through, basin.level_m(volume), 0.0, volume))
            continue
        if share >= 1.0:  # cleared: what had gathered runs off, as fast as the pipe can bear
            room = max(pipe.full_m3_s, comes)
            through = min(room, comes + (volume - free) / RUNS_OFF_S)
            volume += (comes - through) * step_s
            held.append((through, basin.level_m(volume), 0.0, volume))
            continue
        level = basin.level_m(volume)
        below = min(float(np.interp(through / pipe.full_m3_s, _FLOWS, _DEPTHS)), 1.0)
        head = max(level - below * pipe.diameter_m, 0.0)
        filled = float(np.interp(min(level / pipe.diameter_m, 1.0), DEPTH, AREA))
        speed = ORIFICE * sqrt(2.0 * GRAVITY_M_S2 * head)
        # At most half of what is there goes in one step: a small basin does not swing.
        through = min(share * pipe.area_m2 * filled * speed, comes + 0.5 * volume / step_s)
        volume += (comes - through) * step_s
        spilt = max(volume - basin.most_m3, 0.0)
        volume -= spilt
        held.append((through, basin.level_m(volume), spilt / step_s, volume))
    return Held(*(np.array(column) for column in zip(*held, strict=True)))
