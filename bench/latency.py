"""How long it takes from a publish to its transition on the SSE stream, under load."""

import time
from dataclasses import dataclass

import numpy as np

from bench.bed import Bed, Listener
from bench.city import DISTRICT, PROBE_GATEWAY, PROBE_LIMIT, Load
from bench.probing import Host, took_ms
from bench.wire import Sender, connect, publish_packet
from domain.time import NS_PER_MS, format_rfc3339
from ingest.topics import build_data_topic

_LOST_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from publish to transition, over ``count`` toggles of the probe."""

    count: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    sent_per_s: float  # of the background load
    host_share: float  # of all processors
    quiet: str  # the same figures of the toggles while the host took next to nothing


def figures(took_ms: list[float]) -> str:
    """Return what people want to know of many durations, in words."""
    if not took_ms:
        return "0 toggles"
    p50, p90, p99, worst = np.percentile(took_ms, (50, 90, 99, 100))
    return (
        f"{len(took_ms)} toggles, p50 {p50:.1f}, p90 {p90:.1f}, p99 {p99:.1f}, worst {worst:.1f} ms"
    )


def until_come(listener: Listener, sent_s: dict[str, float]) -> None:
    """Return when each toggle's transition has come; raises where one does not."""
    deadline_s = time.monotonic() + _LOST_AFTER_S
    while (lost := len(sent_s.keys() - listener.came_s.keys())) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    if lost:
        raise RuntimeError(f"{lost} of {len(sent_s)} transitions did not come")


def measure_latency(bed: Bed, load: Load, rate: float, toggles: int, seconds: float) -> Latency:
    """Toggle the probe across its limit while a load runs, and wait for each transition."""
    sender, listener = Sender(bed.mqtt_port, load.payloads, rate), Listener(bed.http_port)
    host = Host()
    try:
        listener.start()
        sender.ready()
        sender.start()
        time.sleep(2.0)
        began_s = time.monotonic()
        sent_s = toggle(bed.mqtt_port, toggles, seconds)
        ended_s = time.monotonic()
        until_come(listener, sent_s)
        times = sender.result()
    finally:
        sender.stop()
        listener.close()
        host.finish()
    all_ms = took_ms(listener.came_s, sent_s)
    messages = sum(1 for _ in load.payloads())
    return Latency(
        len(all_ms),
        *(float(np.percentile(all_ms, q)) for q in (50, 99, 100)),
        sent_per_s=messages / (times.last_s - times.first_s),
        host_share=host.share(began_s, ended_s),
        quiet=figures(took_ms(listener.came_s, sent_s, host)),
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
