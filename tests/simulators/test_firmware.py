"""What firmware sends wrong is refused and counted by the real house, and hurts nobody else."""

from collections import Counter

import pytest

from domain.accounting import Fate, Unit
from domain.journal import CatalogueChange, Frame, Rows
from domain.time import NS_PER_S
from service.evaluator import Evaluator
from service.scoreboard import scenario_catalogue
from simulators.course import once
from simulators.faults import NONSENSE, half_written, nonsense
from simulators.gas import gas
from simulators.tunnel import tunnel
from simulators.world import merged

BEGIN_NS = 1_790_000_160 * NS_PER_S
SPAN = (BEGIN_NS, BEGIN_NS + 600 * NS_PER_S)
BAD, HEALTHY = "gw-tunnel-north", "gw-gas-old"


def counted(world):
    """Return how many frames and readings of each gateway met each fate."""
    messages = list(merged([world, gas(HEALTHY, "gucheng", 1)], *SPAN))
    evaluator = Evaluator(lambda _revision: scenario_catalogue())
    frames = [Frame(one.topic, one.payload, one.time_ns) for one in messages]
    step = evaluator.step(Rows(1, [CatalogueChange(1, BEGIN_NS), *frames]))
    found = Counter()
    for account, count in step.accounts.items():
        found[account.gateway, account.unit, account.fate] += count
    return found


CALM = tunnel(BAD, "nanling", 1)
WELL = counted(CALM)


def of(found, gateway):
    return {key: count for key, count in found.items() if key[0] == gateway and count}


@pytest.mark.parametrize("kind", sorted(NONSENSE))
def test_nonsense_is_counted_by_fate_and_the_healthy_gateway_is_unhurt(kind):
    found = counted(nonsense(CALM, kind, once(BEGIN_NS), 300.0))
    assert of(found, HEALTHY) == of(WELL, HEALTHY)
    assert found[BAD, Unit.FRAMES, Fate.RECEIVED] == WELL[BAD, Unit.FRAMES, Fate.RECEIVED]
    stored = found[BAD, Unit.READINGS, Fate.STORED]
    whole = WELL[BAD, Unit.READINGS, Fate.STORED]
    lost = {"numbers as text", "NaN", "renamed", "doubled commas"}
    if kind in lost:
        assert stored == whole // 2
        refused = (
            found[BAD, Unit.FRAMES, Fate.UNDECODABLE]
            + found[BAD, Unit.READINGS, Fate.REJECTED]
            + found[BAD, Unit.READINGS, Fate.UNREGISTERED]
        )
        assert refused >= 30


def test_half_written_payloads_are_undecodable_and_all_counted():
    found = counted(half_written(CALM, 1, 0.3))
    frames = {
        fate: count for (g, unit, fate), count in found.items() if (g, unit) == (BAD, Unit.FRAMES)
    }
    assert frames[Fate.UNDECODABLE] > 5
    assert frames[Fate.DECODED] + frames[Fate.UNDECODABLE] == frames[Fate.RECEIVED]
    assert of(found, HEALTHY) == of(WELL, HEALTHY)
