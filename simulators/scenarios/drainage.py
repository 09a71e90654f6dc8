"""Drainage: rain, and what becomes of it."""

from domain.grade import Condition, Grade
from simulators.drainage import drainage
from simulators.scenarios.scenario import Expected, Scenario, after
from simulators.weather import Storm

STATION_ROAD = "drainage/station"


def cloudburst(seed: int) -> Scenario:
    """Return a cloudburst that fills the underpass."""
    storm = Storm(after(600.0), 0.8, 0.285, 0.75, rain_s=1_200.0, drain_s=1_200.0)
    world = drainage("gw-drain-station", "gucheng", seed, storms=(storm,))
    must = (
        Expected(
            f"{STATION_ROAD}/underpass",
            Condition.HIGH,
            Grade.ORANGE,
            960.0,
            1_200.0,
            most=Grade.ORANGE,
            returns=True,
        ),
        Expected(
            f"{STATION_ROAD}/manhole-1",
            Condition.HIGH,
            Grade.BLUE,
            900.0,
            1_400.0,
            most=Grade.BLUE,
            returns=True,
        ),
    )
    consequences = (f"{STATION_ROAD}/underpass/rise", f"{STATION_ROAD}/manhole-2")
    may = tuple((channel, Condition.HIGH) for channel in consequences)
    story = "Twenty minutes of heavy rain; the pumps need twenty more."
    return Scenario("cloudburst", story, (STATION_ROAD,), (world,), 5_400.0, must, may)


SCENARIOS = (cloudburst,)
