"""``rate``: least-squares slope over a window, per ``per_s`` seconds.

Emitted at each reading, once the readings of the window span half of it. The window is at least two
sample intervals of the input, or it would never hold two readings. Readings are summed in cells of
1/64 of the window, so memory is bounded whatever the sampling; the window reaches back to the
beginning of a cell, 64 to 65 cells. The sums are centred in each cell (Chan, Golub and LeVeque, 1979),
so a slope stays exact at any epoch and any offset of the values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import Parameter
from compiled import njit
from domain.catalogue import Channel

INPUTS = 1
PARAMETERS = (
    Parameter(
        "window_s", "readings of so long make the slope", "s", low=0.0, high=3.2e8, above=True
    ),
    Parameter("per_s", "the slope is per so many seconds", "s", 1.0, low=0.0, above=True),
)
CELLS = 64
CELL = np.dtype(
    [
        ("index", "i8"),
        ("count", "f8"),
        ("first_ns", "i8"),
        ("time_s", "f8"),  # mean, behind the cell's first reading
        ("value", "f8"),  # mean
        ("time_square", "f8"),  # centred sums
        ("product", "f8"),
    ]
)
RECORD = np.dtype(
    [("first", "i8"), ("cells", "i8"), ("width_ns", "i8"), ("span_ns", "i8"), ("per_s", "f8")]
)


def configure(
    parameters: Mapping[str, Any], inputs: Sequence[Channel]
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return the width of a cell and the least span, and the ring of cells, empty."""
    window_s = max(parameters["window_s"], 2.0 * inputs[0].sample_interval_s)
    cells = np.zeros(CELLS + 1, CELL)
    cells["index"] = -1
    return {
        "width_ns": max(1, round(window_s * 1e9) // CELLS),
        "span_ns": round(parameters["window_s"] * 0.5e9),
        "per_s": parameters["per_s"],
    }, cells


def refuse(parameters: Mapping[str, Any]) -> list[str]:
    """Refuse a window shorter than a microsecond."""
    short = parameters["window_s"] < 1e-6
    return [f"window_s must be at least 1e-06, not {parameters['window_s']!r}"] if short else []


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:
    """Emit the slope at each input."""
    count = 0
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        first = record["first"]
        time_ns, value = inputs.time_ns[i], inputs.value[i]
        if inputs.restarted[i]:
            for k in range(first, first + record["cells"]):
                cells[k]["index"] = -1
        index = time_ns // record["width_ns"]
        cell = cells[first + index % record["cells"]]
        if cell["index"] != index:
            cell["index"] = index
            cell["count"] = 0.0
            cell["first_ns"] = time_ns
            cell["time_s"] = cell["value"] = 0.0
            cell["time_square"] = cell["product"] = 0.0
        cell["count"] += 1.0
        ahead_s = (time_ns - cell["first_ns"]) * 1e-9 - cell["time_s"]
        cell["time_s"] += ahead_s / cell["count"]
        cell["value"] += (value - cell["value"]) / cell["count"]
        behind_s = (time_ns - cell["first_ns"]) * 1e-9 - cell["time_s"]
        cell["time_square"] += ahead_s * behind_s
        cell["product"] += ahead_s * (value - cell["value"])

        readings, mean_s, mean_value, earliest_ns = 0.0, 0.0, 0.0, time_ns
        for k in range(first, first + record["cells"]):
            cell = cells[k]
            if cell["index"] >= max(0, index - CELLS):
                readings += cell["count"]
                at_s = (cell["first_ns"] - time_ns) * 1e-9 + cell["time_s"]
                mean_s += (at_s - mean_s) * cell["count"] / readings
                mean_value += (cell["value"] - mean_value) * cell["count"] / readings
                earliest_ns = min(earliest_ns, cell["first_ns"])
        if time_ns == earliest_ns or time_ns - earliest_ns < record["span_ns"]:
            continue
        squares, products = 0.0, 0.0
        for k in range(first, first + record["cells"]):
            cell = cells[k]
            if cell["index"] >= max(0, index - CELLS):
                at_s = (cell["first_ns"] - time_ns) * 1e-9 + cell["time_s"] - mean_s
                squares += cell["time_square"] + cell["count"] * at_s * at_s
                products += cell["product"] + cell["count"] * at_s * (cell["value"] - mean_value)
        if squares > 0.0:
            outputs.source[count] = i
            outputs.time_ns[count] = time_ns
            outputs.value[count] = products / squares * record["per_s"]
            count += 1
    return count
