"""Scenarios: worlds with the alarms that they must raise, and must not.

Each plays on facilities of config/sites/demo.yaml. On these nothing may be raised but what ``must``
and ``may`` name; see ``Scenario``. A new scenario is one function of a seed in the file of its kind,
and its name in that file's ``SCENARIOS``.
"""

from collections.abc import Callable

from simulators.scenarios import bridge, drainage, gas, gateways, instruments, lift, tunnel
from simulators.scenarios.scenario import Expected, Scenario

__all__ = ["SCENARIOS", "Expected", "Scenario"]

SCENARIOS: tuple[Callable[[int], Scenario], ...] = (
    *bridge.SCENARIOS,
    *tunnel.SCENARIOS,
    *gas.SCENARIOS,
    *drainage.SCENARIOS,
    *lift.SCENARIOS,
    *instruments.SCENARIOS,
    *gateways.SCENARIOS,
)
"""All scenarios, each a function of a seed."""
