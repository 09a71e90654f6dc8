"""The measurements, each made once and only when a row asks for it."""

import tempfile
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from bench.archive import History, measure_history
from bench.bed import Bed, running_service, running_with
from bench.city import Blocks, Load, wave_channels
from bench.core import Quiet, measure_quiet
from bench.crowd import Crowd
from bench.influx import Lines, measure_ceiling, measure_lines
from bench.isolation import (
    Isolation,
    Taken,
    living,
    make_city,
    measure_isolation,
    send_year,
    turn,
)
from bench.latency import Latency, measure_latency
from bench.stages import Stages, measure_stages
from bench.throughput import Passage, measure_broker_alone, measure_passages, median_of
from bench.waveform import Waveform, measure_waveform
from domain.time import NS_PER_S
from tests.servers.influx import InfluxServer

CHANNELS, GATEWAYS = 2_000, 20
RUNS = 3
PACE = 20_000.0  # messages a second
CITY_CHANNELS, CITY_WAVES = 85_000, 200
ISOLATION_S = 900.0  # at most: it is ended when both sides are measured
ARCHIVE_SLICE_ROWS = 4_000_000
HISTORY_CHANNELS = 240  # a day of one reading a second: 20.7 million


class Lab:
    """Holds what several rows share; ``close`` stops every child."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._beds: dict[int, Bed] = {}

    def close(self) -> None:
        self._stack.close()

    def _bed(self, channels: int, gateways: int) -> Bed:
        """Return the service with so many channels; only one runs at a time."""
        if channels not in self._beds:
            self._stack.close()
            self._beds = {channels: self._stack.enter_context(running_service(channels, gateways))}
        return self._beds[channels]

    def _city(self) -> Bed:
        """Return the service with the whole city; only one runs at a time."""
        if CITY_CHANNELS not in self._beds:
            self._stack.close()
            bed = self._stack.enter_context(running_with(make_city(CITY_CHANNELS)))
            self._beds = {CITY_CHANNELS: bed}
        return self._beds[CITY_CHANNELS]

    def _small(self) -> Bed:
        fresh = CHANNELS not in self._beds
        bed = self._bed(CHANNELS, GATEWAYS)
        if fresh:
            for samples in (0, 100):  # what is compiled at its first use
                measure_passages(bed, _load(200, samples, ago_s=9_000 - samples), 1)
        return bed

    def _passages(self, messages: int, samples: int, ago_s: float) -> list[Passage]:
        return measure_passages(self._small(), _load(messages, samples, ago_s=ago_s), RUNS)

    @cached_property
    def blocks_500(self) -> list[Passage]:
        return self._passages(24_000, 500, ago_s=7_000)

    @cached_property
    def blocks_100(self) -> list[Passage]:
        return self._passages(60_000, 100, ago_s=5_000)

    @cached_property
    def json(self) -> list[Passage]:
        return self._passages(120_000, 0, ago_s=3_000)

    @cached_property
    def json_paced(self) -> tuple[Latency, float]:
        """Latency at a paced rate of single JSON readings, and that rate."""
        reached = median_of(self.json).archived_per_s
        rate = PACE if reached >= 1.2 * PACE else 0.5 * reached
        load = _load(int(rate * 20), 0, ago_s=1_200)
        return measure_latency(self._small(), load, rate, toggles=160, seconds=15), rate

    @cached_property
    def city(self) -> Taken:
        """Latency in a city's life; the archive seals a slice in the middle of it."""
        bed, seconds = self._city(), 60.0
        readings_per_s = CITY_CHANNELS / 60 + 100 * CITY_WAVES
        before = int((ARCHIVE_SLICE_ROWS - 40 * readings_per_s) // 500)
        names = wave_channels(CITY_CHANNELS)
        measure_passages(bed, Blocks(before, 500, tuple(names), _ago_ns(90_000)), 1)
        taken = Taken()
        with living(bed, CITY_CHANNELS, seconds + 60):
            time.sleep(5.0)
            turn(bed, seconds, taken, per_s=8.0)
        return taken

    @cached_property
    def isolation(self) -> Isolation:
        """Latency alone and in company, in turn."""
        bed = self._city()
        send_year(bed)
        with living(bed, CITY_CHANNELS, ISOLATION_S):
            time.sleep(5.0)
            return measure_isolation(bed, Crowd())

    @cached_property
    def stages_500(self) -> Stages:
        return measure_stages(_load(6_000, 500, ago_s=3_000))

    @cached_property
    def stages_100(self) -> Stages:
        return measure_stages(_load(15_000, 100, ago_s=3_000))

    @cached_property
    def stages_json(self) -> Stages:
        return measure_stages(_load(40_000, 0, ago_s=3_000))

    @cached_property
    def broker_500(self) -> float:
        return measure_broker_alone(_load(16_000, 500, ago_s=3_000))

    @cached_property
    def broker_100(self) -> float:
        return measure_broker_alone(_load(30_000, 100, ago_s=3_000))

    @cached_property
    def broker_json(self) -> float:
        return measure_broker_alone(_load(40_000, 0, ago_s=3_000))

    @cached_property
    def lines(self) -> Lines:
        return measure_lines()

    @cached_property
    def influx_ceiling(self) -> float:
        return measure_ceiling()

    @cached_property
    def influx(self) -> list[Passage]:
        """Blocks of 100 samples through the service into an influxd of its own."""
        self._stack.close()
        self._beds = {}
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lifeline-bench-"))
            server = InfluxServer(Path(folder))
            server.start()
            stack.callback(server.stop)
            bed = stack.enter_context(
                running_service(CHANNELS, GATEWAYS, archive_url=server.url("city"))
            )
            measure_passages(bed, _load(200, 100, ago_s=9_000), 1)
            return measure_passages(bed, _load(20_000, 100, ago_s=5_000), RUNS)

    @cached_property
    def history(self) -> History:
        return measure_history(HISTORY_CHANNELS)

    @cached_property
    def waveform(self) -> Waveform:
        return measure_waveform()

    @cached_property
    def quiet_1k(self) -> Quiet:
        return measure_quiet(1_000)

    @cached_property
    def quiet_100k(self) -> Quiet:
        return measure_quiet(100_000)


def _load(messages: int, samples: int, *, ago_s: float) -> Load:
    return Load(messages, samples, CHANNELS, GATEWAYS, _ago_ns(ago_s))


def _ago_ns(seconds: float) -> int:
    """Return a whole second so long ago: loads that follow one another stay in the past."""
    return int(time.time() - seconds) * NS_PER_S
