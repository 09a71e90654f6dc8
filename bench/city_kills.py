"""``kill -9`` of the service under the city's load: is anything lost or doubled, how soon is it back?

``python -m bench.city_kills 5`` has the city live, toggles the probe all the while, and kills the
service so often. Afterwards every frame sent must be counted once, the archive must hold what is
counted as stored, and each toggle must have made its transition, once.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console

from bench import report
from bench.bed import Bed, running_with
from bench.city import PROBE
from bench.isolation import CHANNELS, living, make_city, messages_sent
from bench.latency import toggle
from bench.report import CITY_KILLS
from storage.archive.duck import DuckArchive

KILLS, EVERY_S = 5, 40.0
TOGGLES_PER_S = 2.0
CAUGHT_UP_ROWS = 5_000  # about a second and a half of the city

console = Console(stderr=True)


@dataclass(slots=True)
class CityKills:
    """What was done, and what was found; seconds are from the kill."""

    channels: int
    kills: int = 0
    ready_s: list[float] = field(default_factory=list)
    caught_up_s: list[float] = field(default_factory=list)
    sent: int = 0
    frames: int = 0
    duplicates: int = 0
    stored: int = 0
    archived: int = 0
    toggles: int = 0
    toggles_missing: int = 0
    toggles_doubled: int = 0
    unbalanced: int = 0
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """Whether nothing is missing and nothing is doubled."""
        return (
            self.frames - self.duplicates == self.sent + self.toggles
            and self.archived == self.stored
            and not (self.toggles_missing or self.toggles_doubled or self.unbalanced)
        )


class _Toggler(threading.Thread):
    """Toggles the probe for so long; ``sent_s`` are the event times when it has ended."""

    def __init__(self, bed: Bed, seconds: float) -> None:
        super().__init__(daemon=True)
        self._port, self._seconds = bed.mqtt_port, seconds
        self.sent_s: dict[str, float] = {}

    def run(self) -> None:
        self.sent_s = toggle(self._port, 2 * int(self._seconds * TOGGLES_PER_S / 2), self._seconds)


def run(kills: int, channels: int) -> CityKills:
    found = CityKills(channels, machine=report.machine())
    seconds = (kills + 1) * EVERY_S
    city_of = make_city(channels)
    with running_with(city_of) as bed:
        before = bed.books()
        with living(bed, channels, seconds + 20) as city:
            toggler = _Toggler(bed, seconds)
            toggler.start()
            for _ in range(kills):
                time.sleep(EVERY_S / 2)
                _kill(bed, found)
                time.sleep(EVERY_S / 2)
            toggler.join(seconds + 60)
            found.sent = messages_sent(city)
        found.toggles = len(toggler.sent_s)
        _close(bed, found, before, toggler.sent_s)
        found.archived = _archived(bed, [one.id for one in city_of.channels if one.feature])
    return found


def _kill(bed: Bed, found: CityKills) -> None:
    began_s = time.monotonic()
    bed.kill_service()
    bed.start_service()
    found.ready_s.append(round(time.monotonic() - began_s, 1))
    while (
        bed.metric("lifeline_journal_last_row") - bed.metric("lifeline_judged_row") > CAUGHT_UP_ROWS
    ):
        time.sleep(0.1)
    found.caught_up_s.append(round(time.monotonic() - began_s, 1))
    found.kills += 1
    console.print(f"kill {found.kills}: ready {found.ready_s[-1]} s, up {found.caught_up_s[-1]} s")


def _close(bed: Bed, found: CityKills, before: dict[str, int], sent_s: dict[str, float]) -> None:
    """Wait for the archive, and compare what is counted with what was sent."""
    bed.until_archived(before.get("frames", 0) + found.sent + found.toggles)
    books = bed.books()
    found.frames = books["frames"] - before.get("frames", 0)
    found.duplicates = books["duplicates"] - before.get("duplicates", 0)
    found.stored = books["stored"]
    found.unbalanced = bed.unbalanced()
    times = Counter(
        one["time"]
        for one in bed.items("/api/v1/transitions")
        if one["alarm"]["channel"] == PROBE and one["alarm"]["condition"] == "high"
    )
    found.toggles_missing = len(sent_s.keys() - times.keys())
    found.toggles_doubled = sum(times[when] > 1 for when in sent_s)


def _archived(bed: Bed, derived: list[str]) -> int:
    """Stop the service, and count what its files hold of measured channels: those in the books."""
    bed.service.stop()
    archive = DuckArchive.open(bed.folder / "data" / "archive")
    try:
        counts = archive.count_by_channel()
        return sum(counts.values()) - sum(counts.get(channel, 0) for channel in derived)
    finally:
        archive.close()


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    found = run(kills, int(os.environ.get("CHANNELS", str(CHANNELS))))
    CITY_KILLS.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    console.print("\n".join(report.city_kills_lines()), highlight=False)
    return 0 if found.is_exact else 1


if __name__ == "__main__":
    sys.exit(main())
