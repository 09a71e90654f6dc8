"""``lifeline real``: recordings through a real mosquitto, the whole service and the archive.

One table comes out: what was sent and where it went, the alarms beside the truth, the seconds.
"""

import http.client
import json
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from domain.grade import Grade
from domain.readings import Float64s, Int64s
from domain.time import format_rfc3339, parse_rfc3339, seconds_to_ns
from service.broker import broker_command, find_mosquitto
from service.changes import Change, Span, spans_of
from service.children import Child
from service.replay import Sent, publish_recording
from service.score import Score, belongs, score
from service.verdict import Evidence, Finding, judge
from simulators.recording import Recording, open_recording

START_TIMEOUT_S = 60.0
SETTLE_TIMEOUT_S = 300.0
PAGE = 1000
POINTS_MAX = 20_000

console = Console(width=170)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one recording."""

    recording: Recording
    sent: Sent
    books: dict[str, dict[str, Any]]
    findings: list[Finding]
    score: Score
    alarm_lines: list[str]
    seconds: float

    @property
    def met(self) -> bool:
        """Whether all that is expected is met, and every reading sent is accounted for."""
        return all(finding.met for finding in self.findings)

    @property
    def stored(self) -> int:
        """How many readings are stored."""
        stored: int = sum(book["readings"]["stored"] for book in self.books.values())
        return stored


class Api:
    """The service's HTTP interface, as any other platform would read it."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **query: object) -> Any:
        """Return a JSON answer."""
        text = urllib.parse.urlencode(query)
        with urllib.request.urlopen(f"{self._url}{path}?{text}", timeout=30) as answer:  # noqa: S310  ours
            return json.load(answer)

    def ready(self) -> bool:
        """Whether the service is ready."""
        try:
            self.get("/health/ready")
        except (OSError, ValueError, http.client.HTTPException):
            return False
        return True

    def items(self, path: str, **query: object) -> Iterator[dict[str, Any]]:
        """Yield all items of a list, page by page."""
        cursor: str | None = None
        while True:
            more = {"cursor": cursor} if cursor else {}
            page = self.get(path, limit=PAGE, **query, **more)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return


async def run_real(folders: Sequence[Path], data: Path) -> bool:
    """Replay recordings one after the other; return whether all that they expect is met."""
    if find_mosquitto() is None:
        console.print("mosquitto is not installed: apt-get install mosquitto")
        return False
    replayed = [await _replay(open_recording(folder, data)) for folder in folders]
    console.print(_table(replayed))
    for one in replayed:
        console.print(f"\n[bold]{one.recording.name.en}[/] · {one.recording.name.zh}")
        for line in one.alarm_lines:
            console.print("  ", line, highlight=False)
    console.print(_summary(replayed))
    return all(one.met for one in replayed)


async def _replay(recording: Recording) -> Replayed:
    console.print(f"Replaying {recording.name.en} …", style="dim")
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="lifeline-real-") as folder,
        _service(recording, Path(folder)) as (api, mqtt_url),
    ):
        sent = await publish_recording(recording, mqtt_url)
        books = _settled_books(api, sent)
        seconds = time.monotonic() - began_s
        evidence = _evidence(api, recording)
        findings = [judge(one, evidence) for one in recording.document.expect]
        findings += _accounting(sent, books)
        figures = score(evidence.changes, evidence.truths, evidence.tail_ns)
        lines = _alarm_lines(evidence)
        return Replayed(recording, sent, books, findings, figures, lines, seconds)


@contextmanager
def _service(recording: Recording, folder: Path) -> Iterator[tuple[Api, str]]:
    """Run a broker and the service on free ports, with the recording's catalogue and clock."""
    mqtt_port, http_port = _free_port(), _free_port()
    mqtt_url, url = f"mqtt://127.0.0.1:{mqtt_port}", f"http://127.0.0.1:{http_port}"
    environment = {
        "LIFELINE_MQTT_URL": mqtt_url,
        "LIFELINE_HTTP_LISTEN": f"127.0.0.1:{http_port}",
        "LIFELINE_DATA_DIR": str(folder / "data"),
        "LIFELINE_CATALOGUE": json.dumps([str(recording.catalogue_file)]),
        "LIFELINE_CLOCK_JUMP_S": str(recording.document.clock_jump_s),
        "LIFELINE_LOG_LEVEL": "warning",
    }
    with ExitStack() as stack:
        broker = Child(
            "broker", broker_command(mqtt_port, folder / "broker"), folder / "broker.log"
        )
        stack.callback(broker.stop)
        command = [sys.executable, "-m", "service", "serve", "--clock", "data"]
        service = Child("service", command, folder / "service.log", environment)
        stack.callback(service.stop)
        api = Api(url)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not api.ready():
            if not service.running or time.monotonic() > deadline_s:
                raise RuntimeError(f"the service does not start:\n{service.last_words(40)}")
            time.sleep(0.1)
        yield api, mqtt_url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _settled_books(api: Api, sent: Sent) -> dict[str, dict[str, Any]]:
    """Return the books once every frame sent is in them and nothing is pending."""
    deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        books = {item["gateway"]: item for item in api.items("/api/v1/accounting")}
        frames = sum(book["frames"]["received"] for book in books.values())
        pending = sum(book["readings"]["pending"] for book in books.values())
        heard = sum(book["frames"]["received"] > 0 for book in books.values())
        # Every gateway says ``online`` and ``offline`` beside its data.
        all_in = frames >= sent.frames + 2 * heard > 0 and pending == 0
        if all_in or time.monotonic() > deadline_s:
            return books
        time.sleep(0.2)


def _evidence(api: Api, recording: Recording) -> Evidence:
    channels = {item["id"]: item for item in api.items("/api/v1/channels")}
    changes = [_change(item, channels) for item in _transitions(api)]

    def series(channel: str) -> tuple[Int64s, Float64s]:
        return _series(api, channel)

    def channels_of(facility: str, quantity: str) -> list[str]:
        return [
            name
            for name, item in channels.items()
            if item["facility"] == facility and item["quantity"] == quantity
        ]

    tail_ns = seconds_to_ns(recording.document.tail_s)
    return Evidence(changes, recording.truths(), series, channels_of, tail_ns)


def _transitions(api: Api) -> Iterator[dict[str, Any]]:
    after = 0
    while items := api.get("/api/v1/transitions", after=after, limit=PAGE)["items"]:
        yield from items
        after = items[-1]["number"]


def _change(item: dict[str, Any], channels: dict[str, dict[str, Any]]) -> Change:
    alarm = item["alarm"]
    channel = channels.get(alarm["channel"], {})
    return Change(
        alarm_id=alarm["id"],
        channel=alarm["channel"],
        facility=alarm["facility"],
        quantity=channel.get("quantity", ""),
        kind=item["kind"],
        instrument=alarm["instrument"],
        grade=Grade.from_word(alarm["grade"]),
        previous_grade=Grade.from_word(item["previous_grade"]),
        active=alarm["active"],
        time_ns=parse_rfc3339(item["time"]),
    )


def _series(api: Api, channel: str) -> tuple[Int64s, Float64s]:
    """Return all readings of a channel, page by page."""
    times: list[int] = []
    values: list[float] = []
    start = "1970-01-02T00:00:00Z"
    path = f"/api/v1/channels/{urllib.parse.quote(channel)}/readings"
    while True:
        page = api.get(path, start=start, end="2100-01-01T00:00:00Z", limit=POINTS_MAX)
        for item in page["items"]:
            times.append(parse_rfc3339(item["time"]))
            values.append(item["value"])
        if len(page["items"]) < POINTS_MAX:
            return np.array(times, np.int64), np.array(values, np.float64)
        start = page["items"][-1]["time"]


def _accounting(sent: Sent, books: dict[str, dict[str, Any]]) -> list[Finding]:
    readings = sum(book["readings"]["received"] for book in books.values())
    balanced = all(book["balanced"] for book in books.values())
    stored = sum(book["readings"]["stored"] for book in books.values())
    met = balanced and readings == sent.readings
    words = f"accounting: {sent.readings} sent, {readings} accounted for, {stored} stored"
    return [Finding(met, words)]


def _alarm_lines(evidence: Evidence) -> list[str]:
    """Return the spans in which alarms were active, each beside what really happened then."""
    return [
        f"{'fault' if span.instrument else 'condition':<9} {span.peak.word:<6} "
        f"{format_rfc3339(span.start_ns):<24} – {_end_words(span):<24} {span.channel:<40} "
        f"{_truth_words(span, evidence)}".rstrip()
        for span in spans_of(evidence.changes)
    ]


def _end_words(span: Span) -> str:
    return "still active" if span.end_ns is None else format_rfc3339(span.end_ns)


def _truth_words(span: Span, evidence: Evidence) -> str:
    kind = "fault" if span.instrument else "condition"
    end_ns = span.end_ns or span.start_ns
    notes = [
        f"{truth.note} ({format_rfc3339(truth.start_ns)} to {format_rfc3339(truth.end_ns)})"
        for truth in evidence.truths
        if truth.kind == kind
        and belongs(span.channel, truth.subject)
        and truth.start_ns <= end_ns
        and span.start_ns <= truth.end_ns + evidence.tail_ns
    ]
    return f"truth: {'; '.join(notes)}" if notes else ""


def _table(replayed: Sequence[Replayed]) -> Table:
    table = Table(title="Recordings through the whole service", show_lines=True)
    for heading in ("Recording", "Readings", "Expected and found", "Seconds"):
        table.add_column(heading)
    for one in replayed:
        marks = [
            f"[{'green' if finding.met else 'red'}]{'met' if finding.met else 'NOT MET'}[/] {finding.words}"
            for finding in one.findings
        ]
        table.add_row(one.recording.name.en, _fates(one), "\n".join(marks), f"{one.seconds:.1f}")
    return table


def _summary(replayed: Sequence[Replayed]) -> Table:
    table = Table(title="Summary")
    for heading in (
        "Recording", "Messages", "Sent", "Stored", "Found", "Outside", "Faults", "Other faults",
        "Median delay", "Met", "Seconds",
    ):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "Recording" else "right")
    for one in replayed:
        figures, delay_s = one.score, one.score.delay_median_s
        table.add_row(
            one.recording.folder.name,
            str(one.sent.frames),
            str(one.sent.readings),
            str(one.stored),
            f"{figures.found}/{figures.stretches}",
            str(len(figures.outside_ns)),
            f"{figures.faults_found}/{figures.faults}",
            str(figures.other_faults),
            "–" if delay_s is None else f"{delay_s:.0f} s",
            f"{sum(finding.met for finding in one.findings)}/{len(one.findings)}",
            f"{one.seconds:.1f}",
        )
    return table


def _fates(one: Replayed) -> str:
    """Return where the readings went, by reason."""
    totals: dict[str, int] = {}
    for book in one.books.values():
        for fate, count in book["readings"].items():
            if isinstance(count, int) and not isinstance(count, bool):
                totals[fate] = totals.get(fate, 0) + count
    lines = [f"{one.sent.readings} sent"]
    lines += [f"{count} {fate}" for fate, count in totals.items() if fate != "received" and count]
    return "\n".join(lines)
