"""Gas: leaks, and the methane that is none."""

from domain.grade import Condition, Grade
from simulators.course import swell
from simulators.gas import gas
from simulators.scenarios.scenario import AFTERNOON_S, NOON_NS, Expected, Scenario, after
from simulators.world import Station

OLD_STREET = "gas/old-street"


def old_street(seed: int, *, leak: float = 0.0, biogas: float = 1.0) -> Station:
    """Return the gas section, with a leak of so many %LEL 10 min after the beginning."""
    course = swell(after(600.0), 120.0, 600.0, 600.0, leak)
    return gas("gw-gas-old", "gucheng", seed, leak=course, biogas=biogas)


def gas_leak(seed: int) -> Scenario:
    """Return a pipe that leaks into a manhole."""
    first, second = f"{OLD_STREET}/manhole-1", f"{OLD_STREET}/manhole-2"
    must = (
        Expected(first, Condition.HIGH, Grade.RED, 660.0, 720.0, returns=True),
        Expected(
            second, Condition.HIGH, Grade.YELLOW, 690.0, 780.0, most=Grade.YELLOW, returns=True
        ),
    )
    consequences = (f"{first}/rise", f"{second}/rise", f"{OLD_STREET}/open-path/enhancement")
    may = tuple((channel, Condition.HIGH) for channel in consequences)
    story = "Methane creeps from the soil into a manhole, later into its neighbour, and is vented."
    worlds = (old_street(seed, leak=64.0),)
    return Scenario("gas leak", story, (OLD_STREET,), worlds, 3_600.0, must, may)


def biogas_day(seed: int) -> Scenario:
    """Return a day of the sewers' own methane, three times as much as usual."""
    story = "Biogas triples for a day and is most at three, and it is no leak."
    worlds = (old_street(seed, biogas=3.0),)
    return Scenario("biogas day", story, (OLD_STREET,), worlds, AFTERNOON_S, begin_ns=NOON_NS)


SCENARIOS = (
    gas_leak,
    biogas_day,
)
