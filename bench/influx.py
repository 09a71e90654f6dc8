"""The archive on InfluxDB: the encoder by itself, the server by itself, and the whole service."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from influxdb_client import Point, WritePrecision

from domain.readings import Readings
from storage.archive.influx import LINES_MAX
from storage.archive.lines import Encoder, joined
from tests.servers.influx import InfluxServer, find

_LINES = 10_000
_FIRST_NS = 1_700_000_000 * 10**9
_CEILING_BODIES = 100


@dataclass(frozen=True, slots=True)
class Lines:
    """Nanoseconds a line, the least of many tries."""

    decimals_ns: float  # of two places, as JSON brings them
    narrow_ns: float  # float32 samples, as blocks bring them
    point_ns: float

    @property
    def ratio(self) -> float:
        return self.point_ns / self.decimals_ns


def measure_lines() -> Lines:
    random = np.random.default_rng(1)
    values = random.normal(20, 5, _LINES)
    decimals, narrow = np.round(values, 2), values.astype(np.float32).astype(np.float64)
    few = _readings(decimals[:500])
    rows = zip(few.channel.tolist(), few.time_ns.tolist(), few.value.tolist(), strict=True)
    points = list(rows)

    def with_points() -> None:
        for channel, time_ns, value in points:
            point = Point("reading").tag("channel", few.channel_ids[channel])
            point.field("value", value).field("quality", 1)
            point.time(time_ns, WritePrecision.NS).to_line_protocol()

    return Lines(
        _least_ns(_encoding(decimals), _LINES),
        _least_ns(_encoding(narrow), _LINES),
        _least_ns(with_points, len(points), tries=5),
    )


def _readings(values: np.ndarray, first_ns: int = _FIRST_NS) -> Readings:
    count = len(values)
    return Readings(
        tuple(f"bridge/riverside-{n // 20}/strain-{n % 20}" for n in range(2_000)),
        np.random.default_rng(2).integers(0, 2_000, count).astype(np.int32),
        first_ns + np.arange(count, dtype=np.int64) * 1_234_567,
        values,
        np.ones(count, np.uint8),
    )


def _encoding(values: np.ndarray) -> Callable[[], object]:
    (columns,) = joined([_readings(values)])
    encoder = Encoder(columns.channel_ids)
    return lambda: encoder.encode(columns, 0, _LINES)


def _least_ns(call: Callable[[], object], lines: int, tries: int = 60) -> float:
    call()
    took_ns = []
    for _ in range(tries):
        began_ns = time.perf_counter_ns()
        call()
        took_ns.append(time.perf_counter_ns() - began_ns)
    return min(took_ns) / lines


def influx_there() -> bool:
    return find("influxd") is not None


def measure_ceiling() -> float:
    """Return the readings a second that influxd takes in bodies built before, one after another."""
    values = np.random.default_rng(3).normal(20, 5, LINES_MAX).astype(np.float32)
    bodies = []
    for n in range(_CEILING_BODIES):
        readings = _readings(values.astype(np.float64), _FIRST_NS + n * 20_000_000_000)
        readings.channel = ((np.arange(LINES_MAX) // 100 + 100 * n) % 2_000).astype(np.int32)
        (columns,) = joined([readings])  # in blocks of 100, as they come through the service
        bodies.append(Encoder(columns.channel_ids).encode(columns, 0, LINES_MAX))
    with tempfile.TemporaryDirectory(prefix="lifeline-bench-") as folder:
        server = InfluxServer(Path(folder))
        server.start()
        try:
            server.query("CREATE DATABASE city")
            with httpx.Client(base_url=server.address, timeout=60) as client:
                rates = [_send(client, bodies[part::4]) for part in range(4)]
        finally:
            server.stop()
    return statistics.median(rates)


def _send(client: httpx.Client, bodies: list[bytes]) -> float:
    began_s = time.perf_counter()
    for body in bodies:
        answer = client.post("/write?db=city&precision=n", content=body)
        answer.raise_for_status()
    return LINES_MAX * len(bodies) / (time.perf_counter() - began_s)
