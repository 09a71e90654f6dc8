"""``code``: a fault code, as lifts and controllers send them, becomes a grade number 0 to 4.

Code 0 is normal unless listed. Codes that are not listed, and values that are no whole number, take
``default``. Lift codes are those of GB/T 24476-2017 as implemented, 90 being the alarm button of
somebody trapped; which grade a code has is the catalogue's to say.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.protocol import Parameter
from compiled import njit
from domain.catalogue import Channel
from domain.grade import Grade

INPUTS = 1
_WORDS = tuple(grade.word for grade in Grade)
PARAMETERS = (
    Parameter("codes", "grade of each code", kind="grades", choices=_WORDS),
    Parameter(
        "default",
        "grade of codes that are not listed, other than 0",
        default="blue",
        kind="choice",
        choices=_WORDS,
    ),
)
CELL = np.dtype([("code", "f8"), ("grade", "f8")])
RECORD = np.dtype([("first", "i8"), ("cells", "i8"), ("default", "f8")])


def configure(
    parameters: Mapping[str, Any],
    inputs: Sequence[Channel],  # noqa: ARG001  the protocol's
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """Return the default grade, and one cell for each code in rising order, 0 among them."""
    grades = {0: Grade.NORMAL}
    grades |= {int(code): Grade.from_word(word) for code, word in parameters["codes"].items()}
    cells = np.array(sorted(grades.items()), dtype=np.float64).reshape(-1, 2)
    table = np.zeros(len(cells), CELL)
    table["code"], table["grade"] = cells.T
    return {"default": float(Grade.from_word(parameters["default"]))}, table


def refuse(parameters: Mapping[str, Any]) -> list[str]:  # noqa: ARG001  the protocol's
    """Codes and words have been looked at one by one."""
    return []


@njit
def advance(records: Any, cells: Any, inputs: Any, outputs: Any) -> int:
    """Emit the grade of each input."""
    for i in range(len(inputs.slot)):
        record = records[inputs.slot[i]]
        first, last = record["first"], record["first"] + record["cells"]
        while first < last:  # the first cell whose code is not below the value
            middle = (first + last) // 2
            if cells[middle]["code"] < inputs.value[i]:
                first = middle + 1
            else:
                last = middle
        known = (
            first < record["first"] + record["cells"] and cells[first]["code"] == inputs.value[i]
        )
        outputs.source[i] = i
        outputs.time_ns[i] = inputs.time_ns[i]
        outputs.value[i] = cells[first]["grade"] if known else record["default"]
    return len(inputs.slot)
