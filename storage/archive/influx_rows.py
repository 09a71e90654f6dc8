"""What is asked of InfluxDB in InfluxQL, and its rows as readings and figures."""

from collections.abc import Sequence

import numpy as np

from domain.grade import Quality
from storage.archive import Buckets, Series
from storage.archive.influx_server import Row
from storage.archive.lines import UNUSUAL


def quoted(text: str) -> str:
    """Return a text as InfluxQL quotes it."""
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{text}'"


def where(channel_id: str, start_ns: int, end_ns: int) -> str:
    """Return the condition for a channel in [start, end)."""
    # The last time there is has no later one to stand behind it.
    return f"WHERE channel = {quoted(channel_id)} AND time >= {start_ns} AND time <= {end_ns - 1}"


def as_series(rows: Sequence[Row]) -> Series:
    """Return rows of (time, value, code); those of a write under way are left out."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    time_ns = np.array(columns[0], np.int64)
    value = np.array(columns[1], np.float64)  # None becomes NaN
    code = np.nan_to_num(np.array(columns[2], np.float64)).astype(np.int64)
    quality = (code % UNUSUAL).astype(np.uint8)
    without = (code < UNUSUAL) == (quality == Quality.MISSING)
    value[without] = np.nan
    whole = (code > 0) & (without | ~np.isnan(value))
    return Series(time_ns[whole], value[whole], quality[whole])


def as_buckets(rows: Sequence[Row]) -> Buckets:
    """Return rows of (start, count, min, max, mean, last); those of a write under way are left out."""
    whole = [row for row in rows if row[1] is not None]
    columns = list(zip(*whole, strict=True)) or [()] * 6
    start, count, low, high, mean, last = columns
    floats = [np.array(column, np.float64) for column in (low, high, mean, last)]
    return Buckets(np.array(start, np.int64), np.array(count, np.int64), *floats)
