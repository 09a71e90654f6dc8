"""The rows: each a function with its key, its goal (design, section 8) and its unit."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.archive import DAY_S
from bench.core import Quiet
from bench.influx import influx_there
from bench.lab import (
    CHANNELS,
    CITY_CHANNELS,
    CITY_WAVES,
    GATEWAYS,
    HISTORY_CHANNELS,
    PACE,
    RUNS,
    Lab,
)
from bench.latency import figures
from bench.report import Result, number_text
from bench.stages import Stages
from bench.throughput import Passage, median_of


@dataclass(frozen=True, slots=True)
class Measured:
    """A row's figure, how it was come by, and what limits it."""

    value: float
    note: str
    limited_by: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be measured."""

    key: str
    title: str
    unit: str
    goal: float
    lower_is_better: bool
    measure: Callable[[Lab], Measured]

    def run(self, lab: Lab) -> Result:
        found = self.measure(lab)
        return Result(
            self.key, self.title, found.value, self.unit, self.goal, self.lower_is_better,
            found.note, found.limited_by,
        )  # fmt: skip


ROWS: list[Row] = []


def _row(
    key: str, title: str, unit: str, *, at_least: float = 0.0, at_most: float = 0.0
) -> Callable[[Callable[[Lab], Measured]], Callable[[Lab], Measured]]:
    def register(measure: Callable[[Lab], Measured]) -> Callable[[Lab], Measured]:
        ROWS.append(Row(key, title, unit, at_least or at_most, bool(at_most), measure))
        return measure

    return register


@_row(
    "blocks_500_readings_per_s",
    "Blocks of 500 samples, broker to archive",
    "readings/s",
    at_least=3_000_000,
)
def blocks_500(lab: Lab) -> Measured:
    return _throughput(lab.blocks_500, 500, lab.broker_500, lab.stages_500)


@_row(
    "blocks_100_readings_per_s",
    "Blocks of 100 samples, broker to archive",
    "readings/s",
    at_least=1_500_000,
)
def blocks_100(lab: Lab) -> Measured:
    return _throughput(lab.blocks_100, 100, lab.broker_100, lab.stages_100)


@_row(
    "json_messages_per_s",
    "One JSON reading a message, settled after the journal",
    "messages/s",
    at_least=25_000,
)
def json_messages(lab: Lab) -> Measured:
    middle = median_of(lab.json)
    found = _throughput(lab.json, 1, lab.broker_json, lab.stages_json)
    note = (
        f"settled after the journal; archived {number_text(middle.archived_per_s)}/s. {found.note}"
    )
    return Measured(middle.settled_per_s, note, found.limited_by)


def _throughput(
    passages: list[Passage], readings: int, broker_per_s: float, stages: Stages
) -> Measured:
    middle = median_of(passages)
    messages = middle.readings // readings
    note = (
        f"median of {RUNS} runs of {messages:,} messages over {CHANNELS:,} channels of {GATEWAYS} "
        f"gateways, {middle.archived_s:.1f} s from the first publish until nothing was pending; "
        f"settled {number_text(middle.settled_per_s)} messages/s; "
        f"the service used {middle.service_us:.1f} µs of processor time a message, "
        f"{middle.service_cores:.2f} cores, the broker {middle.broker_cores:.2f}, and others on this "
        f"machine {middle.others_cores:.2f}"
    )
    slowest = max(stages.us, key=stages.us.__getitem__)
    in_all = sum(stages.us.values())
    limited_by = (
        f"the broker alone passes {number_text(broker_per_s)} messages/s to a subscriber that settles "
        f"at once ({broker_per_s / middle.archived_per_s:.1f} × what is archived). In the service a "
        f"message costs, in µs of one core: {_listed(stages)}; {in_all:.1f} in all, most of it "
        f"{slowest}. One core alone would pass {number_text(readings * 1e6 / in_all)} readings/s; "
        "receiving, assembling and the glue hold the interpreter's lock, the compiled core, the "
        "archive and the disk do not. The archive waits up to 1 s for company and the books up to "
        "0.5 s, which is part of the time until nothing is pending. Seals still to be done then are "
        "outside of it: a load without end has to bear them, too."
    )
    return Measured(readings * middle.archived_per_s, note, limited_by)


def _listed(stages: Stages) -> str:
    samples = max(1, stages.load.samples)
    parts = []
    for name, us in stages.us.items():
        each = f" ({us / samples * 1e3:.0f} ns a reading)" if samples > 1 else ""
        parts.append(f"{name} {us:.2f}{each}")
    return ", ".join(parts)


@_row(
    "json_20k_judged_p99_ms", "Publish to judgement under 20,000 JSON messages/s", "ms", at_most=150
)
def json_judged(lab: Lab) -> Measured:
    latency, rate = lab.json_paced
    reached = "" if rate >= PACE else ", half of what was archived: 20,000/s was out of reach here"
    note = (
        f"{latency.count} toggles of a probe at {number_text(latency.sent_per_s)} messages/s{reached}; "
        f"p50 {latency.p50_ms:.1f} ms, worst {latency.worst_ms:.0f} ms; "
        "seen on the SSE stream, so commit and delivery are in it"
    )
    return Measured(
        latency.p99_ms,
        note,
        "a frame waits for the group before it to be journaled, for the step before it to be judged "
        "(one at a time, of all that came meanwhile) and for the commit of the state database, whose "
        "few statements wait for the interpreter's lock. Receiving and assembling take most of the one "
        "core that Python has at this rate: where others use the machine, steps grow and so does the wait.",
    )


def _city(lab: Lab, value: float) -> Measured:
    taken = lab.city
    note = (
        f"{len(taken.took_ms)} toggles in the simulated city: {CITY_CHANNELS:,} channels of 10,000 "
        f"facilities (445,700 with features and fault channels), each one JSON reading a minute and "
        f"{CITY_WAVES} of them blocks of 100 samples a second, a slice of the archive sealed meanwhile; "
        f"{taken}"
    )
    return Measured(
        value,
        note,
        "the commit (a transaction of SQLite with its fsync) is the floor of it. The tail is the snapshot "
        "each minute, for which the judging thread copies 200 MB.",
    )


@_row("sse_p50_ms", "Publish to transition on the SSE stream, median", "ms", at_most=80)
def sse_p50(lab: Lab) -> Measured:
    return _city(lab, lab.city.at(50))


@_row("sse_p99_ms", "Publish to transition on the SSE stream, 99th percentile", "ms", at_most=250)
def sse_p99(lab: Lab) -> Measured:
    return _city(lab, lab.city.at(99))


@_row(
    "isolation_p99_ratio",
    "An alarm in company: 1,000 listeners, 100 requests/s and a year of one channel",
    "×",
    at_most=1.5,
)
def isolation(lab: Lab) -> Measured:
    found = lab.isolation
    p50, p99 = found.ratios("resident_ms")
    last_p50, last_p99 = found.ratios()
    note = (
        f"publish to transition on the stream of a listener that was there before, in the city's life, in "
        f"turn alone ({figures(found.alone.resident_ms)}) and with 1,000 listeners, 100 requests/s (lists, a "
        f"channel, a day by minute) and a year of minutes of one channel asked for without rest "
        f"({figures(found.in_company.resident_ms)}); p50 × {p50:.2f}. Of who came last, to whom an event is "
        f"written when a thousand have it: alone {found.alone}, in company {found.in_company}; p50 × "
        f"{last_p50:.2f}, p99 × {last_p99:.2f}"
    )
    return Measured(
        p99,
        note,
        "the processors: an alarm's way changes its thread ten times, and waits for one each time. City, broker and "
        "crowd run on the same two, and what is asked of the archive is read in the service's process.",
    )


@_row("query_day_ms", "One channel, one day, by minute", "ms", at_most=20)
def query_day(lab: Lab) -> Measured:
    history = lab.history
    note = (
        f"median of days of {DAY_S:,} readings out of {history.readings:,} "
        f"(the design asks for 50 million), {HISTORY_CHANNELS} channels in {history.files} sealed "
        f"files; p90 {history.query_p90_ms:.0f} ms"
    )
    return Measured(
        history.query_ms,
        note,
        "finding and decoding the pages of the channel in each file, and sorting what was read. "
        f"Writing took in {number_text(history.write_per_s)} readings/s, sealing "
        f"{number_text(history.seal_per_s)}/s.",
    )


@_row(
    "replay_readings_per_s_core",
    "History from Parquet through the core",
    "readings/s",
    at_least=20_000_000,
)
def replay(lab: Lab) -> Measured:
    history = lab.history
    return Measured(
        history.replay_per_s,
        f"{history.readings:,} readings of the sealed files, one core, derived channels none",
        f"reading Parquet alone goes at {number_text(history.read_per_s)} readings/s; the rest is the "
        "core, where readings of one channel that follow one another wait for each other's state.",
    )


@_row(
    "waveform_features_ms",
    "Dominant frequency and RMS of 5,000 channels, a second of 100 Hz",
    "ms",
    at_most=30.0,
)
def waveform_features(lab: Lab) -> Measured:
    found = lab.waveform
    parts = ", ".join(f"{kind} {own_ms:.1f} ms" for kind, own_ms in found.own_ms.items())
    times = found.welch_ms / found.own_ms["frequency"]
    note = f"processor time; {parts}; scipy's welch of each channel's second: {times:.0f} times the frequency"
    return Measured(found.total_ms, note, "one core; a complex product a sample")


@_row("core_quiet_1k_ratio", "The core at 1,000 channels against the numpy floor", "×", at_most=2.0)
def core_1k(lab: Lab) -> Measured:
    return _quiet(lab.quiet_1k)


@_row(
    "core_quiet_100k_ratio",
    "The core at 100,000 channels against the numpy floor",
    "×",
    at_most=2.0,
)
def core_100k(lab: Lab) -> Measured:
    return _quiet(lab.quiet_100k)


def _quiet(quiet: Quiet) -> Measured:
    return Measured(
        quiet.ratio,
        f"{quiet.core_ns:.1f} ns a reading against {quiet.floor_ns:.1f} ns for gathering eight "
        "limits and comparing, median of fresh batches of 20,000, range and flat line checks on",
        "cache misses on the channels' records where there are many; at few channels the checks and "
        "the columns around the compiled pass (quality, flags, counts by gateway).",
    )


@_row("line_protocol_ns_per_line", "A reading as a line of InfluxDB", "ns", at_most=70)
def line_protocol(lab: Lab) -> Measured:
    lines = lab.lines
    return Measured(
        lines.decimals_ns,
        "values of two places, 2,000 channels in disorder, bodies of 10,000 lines, the least of 60; "
        f"float32 samples, which need 16 or 17 digits, {lines.narrow_ns:.0f} ns; influxdb-client's "
        f"Point {lines.point_ns:,.0f} ns",
        "writing some 90 bytes: the digits of value and time, and the copy of the channel's prefix.",
    )


@_row("line_protocol_ratio_to_point", "Lines against influxdb-client's Point", "×", at_least=60)
def line_protocol_ratio(lab: Lab) -> Measured:
    lines = lab.lines
    return Measured(lines.ratio, f"Point {lines.point_ns:,.0f} ns a line", "see the row before.")


@_row(
    "influx_ceiling_readings_per_s",
    "InfluxDB by itself, prebuilt bodies",
    "readings/s",
    at_least=1,
)
def influx_ceiling(lab: Lab) -> Measured:
    if not influx_there():
        return Measured(0.0, "influxd is not installed: apt-get install influxdb", "not measured")
    return Measured(
        lab.influx_ceiling,
        "one connection, bodies of 10,000 lines in blocks of 100, 2,000 series, float32 samples",
        "influxd's parser, index and write-ahead log (a sync a body).",
    )


@_row(
    "influx_readings_per_s",
    "Blocks of 100 samples, broker to InfluxDB",
    "readings/s",
    at_least=100_000,
)
def influx(lab: Lab) -> Measured:
    if not influx_there():
        return Measured(0.0, "influxd is not installed: apt-get install influxdb", "not measured")
    middle = median_of(lab.influx)
    reached = 100 * middle.archived_per_s
    return Measured(
        reached,
        f"median of {RUNS} runs, {middle.archived_s:.1f} s until nothing was pending; the service used "
        f"{middle.service_cores:.2f} cores",
        f"the server: by itself it takes {number_text(lab.influx_ceiling)} readings/s, "
        f"{lab.influx_ceiling / reached:.1f} × what came through, and shares the machine with broker, "
        "service and sender.",
    )
