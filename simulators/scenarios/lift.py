"""Lifts: faults, and people who cannot get out."""

from domain.grade import Condition, Grade
from simulators.lift import entrapment, lift
from simulators.scenarios.scenario import Expected, Scenario, after

PLAZA = "lift/plaza-3"


def lift_entrapment(seed: int) -> Scenario:
    """Return a lift that stops between two floors with somebody inside."""
    world = lift("gw-lift-plaza", "binjiang", seed, troubles=(entrapment(after(425.0), 900.0),))
    channel = f"{PLAZA}/fault-code/grade"
    must = (Expected(channel, Condition.HIGH, Grade.ORANGE, 424.0, 427.0, returns=True),)
    story = "Code 04, 45 s later 90, released after 15 min."
    return Scenario("lift entrapment", story, (PLAZA,), (world,), 2_400.0, must)


SCENARIOS = (lift_entrapment,)
