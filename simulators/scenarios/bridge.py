"""Bridges: loads and days that are normal, and those that are not."""

from domain.grade import Condition, Grade
from simulators.bridge import bridge
from simulators.course import swell
from simulators.scenarios.scenario import AFTERNOON_S, NOON_NS, Expected, Scenario, after
from simulators.world import Station

RIVERSIDE = "bridge/riverside"
WILLOW = "bridge/willow"


def riverside(seed: int, *, convoy_mm: float = 0.0, at_s: float = 300.0) -> Station:
    """Return the large bridge, with a convoy ``at_s`` after the beginning."""
    convoy = swell(after(at_s), 25.0, 20.0, 25.0, convoy_mm)
    return bridge("gw-bridge-riverside", "binjiang", seed, convoy=convoy)


def willow(seed: int) -> Station:
    """Return the small bridge on a calm day."""
    return bridge("gw-bridge-willow", "gucheng", seed, busy=0.35, acceleration=False)


def thermal_day(seed: int) -> Scenario:
    """Return a day of sun and traffic, which is what a bridge is built for."""
    story = "Temperature and traffic of a day move everything, and nothing is wrong."
    return Scenario("thermal day", story, (WILLOW,), (willow(seed),), AFTERNOON_S, begin_ns=NOON_NS)


def overweight_convoy(seed: int) -> Scenario:
    """Return a crossing of a convoy beyond the design value."""
    channel = f"{RIVERSIDE}/deflection-midspan"
    orange = Expected(
        channel, Condition.HIGH, Grade.ORANGE, 305.0, 350.0, most=Grade.ORANGE, returns=True
    )
    story = "A convoy brings the deflection past its design value, and passes."
    worlds = (riverside(seed, convoy_mm=149.0),)
    return Scenario("overweight convoy", story, (RIVERSIDE,), worlds, 900.0, (orange,))


SCENARIOS = (
    thermal_day,
    overweight_convoy,
)
