"""``together``: 1 while every input lies within its own range, else 0.

For conditions that take several channels, such as somebody shut in: present, door shut, stopped
outside of the door zone. How long it must stand is the limit's ``on_delay_s``; where the inputs
report on change, ticks count towards it.

The first ``kept`` inputs may flicker: once within their range, they count as within it for as long
as all the others stay in theirs. Nobody leaves a car whose door is shut.

Emitted at each reading of any input once all of them are known, of the values at that place in the
journal; several readings of one row and time count as one. A reading that is not newer than what was
emitted last (two inputs told in two rows at one time) takes effect with the next one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import Parameter
from compiled import njit
from domain.catalogue import Channel

INPUTS = 2
INPUTS_MAX = 8
PARAMETERS = (
    Parameter("within", "[lowest, highest] of each input", kind="ranges"),
    Parameter(
        "kept", "so many of the first inputs may flicker", default=0, low=0.0, high=INPUTS_MAX - 1
    ),
)
CELL = np.dtype([("low", "f8"), ("high", "f8"), ("known", "u1"), ("met", "u1"), ("kept", "u1")])
RECORD = np.dtype([("first", "i8"), ("cells", "i8"), ("emitted", "u1"), ("emitted_ns", "i8")])


def configure(
    parameters: Mapping[str, Any],
    inputs: Sequence[Channel],  # noqa: ARG001  the protocol's
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return one cell for each input, nothing known yet."""
    cells = np.zeros(len(parameters["within"]), CELL)
    for cell, (low, high) in zip(cells, parameters["within"], strict=True):
        cell["low"], cell["high"] = low, high
    cells["kept"][: int(parameters["kept"])] = 1
    return {"emitted": 0}, cells


def refuse(parameters: Mapping[str, Any]) -> list[str]:
    """Want at least one input that is not kept, by which the others let go."""
    kept = parameters["kept"]
    if kept != int(kept):
        return [f"kept must be a whole number, not {kept!r}"]
    if kept >= len(parameters["within"]):
        return [f"kept ({kept}) must be less than the number of inputs"]
    return []


@njit
def _all_met(cells: Any, first: int, last: int) -> int:
    """Return 1 where all inputs are within, 0 where not, -1 where one is not known yet.

    A kept input lets go here, once the others do not all stand.
    """
    known, others, whole = True, True, True
    for k in range(first, last):
        known = known and cells[k]["known"] != 0
        others = others and (cells[k]["kept"] != 0 or cells[k]["met"] == 1)
    for k in range(first, last):
        if not others and cells[k]["met"] == 2:
            cells[k]["met"] = 0
        whole = whole and cells[k]["met"] != 0
    if not known:
        return -1
    return 1 if whole else 0


@njit
def _goes_on(inputs: Any, i: int) -> bool:
    """Return whether the same row brings another reading of this feature's for the same time."""
    for k in range(i + 1, len(inputs.slot)):
        if inputs.row[k] != inputs.row[i]:
            return False
        if inputs.slot[k] == inputs.slot[i]:
            return bool(inputs.time_ns[k] == inputs.time_ns[i])
    return False


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:
    """Emit 1 or 0 at each reading; ``met`` is 2 where an input counts only for being kept."""
    count = 0
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        first, last = record["first"], record["first"] + record["cells"]
        cell = cells[first + inputs.port[i]]
        within = cell["low"] <= inputs.value[i] <= cell["high"]
        if within:
            cell["met"] = 1
        elif cell["kept"] and cell["met"]:
            cell["met"] = 2
        else:
            cell["met"] = 0
        cell["known"] = 1
        if inputs.restarted[i]:
            record["emitted"] = 0
        if _goes_on(inputs, i):
            continue
        met = _all_met(cells, first, last)
        if met >= 0 and (not record["emitted"] or inputs.time_ns[i] > record["emitted_ns"]):
            record["emitted"] = 1
            record["emitted_ns"] = inputs.time_ns[i]
            outputs.source[count] = i
            outputs.time_ns[count] = inputs.time_ns[i]
            outputs.value[count] = met
            count += 1
    return count
