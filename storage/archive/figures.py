"""Figures by bucket, from runs of one channel's readings."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from domain.grade import Quality
from domain.readings import Float64s, Int64s
from storage.archive import Buckets, Series


@dataclass(frozen=True, slots=True)
class _Part:
    """The figures of one run; a bucket may go on in the next."""

    start_ns: Int64s
    count: Int64s
    low: Float64s
    high: Float64s
    mean: Float64s
    last: Float64s


def figures(runs: Iterable[Series], bucket_ns: int) -> Buckets:
    """Return the figures of ``runs``, which follow one another in ascending time.

    Raises ``ValueError`` where ``bucket_ns`` is not positive.
    """
    if bucket_ns <= 0:
        raise ValueError(f"a bucket of {bucket_ns} ns")
    parts = [part for run in runs if (part := _part(run, bucket_ns)) is not None]
    if not parts:
        none = np.empty(0, np.float64)
        return Buckets(np.empty(0, np.int64), np.empty(0, np.int64), none, none, none, none)
    start_ns = np.concatenate([part.start_ns for part in parts])
    count = np.concatenate([part.count for part in parts])
    first = _firsts(start_ns)
    total = np.add.reduceat(count, first)
    weight = count / np.repeat(total, np.diff(np.append(first, len(count))))
    return Buckets(
        start_ns=start_ns[first],
        count=total,
        min=np.minimum.reduceat(np.concatenate([part.low for part in parts]), first),
        max=np.maximum.reduceat(np.concatenate([part.high for part in parts]), first),
        mean=np.add.reduceat(np.concatenate([part.mean for part in parts]) * weight, first),
        last=np.concatenate([part.last for part in parts])[np.append(first[1:], len(count)) - 1],
    )


def _firsts(start_ns: Int64s) -> Int64s:
    """Return where each run of equal values begins."""
    changed = np.flatnonzero(start_ns[1:] != start_ns[:-1]) + 1
    return np.concatenate([np.zeros(1, np.int64), changed])


def _part(run: Series, bucket_ns: int) -> _Part | None:
    good = (run.quality != Quality.FAIL) & (run.quality != Quality.MISSING)
    time_ns, value = run.time_ns[good], run.value[good]
    if len(time_ns) == 0:
        return None
    start_ns = time_ns - time_ns % bucket_ns
    first = _firsts(start_ns)
    ends = np.append(first[1:], len(value))
    count = ends - first
    return _Part(
        start_ns=start_ns[first],
        count=count,
        low=np.minimum.reduceat(value, first),
        high=np.maximum.reduceat(value, first),
        mean=_means(value, first, count),
        last=value[ends - 1],
    )


def _means(value: Float64s, first: Int64s, count: Int64s) -> Float64s:
    """Return the mean of each run, finite even where the sum is beyond a float."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Float64s = np.add.reduceat(value, first) / count
    if not np.isfinite(mean).all():
        scaled: Float64s = np.add.reduceat(value / np.repeat(count, count), first)
        return np.where(np.isfinite(mean), mean, scaled)
    return mean
