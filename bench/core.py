"""The core by itself: nanoseconds a quiet reading, against what numpy needs for the bare compares."""

import statistics
import time
from dataclasses import dataclass

import numpy as np

from analytics.core import Core
from bench.city import make_catalogue
from domain.readings import Batch
from domain.time import NS_PER_S

_BATCHES = 40
_BATCH_READINGS = 20_000
_FIRST_NS = 1_700_000_000 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nanoseconds of processor time a reading; all of ``Core.step``, not only its compiled pass."""

    channels: int
    core_ns: float
    floor_ns: float

    @property
    def ratio(self) -> float:
        return self.core_ns / self.floor_ns


def measure_quiet(channels: int) -> Quiet:
    """Judge fresh batches of quiet readings, each followed by the floor over the same readings."""
    catalogue = make_catalogue(channels, 20, faults=False)  # at rest they are not looked at
    core = Core(catalogue)
    measured = np.flatnonzero([c.sent_as is not None for c in catalogue.channels])[:channels]
    random = np.random.default_rng(3)
    highs = [np.full(len(catalogue.channels), 100.0 + 20 * k) for k in range(4)]
    lows = [-high for high in highs]
    spent: list[tuple[float, float]] = []
    for number in range(_BATCHES):
        batch = _batch(measured.astype(np.int32), number, random)
        began_s = time.process_time_ns()
        core.step(batch)
        judged_s = time.process_time_ns()
        _floor(batch, highs, lows)
        spent.append((judged_s - began_s, time.process_time_ns() - judged_s))
    spent = spent[_BATCHES // 4 :]  # compiled and warm
    core_ns, floor_ns = (
        statistics.median(one) / _BATCH_READINGS for one in zip(*spent, strict=True)
    )
    return Quiet(channels, core_ns, floor_ns)


def _batch(measured: np.ndarray, number: int, random: np.random.Generator) -> Batch:
    """Return readings of channels in no order; of each channel later than its last."""
    count = _BATCH_READINGS
    time_ns = _FIRST_NS + (number * count + np.arange(count)) * 1_000_000
    return Batch(
        seq=np.arange(number * count, number * count + count, dtype=np.int64),
        channel=random.choice(measured, count),
        time_ns=time_ns,
        value=random.normal(20, 2, count),
        received_ns=time_ns,
        flags=np.zeros(count, np.uint8),
    )


def _floor(batch: Batch, highs: list[np.ndarray], lows: list[np.ndarray]) -> np.ndarray:
    """Gather eight limits and compare with each: the least that grading can be."""
    channel, value = batch.channel, batch.value
    beyond = np.zeros(len(value), np.bool_)
    for high, low in zip(highs, lows, strict=True):
        beyond |= value >= high[channel]
        beyond |= value <= low[channel]
    return beyond
