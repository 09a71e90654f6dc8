"""``scale``: offset + factor * value, such as a water level from an ultrasonic range."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import Parameter
from compiled import njit
from domain.catalogue import Channel

INPUTS = 1
PARAMETERS = (
    Parameter("offset", "added after the factor", "of the result", default=0.0),
    Parameter("factor", "multiplies the value", default=1.0),
)
CELL = np.dtype([("unused", "u1")])
RECORD = np.dtype([("first", "i8"), ("cells", "i8"), ("offset", "f8"), ("factor", "f8")])


def configure(
    parameters: Mapping[str, Any],
    inputs: Sequence[Channel],  # noqa: ARG001  the protocol's
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return the record's fields that are set once, and no cells."""
    return dict(parameters), np.zeros(0, CELL)


def refuse(parameters: Mapping[str, Any]) -> list[str]:  # noqa: ARG001  the protocol's
    """Any two numbers will do."""
    return []


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:  # noqa: ARG001  the protocol's
    """Emit one reading for each input."""
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        outputs.source[i] = i
        outputs.time_ns[i] = inputs.time_ns[i]
        outputs.value[i] = record["offset"] + record["factor"] * inputs.value[i]
    return len(inputs.slot)
