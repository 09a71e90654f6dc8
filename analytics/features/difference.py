"""``difference``: a - scale * b, such as a tilt between two piers or a temperature-free strain.

Emitted at each reading of ``a``, with the newest good value of ``b`` at that place in the journal,
unless that value is older than ``age_s_max`` or there is none yet.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import AGE_S_MAX, Parameter, age_ns_max
from compiled import njit
from domain.catalogue import Channel

INPUTS = 2
PARAMETERS = (
    Parameter("scale", "multiplies the second input", default=1.0),
    AGE_S_MAX,
)
CELL = np.dtype([("unused", "u1")])
RECORD = np.dtype(
    [
        ("first", "i8"),
        ("cells", "i8"),
        ("scale", "f8"),
        ("age_ns_max", "i8"),
        ("partner_ns", "i8"),
        ("partner", "f8"),
        ("has_partner", "u1"),
    ]
)


def configure(
    parameters: Mapping[str, Any], inputs: Sequence[Channel]
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return scale and greatest age, and no cells."""
    return {
        "scale": parameters["scale"],
        "age_ns_max": age_ns_max(parameters, inputs[1]),
    }, np.zeros(0, CELL)


def refuse(parameters: Mapping[str, Any]) -> list[str]:  # noqa: ARG001  the protocol's
    """Scale and age are free of one another."""
    return []


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:  # noqa: ARG001  the protocol's
    """Emit one reading for each reading of the first input that has a fresh partner."""
    count = 0
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        if inputs.port[i] == 1:
            record["partner"] = inputs.value[i]
            record["partner_ns"] = inputs.time_ns[i]
            record["has_partner"] = 1
        elif (
            record["has_partner"]
            and inputs.time_ns[i] - record["partner_ns"] <= record["age_ns_max"]
        ):
            outputs.source[count] = i
            outputs.time_ns[count] = inputs.time_ns[i]
            outputs.value[count] = inputs.value[i] - record["scale"] * record["partner"]
            count += 1
    return count
