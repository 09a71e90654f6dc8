"""``rolling``: mean, min, max, rms or sum over a window, on a grid of event time.

Readings are gathered into cells [k * step, (k + 1) * step). A cell is complete at the first reading
behind it; then one value is emitted, over the window of cells that ends with it, at the event time
(k + 1) * step, which is never later than the completing reading. A cell without readings emits
nothing, and a window reaches back over its whole length from the first cell that has any: a sum at
the start is the sum of what there is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import Parameter, grid, refuse_grid
from compiled import njit
from domain.catalogue import Channel

INPUTS = 1
STATISTICS = ("mean", "min", "max", "rms", "sum")
PARAMETERS = (
    Parameter("window_s", "readings of so long are taken together", "s", low=0.0, above=True),
    Parameter("step_s", "a value is made each so many seconds", "s", low=0.0, above=True),
    Parameter("statistic", "what is made of them", kind="choice", choices=STATISTICS),
)
CELL = np.dtype([("index", "i8"), ("count", "f8"), ("figure", "f8")])
RECORD = np.dtype(
    [
        ("first", "i8"),
        ("cells", "i8"),
        ("step_ns", "i8"),
        ("statistic", "i8"),
        ("open", "i8"),  # index of the cell that readings go into; -1: none yet
    ]
)


def configure(
    parameters: Mapping[str, Any],
    inputs: Sequence[Channel],  # noqa: ARG001  the protocol's
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return step and statistic, and the ring of cells, empty."""
    step_ns, steps = grid(parameters["window_s"], parameters["step_s"])
    cells = np.zeros(steps, CELL)
    cells["index"] = -1
    statistic = STATISTICS.index(parameters["statistic"])
    return {"step_ns": step_ns, "statistic": statistic, "open": -1}, cells


def refuse(parameters: Mapping[str, Any]) -> list[str]:
    """Want a grid finer than the window, and not too fine."""
    return refuse_grid(parameters["window_s"], parameters["step_s"])


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:
    """Emit a value for each input that completes a cell."""
    count = 0
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        first, size, statistic = record["first"], record["cells"], record["statistic"]
        value = inputs.value[i]
        if inputs.restarted[i]:
            record["open"] = -1
            for k in range(first, first + size):
                cells[k]["index"] = -1
        index = inputs.time_ns[i] // record["step_ns"]
        done = record["open"]
        if index != done:
            if done >= 0:
                readings, figure = 0.0, 0.0
                for k in range(max(0, done - size + 1), done + 1):  # oldest first
                    cell = cells[first + k % size]
                    if cell["index"] != k:
                        continue
                    if readings == 0.0:
                        figure = cell["figure"]
                    elif statistic == 1:
                        figure = min(figure, cell["figure"])
                    elif statistic == 2:
                        figure = max(figure, cell["figure"])
                    else:
                        figure += cell["figure"]
                    readings += cell["count"]
                if statistic == 0:
                    figure /= readings
                elif statistic == 3:
                    figure = np.sqrt(figure / readings)
                outputs.source[count] = i
                outputs.time_ns[count] = (done + 1) * record["step_ns"]
                outputs.value[count] = figure
                count += 1
            record["open"] = index
            cell = cells[first + index % size]
            cell["index"] = index
            cell["count"] = 0.0
        cell = cells[first + index % size]
        own = value * value if statistic == 3 else value
        if cell["count"] == 0.0:
            cell["figure"] = own
        elif statistic == 1:
            cell["figure"] = min(cell["figure"], own)
        elif statistic == 2:
            cell["figure"] = max(cell["figure"], own)
        else:
            cell["figure"] += own
        cell["count"] += 1.0
    return count
