"""``make soak MINUTES=30``: the city's load for a long time, and what becomes of memory and books.

The city lives, a crowd listens and asks, the probe is toggled each second; the service's memory is
looked at every second. It fails where readings are missing, books do not balance, or memory
grows beyond what chance explains.
"""

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench import report
from bench.bed import Bed, rss_mb, running_with
from bench.crowd import Company, Crowd
from bench.isolation import (
    CHANNELS,
    Taken,
    living,
    make_city,
    messages_sent,
    send_year,
    some_channels,
    turn,
)
from bench.report import SOAK

LOOK_S = 1.0
WARM_SHARE = 1 / 3  # of the time, left out of the slope: caches and tables come to their size
GROWTH_MB_H_MAX = 60.0
CROWD = Crowd(listeners=200, requests_per_s=20.0, year=True)

console = Console(stderr=True)


@dataclass(slots=True)
class Soak:
    """What was seen."""

    minutes: float
    channels: int
    rss_mb: list[float] = field(default_factory=list)  # by minute, the median
    rss_most_mb: list[float] = field(default_factory=list)  # by minute
    p50_ms: list[float] = field(default_factory=list)  # by minute
    p99_ms: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)  # the machine's load average, by minute
    host_share: list[float] = field(default_factory=list)  # of all processors, by minute
    quiet_toggles: int = 0  # while the host took next to nothing
    quiet_p50_ms: float | None = None
    quiet_p99_ms: float | None = None
    toggles: int = 0
    sent: int = 0
    frames: int = 0
    stored: int = 0
    unbalanced: int = 0
    journal_mb: float = 0.0
    archive_mb: float = 0.0
    answered: int = 0
    refused: int = 0
    chunks: int = 0
    slope_mb_h: float = 0.0
    slope_error_mb_h: float = 0.0
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def flat(self) -> bool:
        """Whether memory does not grow beyond the bound by more than two standard errors."""
        return self.slope_mb_h - 2 * self.slope_error_mb_h <= GROWTH_MB_H_MAX


def slope(rss_mb: list[float]) -> tuple[float, float]:
    """Return growth in MB an hour and its standard error, of the memory by minute.

    Neighbouring minutes are alike, so the error is taken from the means of eight stretches.
    """
    late = list(enumerate(rss_mb))[int(len(rss_mb) * WARM_SHARE) :]
    if len(late) < 8:
        return 0.0, float("inf")
    parts = np.array_split(np.array(late), 8)
    means = np.array([part.mean(axis=0) for part in parts])
    hours, mb = means[:, 0] / 60, means[:, 1]
    centred = hours - hours.mean()
    growth = float(centred @ mb / (centred @ centred))
    rest = mb - mb.mean() - growth * centred
    error = float(np.sqrt(rest @ rest / (len(mb) - 2) / (centred @ centred)))
    return growth, error


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


class _Look(threading.Thread):
    """Notes the service's memory until it is told to stop."""

    def __init__(self, bed: Bed) -> None:
        super().__init__(daemon=True)
        self._bed = bed
        self._rss_mb: list[float] = []
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(LOOK_S):
            self._rss_mb.append(rss_mb(self._bed.service))

    def note(self, soak: Soak) -> None:
        """Note what was seen since the last time.

        A snapshot's copy is there for seconds of each minute: the median is without it.
        """
        seen, self._rss_mb = self._rss_mb, []
        soak.rss_mb.append(round(float(np.median(seen)), 1))
        soak.rss_most_mb.append(round(max(seen), 1))


def run(minutes: float, channels: int) -> Soak:
    soak, quiet_ms = Soak(minutes, channels, machine=report.machine()), list[float]()
    with running_with(make_city(channels)) as bed:
        send_year(bed)
        before = bed.books()
        with living(bed, channels, minutes * 60 + 60) as city:
            with Company(bed.http_port, CROWD, some_channels(channels)) as company:
                look = _Look(bed)
                look.start()
                for minute in range(max(1, round(minutes))):
                    taken = Taken()
                    turn(bed, 60.0, taken, per_s=1.0)
                    soak.p50_ms.append(round(taken.at(50), 1))
                    soak.p99_ms.append(round(taken.at(99), 1))
                    soak.toggles += len(taken.took_ms)
                    soak.host_share.append(round(taken.host_share, 3))
                    quiet_ms += taken.quiet_ms
                    soak.load.append(round(os.getloadavg()[0], 1))
                    look.note(soak)
                    console.print(
                        f"minute {minute + 1}: p50 {soak.p50_ms[-1]} ms, p99 {soak.p99_ms[-1]} ms, "
                        f"{soak.rss_mb[-1]:.0f} MB, {company.counts}",
                        highlight=False,
                    )
                look.done.set()
                counts = company.counts
            soak.answered, soak.refused = counts["answered"], counts["refused"]
            soak.chunks = counts["chunks"]
            soak.sent = messages_sent(city)
        _close(bed, soak, before)
    soak.quiet_toggles = len(quiet_ms)
    if quiet_ms:
        p50, p99 = np.percentile(quiet_ms, (50, 99))
        soak.quiet_p50_ms, soak.quiet_p99_ms = round(float(p50), 1), round(float(p99), 1)
    soak.slope_mb_h, soak.slope_error_mb_h = slope(soak.rss_mb)
    return soak


def _close(bed: Bed, soak: Soak, before: dict[str, int]) -> None:
    """Wait for the archive, and take the books."""
    bed.until_archived(before.get("frames", 0) + soak.sent + soak.toggles)
    books = bed.books()
    soak.frames = books["frames"] - before.get("frames", 0)
    soak.stored = books["stored"] - before.get("stored", 0)
    soak.unbalanced = bed.unbalanced()
    data = bed.folder / "data"
    soak.journal_mb, soak.archive_mb = size_mb(data / "journal"), size_mb(data / "archive")


def main() -> int:
    minutes = float(os.environ.get("MINUTES", "30"))
    channels = int(os.environ.get("CHANNELS", str(CHANNELS)))
    soak = run(minutes, channels)
    whole = soak.frames == soak.sent + soak.toggles
    SOAK.write_text(json.dumps(asdict(soak), indent=1) + "\n", encoding="utf-8")
    console.print("\n".join(report.soak_lines()), highlight=False)
    if not whole:
        console.print(f"{soak.sent + soak.toggles} frames sent, {soak.frames} counted")
    return 0 if whole and soak.flat and not soak.unbalanced else 1


if __name__ == "__main__":
    sys.exit(main())
