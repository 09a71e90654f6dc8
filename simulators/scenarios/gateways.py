"""Gateways and links that misbehave, in quiet and in trouble."""

from dataclasses import replace

from domain.grade import Condition
from domain.time import seconds_to_ns
from simulators.faults import duplicates, outage, reordering
from simulators.scenarios.bridge import RIVERSIDE, overweight_convoy, riverside
from simulators.scenarios.gas import gas_leak
from simulators.scenarios.scenario import BEGIN_NS, Scenario, played_over


def duplicated_messages(seed: int) -> Scenario:
    """Return the convoy, over a link that sends a third of its messages twice."""
    story = "A third of the messages comes twice; the alarms are those of the convoy, once each."
    return played_over(
        overweight_convoy(seed),
        "duplicated messages",
        story,
        lambda w: duplicates(w, seed, 0.33, 12.0),
    )


def reordered_messages(seed: int) -> Scenario:
    """Return a quiet bridge over a link on which messages overtake one another."""
    story = "Messages overtake one another by up to 8 s: some readings are late, nothing is wrong."
    calm = Scenario("", "", (RIVERSIDE,), (riverside(seed),), 900.0)
    return played_over(calm, "reordered messages", story, lambda w: reordering(w, seed, 8.0))


def burst_after_outage(seed: int) -> Scenario:
    """Return the gas leak while its gateway is cut off; it is told afterwards."""
    leak = gas_leak(seed)
    story = "The gateway is cut off for 10 min, in which the leak comes, and sends all afterwards."
    cut_off_ns = BEGIN_NS + seconds_to_ns(630.0)
    told = played_over(leak, "burst after outage", story, lambda w: outage(w, cut_off_ns, 600.0))
    return replace(told, may=(*told.may, ("gateway/gw-gas-old:silent", Condition.SILENT)))


SCENARIOS = (
    duplicated_messages,
    reordered_messages,
    burst_after_outage,
)
