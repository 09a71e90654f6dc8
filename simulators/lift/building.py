"""The building a lift serves, and who wants to go where in it through a day."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from simulators.noise import key_of, uniform

HOME = 1  # the main floor, where an idle car of the morning stands
SLOT_S = 10.0  # at most one person comes in each: fine for fewer than 360 an hour
QUIET_S = 1_200  # before the day's end nobody comes, so that each day begins with an empty lift


class Use(StrEnum):
    """What a building is for: it decides when people come, and where to."""

    DWELLING = "dwelling"
    OFFICE = "office"
    HOSPITAL = "hospital"


# People an hour for one lift, by local hour 0 to 23, and the share of them going up from the main
# floor, down to it, and between two others. Shaped after the courses of arrivals in Barney, "Elevator
# Traffic Handbook" (2003): up-peak, lunch and down-peak of offices; the numbers are typical.
_AN_HOUR: dict[Use, tuple[float, ...]] = {
    Use.DWELLING: (
        *(4, 2, 1, 1, 2, 6, 24, 44, 38, 24, 20, 26),
        *(30, 24, 20, 22, 28, 42, 48, 40, 34, 26, 16, 8),
    ),
    Use.OFFICE: (
        *(1, 0, 0, 0, 0, 2, 12, 50, 96, 60, 44, 62),
        *(84, 60, 44, 44, 50, 86, 60, 24, 12, 6, 4, 2),
    ),
    Use.HOSPITAL: (
        *(8, 6, 5, 5, 8, 16, 40, 70, 88, 90, 84, 70),
        *(56, 66, 80, 76, 66, 52, 44, 40, 34, 26, 18, 12),
    ),
}
_UP: dict[Use, tuple[float, float]] = {  # share going up from the main floor at 8 and at 18 h
    Use.DWELLING: (0.12, 0.68),
    Use.OFFICE: (0.85, 0.08),
    Use.HOSPITAL: (0.58, 0.30),
}
_BETWEEN: dict[Use, float] = {Use.DWELLING: 0.06, Use.OFFICE: 0.15, Use.HOSPITAL: 0.4}


@dataclass(frozen=True, slots=True)
class Building:
    """A building and its lift; the numbers without a source are typical of passenger lifts."""

    use: Use = Use.OFFICE
    floors: int = 24
    floor_m: float = 3.2
    rated_m_s: float = 1.75  # common rated speeds: 1.0, 1.6, 1.75, 2.5 (ISO 8100-30)
    acceleration_m_s2: float = 0.8
    creep_m_s: float = 0.25  # the last part, when it levels
    capacity: int = 13  # 1,000 kg at 75 kg each
    door_s: float = 2.2  # to open, and to close
    dwell_s: float = 3.5  # open without anybody in it
    boarding_s: float = 1.1  # a person
    reopening: float = 0.07  # share of closings that somebody interrupts


@dataclass(frozen=True, slots=True)
class Call:
    """A person who comes to ``origin`` at ``time_ms`` and wants to ``target``."""

    time_ms: int
    origin: int
    target: int


def building_of(key: int, use: Use | None = None) -> Building:
    """Return the building that a key stands for; each key is another one."""
    draws = uniform(key_of(key, "building"), np.arange(6)).tolist()
    chosen = use if use is not None else list(Use)[int(draws[0] * 3)]
    return Building(
        use=chosen,
        floors=10 + int(draws[1] * 23),
        floor_m=round(2.9 + draws[2] * 1.0, 2),
        rated_m_s=(1.6, 1.75, 2.5)[int(draws[3] * 3)],
        door_s=round(1.8 + draws[4] * 1.2, 1),
        reopening=0.03 + 0.1 * draws[5],
    )


def calls_of(building: Building, key: int, day_ms: int, length_ms: int, hour: float) -> list[Call]:
    """Return who comes in the day that begins at ``day_ms``, at local ``hour``.

    A Bernoulli draw each ``SLOT_S``, with the hour's rate: close to a Poisson stream, and a function
    of key and slot alone.
    """
    slots = np.arange((length_ms - 1000 * QUIET_S) // round(1000 * SLOT_S))
    begin = day_ms // round(1000 * SLOT_S)
    draws = [uniform(key_of(key, "calls", part), begin + slots) for part in range(5)]
    hours = (hour + slots * (SLOT_S / 3600.0)) % 24.0
    rate = np.array(_AN_HOUR[building.use])[hours.astype(np.int64)]
    come = np.flatnonzero(draws[0] < rate * (SLOT_S / 3600.0))
    return [
        Call(
            int((begin + slots[i] + draws[1][i]) * 1000 * SLOT_S),
            *_way(building, float(hours[i]), *(float(draw[i]) for draw in draws[2:])),
        )
        for i in come.tolist()
    ]


def _way(
    building: Building, hour: float, which: float, one: float, other: float
) -> tuple[int, int]:
    """Return a person's floors: up from the main floor, down to it, or between two others."""
    at_8, at_18 = _UP[building.use]
    between = _BETWEEN[building.use]
    late = min(max((hour - 8.0) / 10.0, 0.0), 1.0) if hour >= 4.0 else 1.0
    up = (1.0 - between) * (at_8 + (at_18 - at_8) * late)
    upper = 2 + int(one * (building.floors - 1))
    if which < up:
        return HOME, upper
    if which < 1.0 - between:
        return upper, HOME
    second = 2 + int(other * (building.floors - 2))
    return upper, second + (second >= upper)
