"""Series of one channel as columns: from a query, cut, and one reading of each time."""

from typing import Any

import numpy as np

from storage.archive import Series, keep_newest_of_each_time


def series_of(columns: Any) -> Series:
    """Return the rows of an Arrow table or batch."""
    return Series(*(columns.column(name).to_numpy() for name in ("time_ns", "value", "quality")))


def ordered(rows: Any) -> Series:
    """Return rows with their rank (``slice``, ``place``) by time, of equal times the valid one last."""
    time_ns = rows.column("time_ns").to_numpy()
    if (time_ns[1:] > time_ns[:-1]).all():
        return series_of(rows)
    order = np.lexsort((rows.column("place").to_numpy(), rows.column("slice").to_numpy(), time_ns))
    series = series_of(rows)
    return Series(series.time_ns[order], series.value[order], series.quality[order])


def first_of(series: Series, count: int) -> Series:
    """Return the first ``count`` readings."""
    return Series(series.time_ns[:count], series.value[:count], series.quality[:count])


def deduplicated(series: Series) -> Series:
    """Return the last of the readings of each time."""
    mask = keep_newest_of_each_time(series.time_ns)
    if mask.all():
        return series
    return Series(series.time_ns[mask], series.value[mask], series.quality[mask])
