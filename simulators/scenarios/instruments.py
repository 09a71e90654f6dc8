"""Instruments that are at fault, while what they watch is well."""

from domain.grade import Condition, Grade
from simulators.faults import silent, spike, stuck, wrong_clock
from simulators.scenarios.bridge import WILLOW, willow
from simulators.scenarios.gas import OLD_STREET, old_street
from simulators.scenarios.scenario import Expected, Scenario, after
from simulators.scenarios.tunnel import NORTH_HILL, north_hill

_TUNNEL_CHANNELS = (
    "co-1",
    "co-2",
    "visibility",
    "portal-water",
    "convergence-1",
    "convergence-2",
    "crack-1",
    "settlement-1",
    "settlement-2",
)


def single_spike(seed: int) -> Scenario:
    """Return one reading far off, of an instrument that is well otherwise."""
    world = north_hill(seed).with_signal("V1", spike(after(1_200.0), 60.0, 25.0))
    story = "One reading of convergence is 25 mm off; the one after it is right again."
    return Scenario("single spike", story, (NORTH_HILL,), (world,), 3_600.0)


def stuck_sensor(seed: int) -> Scenario:
    """Return an instrument that repeats one value."""
    world = willow(seed).with_signal("S2", stuck(after(600.0), 900.0))
    # flat_s is 300 for this channel in the demonstration's catalogue
    channel = f"{WILLOW}/strain-2"
    must = (Expected(channel, Condition.STUCK, Grade.BLUE, 890.0, 930.0, returns=True),)
    story = "A strain gauge repeats one value for 15 min; the bridge is well."
    return Scenario("stuck sensor", story, (WILLOW,), (world,), 2_400.0, must)


def dropout(seed: int) -> Scenario:
    """Return an instrument that says nothing while its gateway goes on."""
    world = old_street(seed).with_signal("M3", silent(after(600.0), 300.0))
    channel = f"{OLD_STREET}/manhole-3"
    must = (Expected(channel, Condition.SILENT, Grade.BLUE, 600.0, 900.0, returns=True),)
    story = "One detector gives nothing for 5 min while its gateway goes on."
    return Scenario("dropout", story, (OLD_STREET,), (world,), 1_800.0, must)


def clock_ahead(seed: int) -> Scenario:
    """Return a gateway's clock that jumps ahead by an hour, and is set right again."""
    world = wrong_clock(north_hill(seed), after(600.0), 120.0, 3_600.0)
    may = tuple((f"{NORTH_HILL}/{name}", Condition.CLOCK) for name in _TUNNEL_CHANNELS)
    must = (
        Expected(f"{NORTH_HILL}/co-1", Condition.CLOCK, Grade.BLUE, 595.0, 640.0, returns=True),
    )
    story = "For two minutes every reading is an hour ahead: refused, and only the clock's fault."
    return Scenario("clock ahead", story, (NORTH_HILL,), (world,), 1_800.0, must, may)


SCENARIOS = (
    single_spike,
    stuck_sensor,
    dropout,
    clock_ahead,
)
