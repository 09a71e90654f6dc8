"""The map below the streets: manholes on pipes, and which of them neighbour which.

Made from the city's seed, and shared by what flows there: gas in the soil along the pipe, water in the
sewer. A section is a street with manholes from its upper end to its outfall.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulators.noise import key_of, uniform


@dataclass(frozen=True, slots=True)
class Manhole:
    """A manhole. Levels are metres above the city's datum; ``place_m`` is along the street."""

    name: str
    place_m: float
    ground_m: float
    invert_m: float
    diameter_m: float  # of the pipe that leaves it

    @property
    def crown_m(self) -> float:
        """The level of the top of the pipe."""
        return self.invert_m + self.diameter_m

    @property
    def depth_m(self) -> float:
        """From ground to invert."""
        return self.ground_m - self.invert_m


@dataclass(frozen=True)
class Section:
    """A street's manholes, from the upper end down to the outfall."""

    id: str
    manholes: tuple[Manhole, ...]
    area_ha: float  # of ground that drains into it
    impervious: float  # share of it that is roof and road
    gas_pipe_away_m: float  # how far the gas main runs from the manholes

    @cached_property
    def length_m(self) -> float:
        """From the first manhole to the last."""
        return self.manholes[-1].place_m - self.manholes[0].place_m

    @property
    def slope(self) -> float:
        """Fall of the invert over the length."""
        return (self.manholes[0].invert_m - self.manholes[-1].invert_m) / self.length_m

    def distance_m(self, one: int, other: int) -> float:
        """Return the way along the pipe between two manholes, by their places in ``manholes``."""
        return abs(self.manholes[one].place_m - self.manholes[other].place_m)


def section(city_seed: int, section_id: str, manholes: int = 4) -> Section:
    """Return the street with this id: the same for whoever asks.

    Spacing 30 to 60 m, cover 1.2 to 2.5 m, fall 2 to 5 per mille, pipes 0.4 to 1.2 m: what the
    Chinese outdoor drainage standard GB 50014 has for streets.
    """
    key = key_of(city_seed, "section", section_id)
    chance = uniform(key, np.arange(8 + manholes)).tolist()
    diameter_m = (0.4, 0.5, 0.6, 0.8, 1.0, 1.2)[int(6 * chance[0])]
    fall, cover_m, ground_m = 0.002 + 0.003 * chance[1], 1.2 + 1.3 * chance[2], 8 + 30 * chance[3]
    place_m, made = 0.0, []
    for number in range(manholes):
        street_m = ground_m - 0.8 * fall * place_m
        invert_m = ground_m - cover_m - diameter_m - fall * place_m
        made.append(Manhole(f"{number + 1}", place_m, street_m, invert_m, diameter_m))
        place_m += 30.0 + 30.0 * chance[8 + number]
    area_ha = place_m * (60.0 + 80.0 * chance[4]) / 1e4
    return Section(section_id, tuple(made), area_ha, 0.55 + 0.35 * chance[5], 0.8 + 2.7 * chance[6])
