"""Tunnels: what moves slowly, and the air."""

from domain.grade import Condition, Grade
from simulators.course import drift
from simulators.scenarios.scenario import BEGIN_NS, Expected, Scenario
from simulators.tunnel import tunnel
from simulators.world import Station

NORTH_HILL = "tunnel/north-hill"


def north_hill(seed: int) -> Station:
    """Return the tunnel on a calm day."""
    return tunnel("gw-tunnel-north", "nanling", seed)


def settlement_trend(seed: int) -> Scenario:
    """Return a support that settles steadily."""
    settling = drift(BEGIN_NS, 96.0, 10_800.0)
    world = tunnel("gw-tunnel-north", "nanling", seed, settling=settling)
    channel = f"{NORTH_HILL}/settlement-2"
    # 1.7 mm and 4 mm an hour: 12 mm after 2 h 35 min; two readings of three.
    yellow = Expected(channel, Condition.HIGH, Grade.YELLOW, 8_900.0, 9_800.0, most=Grade.YELLOW)
    story = "Ring 2 settles by 4 mm an hour for three hours and passes 60 % of its control value."
    return Scenario("settlement trend", story, (NORTH_HILL,), (world,), 12_600.0, (yellow,))


SCENARIOS = (settlement_trend,)
