"""Figures by bucket, from runs of one channel's readings and from summaries of those that are gone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from domain.grade import Quality
from domain.readings import Float64s, Int64s
from storage.archive import Buckets, Series


@dataclass(frozen=True, slots=True)
class Summarised:
    """Figures of one channel by smaller buckets; a bucket may stand here several times.

    ``last`` is the value of the newest reading, whose time is ``last_ns``.
    """

    start_ns: Int64s
    count: Int64s
    min: Float64s
    max: Float64s
    mean: Float64s
    last: Float64s
    last_ns: Int64s


def figures(runs: Iterable[Series | Summarised], bucket_ns: int) -> Buckets:
    """Return the figures of ``runs``: of readings, each run later than the last, and of summaries.

    Raises ``ValueError`` where ``bucket_ns`` is not positive.
    """
    if bucket_ns <= 0:
        raise ValueError(f"a bucket of {bucket_ns} ns")
    found = (_of(run, bucket_ns) for run in runs)
    parts = [part for part in found if part is not None]
    if not parts:
        none = np.empty(0, np.float64)
        return Buckets(np.empty(0, np.int64), np.empty(0, np.int64), none, none, none, none)
    return _joined(parts)


def _joined(parts: list[Summarised]) -> Buckets:
    """Return the parts' figures, one of each start; a bucket may go on from one to the next."""
    start_ns = np.concatenate([part.start_ns for part in parts])
    order = np.lexsort((np.concatenate([part.last_ns for part in parts]), start_ns))
    start_ns = start_ns[order]
    count = np.concatenate([part.count for part in parts])[order]
    mean = np.concatenate([part.mean for part in parts])[order]
    first = _firsts(start_ns)
    total = np.add.reduceat(count, first)
    weight = count / np.repeat(total, np.diff(np.append(first, len(count))))
    ends = np.append(first[1:], len(count)) - 1
    return Buckets(
        start_ns=start_ns[first],
        count=total,
        min=np.minimum.reduceat(np.concatenate([part.min for part in parts])[order], first),
        max=np.maximum.reduceat(np.concatenate([part.max for part in parts])[order], first),
        mean=np.add.reduceat(mean * weight, first),
        last=np.concatenate([part.last for part in parts])[order][ends],
    )


def _firsts(start_ns: Int64s) -> Int64s:
    """Return where each run of equal values begins."""
    changed = np.flatnonzero(start_ns[1:] != start_ns[:-1]) + 1
    return np.concatenate([np.zeros(1, np.int64), changed])


def _of(run: Series | Summarised, bucket_ns: int) -> Summarised | None:
    """Return the figures of one run by buckets, or by parts of them."""
    if isinstance(run, Summarised):
        start_ns = run.start_ns - run.start_ns % bucket_ns
        figures_ = run.count, run.min, run.max, run.mean, run.last, run.last_ns
        return Summarised(start_ns, *figures_) if len(start_ns) else None
    good = (run.quality != Quality.FAIL) & (run.quality != Quality.MISSING)
    time_ns, value = run.time_ns[good], run.value[good]
    if len(time_ns) == 0:
        return None
    start_ns = time_ns - time_ns % bucket_ns
    first = _firsts(start_ns)
    ends = np.append(first[1:], len(value))
    count = ends - first
    return Summarised(
        start_ns=start_ns[first],
        count=count,
        min=np.minimum.reduceat(value, first),
        max=np.maximum.reduceat(value, first),
        mean=means(value, first, count),
        last=value[ends - 1],
        last_ns=time_ns[ends - 1],
    )


def means(value: Float64s, first: Int64s, count: Int64s) -> Float64s:
    """Return the mean of each run, finite even where the sum is beyond a float."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Float64s = np.add.reduceat(value, first) / count
    if not np.isfinite(mean).all():
        scaled: Float64s = np.add.reduceat(value / np.repeat(count, count), first)
        return np.where(np.isfinite(mean), mean, scaled)
    return mean
