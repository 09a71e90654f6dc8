"""What a crowd at the interface does to an alarm: its latency alone and in company, in one run.

The two are measured in turn, several times, since the machine is not the same from one minute to
the next; ``python -m bench.isolation [turns] [seconds of each] [pause between years]`` prints each turn.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.bed import Bed, Listener, cpu_s, running_with
from bench.city import DISTRICT, PROBE_GATEWAY
from bench.crowd import Company, Crowd
from bench.latency import figures, toggle, until_come
from bench.probing import Host, took_ms
from bench.wire import connect, publish_packet
from domain.catalogue import Catalogue
from domain.time import NS_PER_S
from ingest.topics import build_data_topic
from ingest.wire import block
from service.children import Child
from service.city_catalogue import city_catalogue
from simulators.city import City

PROBE_FILE = Path(__file__).parent / "probe.yaml"
CHANNELS = 85_000
TURNS, TURN_S, TOGGLES_PER_S = 3, 40.0, 4.0
YEAR_MINUTES = 365 * 24 * 60


def make_city(channels: int = CHANNELS) -> Catalogue:
    """Return the city's catalogue with the probe in it."""
    return city_catalogue(channels, [PROBE_FILE])


@contextmanager
def living(bed: Bed, channels: int, seconds: float) -> Iterator[Child]:
    """Have the city live for at most so long: ``lifeline simulate`` as a process."""
    command = [
        sys.executable, "-m", "service", "simulate", "--city", str(channels),
        "--mqtt-url", f"mqtt://127.0.0.1:{bed.mqtt_port}", "--seconds", str(seconds),
    ]  # fmt: skip
    rows = bed.metric("lifeline_journal_last_row")
    city = Child("city", command, bed.folder / "city.log")
    try:
        bed.until_journaled(rows + channels / 60)
        yield city
    finally:
        city.stop()


def messages_sent(city: Child) -> int:
    """Wait until the city ends by itself, when the broker has everything; return how much that was."""
    city.wait(300)
    words = city.last_words(3)
    return int(words.rpartition(" messages sent")[0].rpartition("\n")[2].replace(",", ""))


def send_year(bed: Bed) -> None:
    """Send a year of minutes of the probe's history, as a gateway that was away would."""
    frames = bed.books().get("frames", 0)
    sock = connect(bed.mqtt_port, "bench-history")
    topic = build_data_topic(DISTRICT, PROBE_GATEWAY, "block")
    step_ns, count = 60 * NS_PER_S, 500
    first_ns = time.time_ns() - YEAR_MINUTES * step_ns
    values = np.random.default_rng(3).normal(20, 2, (YEAR_MINUTES // count, count))
    for number, samples in enumerate(values.astype(np.float32)):
        payload = block.encode("history", first_ns + number * count * step_ns, step_ns, samples)
        sock.sendall(publish_packet(topic, payload, number))
        sock.recv(4)
    sock.close()
    bed.until_archived(frames + len(values))


@dataclass(slots=True)
class Taken:
    """Milliseconds from publish to transition of many toggles, and what the service used.

    ``took_ms`` is by the listener that came last of all, to which an event is written when all others
    have it; ``resident_ms`` by one that was there before any crowd.
    """

    took_ms: list[float] = field(default_factory=list)
    resident_ms: list[float] = field(default_factory=list)
    quiet_ms: list[float] = field(default_factory=list)  # those while the host took next to nothing
    host_s: float = 0.0  # how long the host took all processors, or as much of some
    seconds: float = 0.0
    cpu_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    def at(self, q: float) -> float:
        return float(np.percentile(self.took_ms, q))

    @property
    def host_share(self) -> float:
        """What the host took of all processors."""
        return self.host_s / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        cores = self.cpu_s / self.seconds if self.seconds else 0.0
        return (
            f"{figures(self.took_ms)}; while the host was quiet {figures(self.quiet_ms)}; "
            f"by who was there before {figures(self.resident_ms)}; "
            f"service {cores:.2f} cores, host {self.host_share:.0%} {self.counts}"
        )


@dataclass(slots=True)
class Isolation:
    """Both sides of the comparison."""

    alone: Taken = field(default_factory=Taken)
    in_company: Taken = field(default_factory=Taken)

    def ratios(self, which: str = "took_ms") -> tuple[float, float]:
        """Return how many times as long p50 and p99 are in company, of these durations of each."""
        alone = np.percentile(getattr(self.alone, which), (50, 99))
        p50, p99 = np.percentile(getattr(self.in_company, which), (50, 99)) / alone
        return float(p50), float(p99)

    def __str__(self) -> str:
        kinds = {
            "resident_ms": "who was there before",
            "took_ms": "who came last",
            "quiet_ms": "who came last, while the host was quiet",
        }
        words = []
        for which, meaning in kinds.items():
            if getattr(self.alone, which) and getattr(self.in_company, which):
                p50, p99 = self.ratios(which)
                words.append(f"{meaning}: p50 × {p50:.2f}, p99 × {p99:.2f}")
        return "; ".join(words)


def measure_isolation(
    bed: Bed, crowd: Crowd, *, turns: int = TURNS, turn_s: float = TURN_S, say: bool = False
) -> Isolation:
    """Toggle the probe alone and in company, in turn; the city is to live meanwhile."""
    found = Isolation()
    channels = some_channels()
    with listening(bed) as resident:
        for _ in range(turns):
            turn(bed, turn_s, found.alone, resident)
            with Company(bed.http_port, crowd, channels) as company:
                _until_there(company, crowd)
                before = company.counts
                turn(bed, turn_s, found.in_company, resident)
                for name, count in company.counts.items():
                    lately = count if name == "listeners" else count - before[name]
                    found.in_company.counts[name] = found.in_company.counts.get(name, 0) + lately
            if say:
                sys.stdout.write(f"alone:      {found.alone}\nin company: {found.in_company}\n")
                sys.stdout.flush()
    return found


@contextmanager
def listening(bed: Bed) -> Iterator[Listener]:
    """Listen to the event stream."""
    listener = Listener(bed.http_port)
    listener.start()
    try:
        yield listener
    finally:
        listener.close()


def some_channels(channels: int = CHANNELS) -> list[str]:
    """Return the ids of some channels of the city, the busiest first: one of 100 Hz."""
    city = City(channels, part=0, parts=25)
    wave = next(f for f in city.facilities if f.varieties[-1].quantity == "acceleration")
    return [f"{wave.id}/{wave.names[-1]}", *(f"{f.id}/{f.names[0]}" for f in city.facilities)]


def _until_there(company: Company, crowd: Crowd) -> None:
    deadline_s = time.monotonic() + 60
    while company.counts["listeners"] < crowd.listeners and time.monotonic() < deadline_s:
        time.sleep(0.2)
    time.sleep(1.0)


def turn(
    bed: Bed,
    seconds: float,
    taken: Taken,
    resident: Listener | None = None,
    *,
    per_s: float = TOGGLES_PER_S,
) -> None:
    """Toggle the probe for so long, and add how long each transition took."""
    host = Host()
    try:
        with listening(bed) as listener:  # the last of all to come
            used_s, began_s = cpu_s(bed.service), time.monotonic()
            sent_s = toggle(bed.mqtt_port, 2 * int(seconds * per_s / 2), seconds)
            taken.cpu_s += cpu_s(bed.service) - used_s
            ended_s = time.monotonic()
            taken.seconds += ended_s - began_s
            until_come(listener, sent_s)
            if resident is not None:
                until_come(resident, sent_s)
    finally:
        host.finish()
    taken.host_s += host.share(began_s, ended_s) * (ended_s - began_s)
    taken.took_ms += took_ms(listener.came_s, sent_s)
    taken.quiet_ms += took_ms(listener.came_s, sent_s, host)
    if resident is not None:
        taken.resident_ms += took_ms(resident.came_s, sent_s)


def main() -> int:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    turn_s = float(sys.argv[2]) if len(sys.argv) > 2 else TURN_S
    crowd = Crowd(year_pause_s=float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
    with running_with(make_city()) as bed:
        send_year(bed)  # before there is always something pending
        with living(bed, CHANNELS, 900):
            time.sleep(15.0)
            found = measure_isolation(bed, crowd, turns=turns, turn_s=turn_s, say=True)
        sys.stdout.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
