"""Series of one channel as columns: from a query, cut, and one reading of each time."""

from typing import Any

from storage.archive import Series, keep_newest_of_each_time


def series_of(columns: Any) -> Series:
    """Return the rows of an Arrow table or batch."""
    return Series(*(columns.column(name).to_numpy() for name in ("time_ns", "value", "quality")))


def first_of(series: Series, count: int) -> Series:
    """Return the first ``count`` readings."""
    return Series(series.time_ns[:count], series.value[:count], series.quality[:count])


def deduplicated(series: Series) -> Series:
    """Return the last of the readings of each time."""
    mask = keep_newest_of_each_time(series.time_ns)
    if mask.all():
        return series
    return Series(series.time_ns[mask], series.value[mask], series.quality[mask])
