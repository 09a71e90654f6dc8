"""``background``: how far a value stands above its own rolling low percentile.

For gas above all: what the air holds anyway moves with weather and traffic, a leak stands out of it.
The background is the percentile (linear between ranks, as numpy's) of the means of the grid cells
[k * step, (k + 1) * step) completed within the window; the enhancement, value - background, is
emitted at each reading once cells for ``warmup_s`` are complete. The cell under way does not count, so
a leak does not hide itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import Parameter, grid, refuse_grid
from compiled import njit
from domain.catalogue import Channel

INPUTS = 1
PARAMETERS = (
    Parameter("window_s", "the background is taken of so long", "s", low=0.0, above=True),
    Parameter("step_s", "means of so many seconds are ranked", "s", low=0.0, above=True),
    Parameter("percentile", "which of them is the background", "%", 10.0, low=0.0, high=100.0),
    Parameter(
        "warmup_s",
        "nothing is emitted before data of so long; left out: a quarter of the window",
        "s",
        low=0.0,
        optional=True,
    ),
)
CELL = np.dtype([("index", "i8"), ("count", "f8"), ("mean", "f8")])
RECORD = np.dtype(
    [
        ("first", "i8"),
        ("cells", "i8"),
        ("step_ns", "i8"),
        ("percentile", "f8"),
        ("warm_cells", "i8"),
        ("open", "i8"),  # index of the cell that readings go into; -1: none yet
        ("known", "u1"),
        ("background", "f8"),
    ]
)


def configure(
    parameters: Mapping[str, Any],
    inputs: Sequence[Channel],  # noqa: ARG001  the protocol's
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return grid, percentile and cells to wait for, and the ring of cells, empty."""
    step_ns, steps = grid(parameters["window_s"], parameters["step_s"])
    warmup_s = parameters["warmup_s"]
    if warmup_s is None:
        warmup_s = parameters["window_s"] / 4.0
    cells = np.zeros(steps + 1, CELL)  # the window, and the cell under way
    cells["index"] = -1
    return {
        "step_ns": step_ns,
        "percentile": parameters["percentile"],
        "warm_cells": min(
            steps, grid(max(warmup_s, parameters["step_s"]), parameters["step_s"])[1]
        ),
        "open": -1,
    }, cells


def refuse(parameters: Mapping[str, Any]) -> list[str]:
    """Want a grid finer than the window, and a warm-up not longer than it."""
    faults = refuse_grid(parameters["window_s"], parameters["step_s"])
    if parameters["warmup_s"] is not None and parameters["warmup_s"] > parameters["window_s"]:
        faults.append("warmup_s must not be longer than window_s")
    return faults


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:
    """Emit the enhancement at each input, once warm."""
    count = 0
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        first, size = record["first"], record["cells"]
        value = inputs.value[i]
        if inputs.restarted[i]:
            record["open"] = -1
            record["known"] = 0
            for k in range(first, first + size):
                cells[k]["index"] = -1
        index = inputs.time_ns[i] // record["step_ns"]
        cell = cells[first + index % size]
        if index != record["open"]:
            means = np.empty(size, np.float64)
            ranked = 0
            for k in range(first, first + size):
                if cells[k]["index"] >= 0 and index - size < cells[k]["index"] < index:
                    means[ranked] = cells[k]["mean"]
                    ranked += 1
            record["known"] = 1 if ranked >= record["warm_cells"] else 0
            if record["known"]:
                means = np.sort(means[:ranked])
                place = record["percentile"] / 100.0 * (ranked - 1)
                below = int(place)
                above = min(below + 1, ranked - 1)
                record["background"] = means[below] + (means[above] - means[below]) * (
                    place - below
                )
            record["open"] = index
            cell["index"] = index
            cell["count"] = 0.0
            cell["mean"] = 0.0
        cell["count"] += 1.0
        cell["mean"] += (value - cell["mean"]) / cell["count"]
        if record["known"]:
            outputs.source[count] = i
            outputs.time_ns[count] = inputs.time_ns[i]
            outputs.value[count] = value - record["background"]
            count += 1
    return count
