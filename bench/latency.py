"""How long it takes from a publish to its transition on the SSE stream, under load."""

import time
from dataclasses import dataclass

import numpy as np

from bench.bed import Bed, Listener
from bench.city import DISTRICT, PROBE_GATEWAY, PROBE_LIMIT, Load
from bench.wire import Sender, connect, publish_packet
from domain.time import NS_PER_MS, format_rfc3339
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


def measure_latency(bed: Bed, load: Load, rate: float, toggles: int, seconds: float) -> Latency:
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
