"""What a city of any size is made of: its kinds of facility, and what each of them measures.

The mix is that of a city of 85,000 channels and 10,000 facilities: 600 bridges of 50 channels, 60
tunnels of 100, 2,500 gas sections, 1,000 drainage sections and 200 underpasses of 10, and 5,640
lifts of two or three. A smaller city has the same shares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

WHOLE_CHANNELS, WHOLE_FACILITIES, WHOLE_WAVES = 85_000, 10_000, 200
CHANNELS_MIN = 85
LIFT = "lift"


@dataclass(frozen=True, slots=True)
class Variety:
    """Channels of one quantity: ``count`` of them in a facility.

    A value is ``mean`` plus a daily wave of ``swing`` and noise of ``deviation``, of ``decimals``;
    during an event it is about ``event`` (``None``: there are none), which lies beyond the first
    limit that the templates set with these ``parameters``. All in the quantity's unit.
    """

    quantity: str
    count: int
    mean: float
    swing: float
    deviation: float
    event: float | None
    decimals: int = 2
    parameters: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mix:
    """How many facilities of a kind the whole city has, and what each of them measures."""

    kind: str
    facilities: int
    varieties: tuple[Variety, ...]

    @property
    def channels(self) -> int:
        """The channels of one facility."""
        return sum(variety.count for variety in self.varieties)


WAVE = Variety("acceleration", 1, 0.0, 0.0, 0.012, None, 4)
"""Sent as blocks of 100 samples of 100 Hz; the first bridges have one in place of the last channel."""

_TEMPERATURE = Variety("temperature", 1, 18.5, 6.0, 0.1, None)

MIX = (
    Mix(
        "bridge",
        600,
        (
            Variety("strain", 22, 120.0, 14.0, 3.0, 520.0, parameters={"design": 600}),
            Variety("deflection", 8, 6.0, 3.0, 0.8, 126.0, parameters={"design": 150}),
            Variety("cable_force", 8, 3250.0, 18.0, 8.0, 4150.0, 1, {"design": 5000}),
            Variety("bearing_displacement", 4, 10.0, 8.0, 0.3, 70.0, parameters={"travel": 80}),
            Variety("tilt", 4, 0.05, 0.02, 0.004, 0.43, 4, {"design": 0.5}),
            Variety("temperature", 4, 18.5, 6.0, 0.1, None),
        ),
    ),
    Mix(
        "tunnel",
        60,
        (
            Variety("convergence", 40, 3.0, 0.4, 0.1, 13.5, parameters={"control": 20}),
            Variety("settlement", 20, 4.0, 0.3, 0.1, 13.5, parameters={"control": 20}),
            Variety("crack_width", 10, 0.06, 0.01, 0.004, 0.21, 3, {"control": 0.3}),
            Variety("co", 10, 25.0, 10.0, 2.0, 120.0, 1),
            Variety("extinction", 10, 2.5, 1.0, 0.2, 8.4),
            Variety("temperature", 10, 18.5, 6.0, 0.1, None),
        ),
    ),
    Mix(
        "gas",
        2500,
        (
            Variety("methane", 4, 2.0, 0.6, 0.15, 13.0),
            Variety("pressure", 3, 200.0, 3.0, 1.0, 228.0, parameters={"nominal": 200}),
            Variety("oxygen", 2, 20.9, 0.05, 0.03, 19.2),
            _TEMPERATURE,
        ),
    ),
    Mix(
        "drainage",
        1000,
        (
            Variety("manhole_level", 6, 0.4, 0.1, 0.01, 1.2, 3, {"crown": 1.0, "ground": 3.0}),
            Variety("flow", 2, 90.0, 30.0, 4.0, 330.0, 1, {"design": 300}),
            Variety("water_temperature", 2, 16.0, 1.0, 0.1, None),
        ),
    ),
    Mix(
        "underpass",
        200,
        (
            Variety("water_depth", 4, 0.015, 0.0, 0.002, 0.09, 3),
            Variety("pump_current", 2, 8.0, 2.0, 0.4, 49.0, parameters={"rated": 40}),
            Variety("battery_voltage", 3, 12.8, 0.2, 0.05, 10.4, parameters={"lowest": 11}),
            Variety("rain", 1, 0.0, 0.0, 0.0, None, 1),
        ),
    ),
    Mix(
        LIFT,
        5640,
        (
            Variety("fault_code", 1, 0.0, 0.0, 0.0, 4.0, 0),
            Variety("car_speed", 1, 0.0, 0.0, 0.45, 2.3, parameters={"rated": 1.75}),
            _TEMPERATURE,
        ),
    ),
)
"""The kinds of facility; lifts come last and fill up what the others leave."""
