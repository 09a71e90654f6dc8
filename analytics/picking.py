"""Some fields of every record, in one compiled pass: what a snapshot copies while the judgement waits.

Field by field, numpy walks over all records once for each field, and each walk misses the cache anew.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from compiled import njit
from compiled.machine import load8, store8


def pick(records: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the fields of ``dtype`` of contiguous ``records``, those that they have; others are 0."""
    picked = np.zeros(len(records), dtype)
    runs = _runs(records.dtype, dtype)
    if len(records) and len(runs):
        source = records.view(np.uint8).reshape(len(records), records.dtype.itemsize)
        target = picked.view(np.uint8).reshape(len(picked), dtype.itemsize)
        _copy(source, target, runs)
    return picked


def copied(records: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy of contiguous ``records``: as bytes, numpy takes a quarter of the time."""
    return records.view(np.uint8).copy().view(records.dtype)


def _runs(source: np.dtype[Any], target: np.dtype[Any]) -> npt.NDArray[np.int64]:
    """Return what is copied of a record: (from, to, bytes), neighbours together."""
    places: Mapping[str, Any] = source.fields or {}
    runs: list[list[int]] = []
    for name, (kind, to, *_) in (target.fields or {}).items():
        if name not in places:
            continue
        if places[name][0] != kind:
            raise TypeError(f"field {name} is of another type")
        here = places[name][1]
        if runs and runs[-1][0] + runs[-1][2] == here and runs[-1][1] + runs[-1][2] == to:
            runs[-1][2] += kind.itemsize
        else:
            runs.append([here, to, kind.itemsize])
    return np.array(runs, np.int64).reshape(-1, 3)


@njit
def _copy(source: Any, target: Any, runs: Any) -> None:
    """Copy runs of each record, eight bytes at a time as long as there are so many."""
    begin, end = np.uint64(source.ctypes.data), np.uint64(target.ctypes.data)
    for i in range(len(source)):
        from_record = begin + np.uint64(i * source.shape[1])
        to_record = end + np.uint64(i * target.shape[1])
        for r in range(len(runs)):
            here, to, count = runs[r, 0], runs[r, 1], runs[r, 2]
            place = 0
            while place + 8 <= count:
                word = load8(from_record + np.uint64(here + place))
                store8(to_record + np.uint64(to + place), word)
                place += 8
            while place < count:
                target[i, to + place] = source[i, here + place]
                place += 1
