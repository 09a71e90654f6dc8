"""Rows of an answer, kept as columns until they are written, and how they are written.

Thousands of rows as Python objects are many milliseconds of the interpreter's lock, and alarms need
it, too. How columns become text at once is the service's affair (``WriteRows``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy.typing as npt

from api.present import time_text
from domain.readings import Int64s


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of one length: a time, and figures by name; of floats or of whole numbers from 0."""

    time_name: str
    time_ns: Int64s
    figures: Mapping[str, npt.NDArray[Any]]


WriteRows = Callable[[Rows], bytes]
"""Writes rows as a JSON array of objects; a figure that is not finite is null. Called in any thread."""


def row_by_row(rows: Rows) -> bytes:
    """Write rows one after another."""
    names = (rows.time_name, *rows.figures)
    columns = (map(time_text, rows.time_ns.tolist()), *(f.tolist() for f in rows.figures.values()))
    return msgspec.json.encode(
        [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    )
