"""How long it takes from a publish to its transition on the SSE stream, under load."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.bed import Bed, Listener
from bench.city import DISTRICT, PROBE_GATEWAY, PROBE_LIMIT, Load
from bench.wire import Sender, connect, publish_packet
from domain.time import NS_PER_MS, NS_PER_S, format_rfc3339
from ingest.topics import build_data_topic

_LOST_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from publish to transition, over ``count`` toggles of the probe."""

    count: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    sent_per_s: float  # of the background load


class Mixed:
    """A city's minute, cut to what is asked: single JSON readings, and blocks each second."""

    def __init__(
        self, channels: int, gateways: int, blocks_per_s: int, seconds: int, first_ns: int
    ) -> None:
        self.json_per_s = channels // 60
        self.blocks_per_s = blocks_per_s
        self._seconds = seconds
        blocks, singles = blocks_per_s * seconds, self.json_per_s * seconds
        self._blocks = Load(blocks, 100, blocks_per_s, gateways, first_ns)
        self._json = Load(
            singles, 0, channels - blocks_per_s, gateways, first_ns, 60 * NS_PER_S, blocks_per_s
        )

    @property
    def rate(self) -> float:
        return float(self.json_per_s + self.blocks_per_s)

    def payloads(self) -> Iterator[tuple[str, bytes]]:
        blocks, singles = self._blocks.payloads(), self._json.payloads()
        share = self.json_per_s // self.blocks_per_s
        for _ in range(self._seconds):
            left = self.json_per_s
            for _ in range(self.blocks_per_s):
                yield next(blocks)
                yield from (next(singles) for _ in range(share))
                left -= share
            yield from (next(singles) for _ in range(left))


def measure_latency(
    bed: Bed, load: Load | Mixed, rate: float, toggles: int, seconds: float
) -> Latency:
    """Toggle the probe across its limit while a load runs, and wait for each transition."""
    sender, listener = Sender(bed.mqtt_port, load.payloads, rate), Listener(bed.http_port)
    try:
        listener.start()
        sender.ready()
        sender.start()
        time.sleep(2.0)
        sent_s = toggle(bed.mqtt_port, toggles, seconds)
        deadline_s = time.monotonic() + _LOST_AFTER_S
        while len(listener.came_s) < len(sent_s) and time.monotonic() < deadline_s:
            time.sleep(0.05)
        times = sender.result()
    finally:
        sender.stop()
        listener.close()
    lost = len(sent_s) - len(listener.came_s.keys() & sent_s.keys())
    if lost:
        raise RuntimeError(f"{lost} of {len(sent_s)} transitions did not come")
    took_ms = [(listener.came_s[when] - at_s) * 1e3 for when, at_s in sent_s.items()]
    messages = sum(1 for _ in load.payloads())
    return Latency(
        len(took_ms),
        *(float(np.percentile(took_ms, q)) for q in (50, 99, 100)),
        sent_per_s=messages / (times.last_s - times.first_s),
    )


def toggle(mqtt_port: int, toggles: int, seconds: float) -> dict[str, float]:
    """Send the probe over and under its limit in turn; return when, by its event time."""
    sock = connect(mqtt_port, "bench-probe")
    topic = build_data_topic(DISTRICT, PROBE_GATEWAY, "json")
    pauses = np.random.default_rng(2).uniform(0.5, 1.5, toggles) * seconds / toggles
    sent_s: dict[str, float] = {}
    for number, pause_s in enumerate(pauses.tolist()):
        # Event times are of the present, on whole milliseconds, no two alike.
        text = format_rfc3339(time.time_ns() // NS_PER_MS * NS_PER_MS)
        value = PROBE_LIMIT + (50 if number % 2 == 0 else -50)
        payload = f'{{"ts":"{text}","values":{{"level":{value}}}}}'.encode()
        sent_s[text] = time.monotonic()
        sock.sendall(publish_packet(topic, payload, number))
        sock.recv(4)
        time.sleep(pause_s)
    if toggles % 2:  # the next measurement begins under the limit
        raise ValueError("an even number of toggles")
    sock.close()
    return sent_s
