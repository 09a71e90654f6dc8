"""Features of waveforms: a second of 5,000 channels at 100 Hz, and scipy's Welch for comparison."""

import statistics
import time
from dataclasses import dataclass

import numpy as np
from scipy.signal import welch

from analytics.features.bank import Bank, Inputs
from domain.catalogue import Channel, Feature, Text
from domain.time import NS_PER_S

CHANNELS, RATE_HZ, SECONDS = 5_000, 100, 20
_FIRST_NS = 1_700_000_000 * NS_PER_S
_KINDS = {
    "frequency": {"centre_hz": 0.9, "width_hz": 0.6, "window_s": 600.0, "step_s": 60.0},
    "rolling": {"window_s": 600.0, "step_s": 60.0, "statistic": "rms"},
}


@dataclass(frozen=True, slots=True)
class Waveform:
    """Milliseconds of processor time for a second of data of all channels, by feature; and Welch's."""

    own_ms: dict[str, float]
    welch_ms: float

    @property
    def total_ms(self) -> float:
        return sum(self.own_ms.values())


def measure_waveform() -> Waveform:
    """Advance the dominant frequency and the RMS of all channels, a second at a time."""
    banks = {kind: _bank(kind) for kind in _KINDS}
    spent: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    slot = np.repeat(np.arange(CHANNELS, dtype=np.int32), RATE_HZ)
    none = np.zeros(len(slot), np.uint8)
    value = np.random.default_rng(1).normal(0, 0.1, len(slot))
    for second in range(SECONDS):
        own = _FIRST_NS + second * NS_PER_S + np.arange(RATE_HZ) * (NS_PER_S // RATE_HZ)
        inputs = Inputs(slot, none, np.tile(own, CHANNELS), value, none, none.astype(np.int64))
        for kind, bank in banks.items():
            began_ns = time.process_time_ns()
            bank.advance(inputs)
            spent[kind].append((time.process_time_ns() - began_ns) / 1e6)
    return Waveform({kind: statistics.median(own) for kind, own in spent.items()}, _welch_ms(value))


def _welch_ms(value: np.ndarray) -> float:
    """What a spectrum of each channel's second costs, one call a channel, from a sample of them."""
    some = value.reshape(CHANNELS, RATE_HZ)[: CHANNELS // 20]
    began_ns = time.process_time_ns()
    for one in some:
        welch(one, RATE_HZ, nperseg=RATE_HZ)
    return 20 * (time.process_time_ns() - began_ns) / 1e6


def _bank(kind: str) -> Bank:
    name, interval_s = Text("", ""), 1.0 / RATE_HZ
    source = Channel("a", "f", name, "q", interval_s)
    feature = Feature(kind, ("a",), _KINDS[kind])
    made = [Channel(f"d{k}", "f", name, "q", 60.0, feature=feature) for k in range(CHANNELS)]
    return Bank(kind, [(one, [source]) for one in made])
