"""The flat line check: since when all readings lie within the tolerance of one another.

Exact, in bounded memory, for any spacing of readings. Of a run only its stairs matter: the maxima
of its tails, falling with time, and likewise the minima. When a reading leaves the tolerance, the
run begins anew behind the older of the two extremes that quarrel. A signal that climbs in more than
``LADDER_STEPS`` steps within its tolerance has its steps joined in pairs, which can only make it
look less flat than it is.
"""

from typing import Any

from analytics.layout import LADDER_STEPS, Ladders
from compiled import njit


@njit
def extend_flat_run(
    channel: Any, ladders: Ladders, time_ns: int, value: float, begins: bool
) -> None:
    """Take one reading into the flat run of ``channel`` and move the run's beginning.

    ``begins``: there is nothing before this reading that it could be compared with.
    """
    slot = channel["ladder"]
    if slot < 0:
        if begins or value != channel["flat_value"]:
            channel["flat_since_ns"] = time_ns
            channel["flat_value"] = value
        return
    if begins:
        ladders.height[slot, 0] = 0
        ladders.height[slot, 1] = 0
        channel["flat_since_ns"] = time_ns
    for side in range(2):
        _push_step(ladders, slot, side, time_ns, -value if side else value)
    while ladders.value[slot, 0, 0] + ladders.value[slot, 1, 0] > channel["flat_tolerance"]:
        since_ns = ladders.after_ns[slot, 0, 0]
        if ladders.height[slot, 0] == 1 or (
            ladders.height[slot, 1] > 1 and ladders.after_ns[slot, 1, 0] < since_ns
        ):
            since_ns = ladders.after_ns[slot, 1, 0]
        channel["flat_since_ns"] = since_ns
        for side in range(2):
            _drop_steps(ladders, slot, side, since_ns)


@njit
def _push_step(ladders: Ladders, slot: int, side: int, time_ns: int, step: float) -> None:
    values, after_ns = ladders.value[slot, side], ladders.after_ns[slot, side]
    steps = ladders.height[slot, side]
    if steps > 0:
        after_ns[steps - 1] = time_ns
    while steps > 0 and values[steps - 1] <= step:
        steps -= 1
    if steps == LADDER_STEPS:
        for k in range(LADDER_STEPS // 2):
            values[k] = values[2 * k]
            after_ns[k] = after_ns[2 * k + 1]
        steps = LADDER_STEPS // 2
    values[steps] = step
    after_ns[steps] = time_ns
    ladders.height[slot, side] = steps + 1


@njit
def _drop_steps(ladders: Ladders, slot: int, side: int, since_ns: int) -> None:
    values, after_ns = ladders.value[slot, side], ladders.after_ns[slot, side]
    steps = ladders.height[slot, side]
    gone = 0
    while gone < steps - 1 and after_ns[gone] <= since_ns:
        gone += 1
    for k in range(steps - gone):
        values[k] = values[k + gone]
        after_ns[k] = after_ns[k + gone]
    ladders.height[slot, side] = steps - gone
