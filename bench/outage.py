"""The archive away for long under load: are alarms on time, is memory bounded, is all there after?

``python -m bench.outage`` runs broker, service and InfluxDB, sends 50,000 readings a second, stops
InfluxDB for SECONDS (600), starts it again, waits until the archive has caught up under the same
load, and compares what it holds with what was sent. HOW says in which ways: ``stopped`` (SIGTERM),
``hanging`` (SIGSTOP: it accepts connections and never answers). It writes bench/results-outage.json.
"""

import json
import os
import signal
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.bed import Bed, cpu_s, running_service
from bench.city import PROBE
from bench.endless import EndlessSender, Flow, Sent, channel_id, expected
from bench.probing import Host, Memory, Probe
from bench.report import ROOT, machine
from domain.time import NS_PER_S
from tests.servers.influx import InfluxServer

RESULTS = ROOT / "bench" / "results-outage.json"
SECONDS = int(os.environ.get("SECONDS_AWAY", "600"))
HOW = os.environ.get("HOW", "stopped,hanging").split(",")
BLOCK_CHANNELS, SAMPLES = 500, 500  # at 100 Hz: 100 messages, 50,000 readings a second
JSON_CHANNELS, JSON_PER_S = 2_000, 500
GATEWAYS = 20
WARM_UP_S = 20
# What the others are compared with has its snapshots and the disk's pauses, too: the p99 of a minute is
# the third worst of its alarms.
BEFORE_S_MAX, AFTER_S_MAX = 300, 60
QUIET_ALARMS_MIN = 100  # for a p99
COMPARED_BLOCK_CHANNELS, COMPARED_JSON_CHANNELS = 50, 200
CATCH_UP_S_MAX = 600  # under load; then the load ends, and the rest is waited for
REST_S_MAX = 1_800
DATABASE = "city"


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the run: how late the probe's alarms were, how much memory there was."""

    name: str
    seconds: float
    alarms: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    rss_peak_mib: float
    service_cores: float
    load_average: float
    host_share: float  # of all processors
    quiet_alarms: int  # while the host took next to nothing
    quiet_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Outage:
    """One way of being away, and what was found."""

    how: str
    seconds_away: float
    readings_per_s: float
    phases: list[Phase]
    p99_ratio: float  # the worst phase's against that of before
    quiet_p99_ratio: float | None  # the same of the alarms while the host took next to nothing
    journal_mib: float  # at the end of the outage
    caught_up_under_load: bool
    catch_up_s: float
    catch_up_readings_per_s: float
    readings_sent: int
    channels_counted: int
    readings_compared: int


class Run:
    """A running service and its load, in phases."""

    def __init__(self, bed: Bed, server: InfluxServer, flow: Flow) -> None:
        self.bed, self.server, self.flow = bed, server, flow
        self.sender = EndlessSender(bed.mqtt_port, flow)
        self._began_s = time.monotonic()
        self.sending_s = 0.0
        self.memory = Memory(bed.service.pid)
        self.host = Host()
        self.probe = Probe(bed.mqtt_port, bed.http_port)
        self._bounds: list[tuple[str, float, float, float, float]] = []
        self.caught_up_under_load = False
        self.caught_up_rows = 0.0

    def phase(self, name: str, wait: Callable[[], object]) -> float:
        """Let a phase last as long as ``wait``; return how long that was."""
        began_s, used_s = time.monotonic(), cpu_s(self.bed.service)
        wait()
        ended_s = time.monotonic()
        cores = (cpu_s(self.bed.service) - used_s) / (ended_s - began_s)
        self._bounds.append((name, began_s, ended_s, cores, os.getloadavg()[1]))
        _say(f"  {name}: {ended_s - began_s:.0f} s")
        return ended_s - began_s

    def caught_up(self) -> bool:
        """Whether the archive takes what comes as it comes."""
        metric = self.bed.metric
        waiting = metric("lifeline_archive_queued_readings")
        return (
            not metric("lifeline_archive_away")
            and not metric("lifeline_archive_behind")
            and waiting < 5 * self.flow.readings_per_s
        )

    def until_caught_up(self) -> None:
        """Wait for it, or until it is given up; note how many rows were archived meanwhile."""
        rows = self.bed.metric("lifeline_archived_row")
        deadline_s = time.monotonic() + CATCH_UP_S_MAX
        said_s = time.monotonic()
        while not self.caught_up() and time.monotonic() < deadline_s:
            if time.monotonic() - said_s > 30:
                said_s = time.monotonic()
                _say(f"    {self.bed.metric('lifeline_archive_lag_rows'):,.0f} rows behind")
            time.sleep(0.5)
        self.caught_up_under_load = self.caught_up()
        self.caught_up_rows = self.bed.metric("lifeline_archived_row") - rows

    def until_archived(self, frames: int) -> None:
        deadline_s = time.monotonic() + REST_S_MAX
        while True:
            try:
                self.bed.until_archived(frames)
            except TimeoutError:
                if time.monotonic() > deadline_s:
                    raise
            else:
                return

    def finish(self) -> Sent:
        """End the load; return what was sent when everything is judged, told and archived."""
        sent = self.sender.finish()
        self.sending_s = time.monotonic() - self._began_s
        self.probe.finish()
        self.until_archived(sent.messages + len(self.probe.sent_s))
        self.memory.finish()
        self.host.finish()
        return sent

    def phases(self) -> list[Phase]:
        found = []
        for name, began_s, ended_s, cores, load in self._bounds:
            took_ms = self.probe.took_ms(began_s, ended_s)
            p50, p99, worst = (round(float(np.percentile(took_ms, q)), 1) for q in (50, 99, 100))
            quiet_ms = self.probe.took_ms(began_s, ended_s, self.host)
            enough = len(quiet_ms) >= QUIET_ALARMS_MIN
            quiet_p99 = round(float(np.percentile(quiet_ms, 99)), 1) if enough else None
            peak_mib = round(self.memory.peak_mib(began_s, ended_s), 1)
            found.append(
                Phase(
                    name, round(ended_s - began_s, 1), len(took_ms), p50, p99, worst,
                    peak_mib, round(cores, 2), round(load, 2),
                    round(self.host.share(began_s, ended_s), 3), len(quiet_ms), quiet_p99,
                )
            )  # fmt: skip
        return found

    def stop(self) -> None:
        self.sender.stop()


def measure(how: str, seconds: int) -> Outage:
    """Run an outage of so many seconds; raises where anything is missing or wrong afterwards."""
    _say(f"{how} for {seconds} s")
    with tempfile.TemporaryDirectory(prefix="lifeline-influx-") as folder:
        server = InfluxServer(Path(folder))
        server.start()
        try:
            url = server.url(DATABASE)
            channels = BLOCK_CHANNELS + JSON_CHANNELS
            with running_service(channels, GATEWAYS, archive_url=url) as bed:
                return _measure(bed, server, how, seconds)
        finally:
            if server.process is not None:
                server.process.send_signal(signal.SIGCONT)
            server.stop()


def _measure(bed: Bed, server: InfluxServer, how: str, seconds: int) -> Outage:
    first_ns = time.time_ns() // NS_PER_S * NS_PER_S
    flow = Flow(BLOCK_CHANNELS, SAMPLES, JSON_CHANNELS, JSON_PER_S, GATEWAYS, first_ns)
    run = Run(bed, server, flow)
    try:
        time.sleep(WARM_UP_S)  # what compiles at its first use
        run.phase("before", lambda: time.sleep(min(BEFORE_S_MAX, seconds)))
        leave, come_back = _ways(server)[how]
        leave()
        away_s = run.phase("away", lambda: time.sleep(seconds))
        journal_mib = bed.metric("lifeline_journal_bytes") / 2**20
        came_back_s = time.monotonic()
        come_back()
        run.phase("catching up", run.until_caught_up)
        catch_up_s = time.monotonic() - came_back_s
        run.phase("after", lambda: time.sleep(min(AFTER_S_MAX, seconds)))
        sent = run.finish()
    finally:
        run.stop()
    phases = run.phases()
    _say("\n".join(f"  {each}" for each in phases))
    _say("  comparing")
    counted = compare_counts(server, run, sent)
    compared = compare_values(server, run, sent)
    return Outage(
        how=how,
        seconds_away=round(away_s, 1),
        readings_per_s=round(flow.readings(sent) / run.sending_s, 0),
        phases=phases,
        p99_ratio=_worst_ratio([phase.p99_ms for phase in phases]) or 0.0,
        quiet_p99_ratio=_worst_ratio([phase.quiet_p99_ms for phase in phases]),
        journal_mib=round(journal_mib, 1),
        caught_up_under_load=run.caught_up_under_load,
        catch_up_s=round(catch_up_s, 1),
        catch_up_readings_per_s=round(
            run.caught_up_rows * flow.readings_per_row / catch_up_s, 0
        ),
        readings_sent=flow.readings(sent),
        channels_counted=counted,
        readings_compared=compared,
    )  # fmt: skip


def _worst_ratio(p99_ms: Sequence[float | None]) -> float | None:
    """Return the worst phase's against the first; ``None`` where one of them is not known."""
    known = [each for each in p99_ms if each is not None]
    if len(known) < len(p99_ms):
        return None
    return round(max(known[1:]) / known[0], 2)


def _ways(server: InfluxServer) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    def send(number: signal.Signals) -> Callable[[], object]:
        return lambda: server.process and server.process.send_signal(number)

    return {
        "stopped": (server.stop, server.start),
        "hanging": (send(signal.SIGSTOP), send(signal.SIGCONT)),
    }


def compare_counts(server: InfluxServer, run: Run, sent: Sent) -> int:
    """See that every channel has as many readings as were sent; return how many channels."""
    found = {
        series["tags"]["channel"]: series["values"][0][1]
        for series in _ask(server, "SELECT count(quality) FROM reading GROUP BY channel")
    }
    wanted = {
        channel_id(run.flow, number): len(expected(run.flow, sent, number)[0])
        for number in range(BLOCK_CHANNELS + JSON_CHANNELS)
    }
    wanted[PROBE] = len(run.probe.sent_s)
    wrong = {
        each: (found.get(each), count) for each, count in wanted.items() if found.get(each) != count
    }
    if wrong:
        raise RuntimeError(f"{len(wrong)} channels are not complete: {list(wrong.items())[:5]}")
    return len(wanted)


def compare_values(server: InfluxServer, run: Run, sent: Sent) -> int:
    """See that a sample of the channels holds what was sent, to the bit; return how many readings."""
    blocks = range(0, BLOCK_CHANNELS, BLOCK_CHANNELS // COMPARED_BLOCK_CHANNELS)
    last = BLOCK_CHANNELS + JSON_CHANNELS
    singles = range(BLOCK_CHANNELS, last, JSON_CHANNELS // COMPARED_JSON_CHANNELS)
    compared = 0
    for number in (*blocks, *singles):
        channel = channel_id(run.flow, number)
        series = _ask(server, f"SELECT value, quality FROM reading WHERE channel = '{channel}'")
        found = series[0]["values"] if series else []
        time_ns, value = expected(run.flow, sent, number)
        same = [row[0] for row in found] == time_ns.tolist() and [
            row[1] for row in found
        ] == value.tolist()
        if not same:
            raise RuntimeError(f"{channel} does not hold what was sent of it")
        compared += len(found)
    return compared


def _ask(server: InfluxServer, text: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"db": DATABASE, "epoch": "ns", "q": text})
    with urllib.request.urlopen(f"{server.address}/query?{query}", timeout=600) as answer:
        result = json.load(answer)["results"][0]
    if "error" in result:
        raise RuntimeError(result["error"])
    return result.get("series", [])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def write(outages: list[Outage]) -> None:
    """Put the figures beside those of ``make bench``."""
    document = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "outages": [asdict(each) for each in outages],
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    """Measure each way, and say the figures."""
    outages = []
    for how in HOW:
        outages.append(measure(how, SECONDS))
        _say(json.dumps(asdict(outages[-1]), indent=2))
        write(outages)
    return 0


if __name__ == "__main__":
    sys.exit(main())
