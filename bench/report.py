"""What a measurement says, and how it is shown: as JSON, as a table, as a page."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"
BY_HAND = "<!-- What follows is written by hand, and `make bench` keeps it. -->"
SOAK = ROOT / "bench" / "soak.json"
CITY_KILLS = ROOT / "bench" / "city-kills.json"
PAGE = ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Result:
    """One row: what was measured, what it is to be, and what keeps it from being better."""

    key: str
    title: str
    value: float
    unit: str
    goal: float
    lower_is_better: bool
    note: str
    limited_by: str

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.lower_is_better else self.value >= self.goal

    @property
    def goal_text(self) -> str:
        return f"{'≤' if self.lower_is_better else '≥'} {number_text(self.goal)}"


def number_text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def machine() -> dict[str, Any]:
    """Return what the figures depend on, and how busy the machine was."""
    cpu = memory = ""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemTotal"):
            memory = f"{int(line.split()[1]) / 1024**2:.1f} GiB"
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory": memory,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def write(results: Sequence[Result], about: dict[str, Any]) -> None:
    """Write ``bench/results.json`` and ``docs/benchmarks.md``."""
    rows = [{**asdict(result), "met": result.met} for result in results]
    document = {"machine": about, "rows": rows}
    RESULTS.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _, marker, by_hand = PAGE.read_text(encoding="utf-8").partition(BY_HAND)
    PAGE.write_text(f"{_page(results, about)}\n{marker}{by_hand}", encoding="utf-8")


def show(results: Sequence[Result], about: dict[str, Any]) -> None:
    console = Console(width=max(Console().width, 150))
    title = f"Lifeline on {about['cores']} × {about['cpu']}, load average {about['load']}"
    table = Table(title=title, show_lines=True)
    for heading in ("Row", "Measured", "Goal", "", "Note"):
        right = heading in ("Measured", "Goal")
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "Note")
    for result in results:
        mark = "[green]met[/]" if result.met else "[red]not met[/]"
        value = f"{number_text(result.value)} {result.unit}"
        table.add_row(result.key, value, result.goal_text, mark, result.note)
    console.print(table)


def _page(results: Sequence[Result], about: dict[str, Any]) -> str:
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; the figures stand in `bench/results.json`, too. Goals are those of",
        "the design. A figure of a shared machine says little by itself: the ratios say more.",
        "",
        f"{about['cores']} cores of {about['cpu']}, {about['memory']}, Linux {about['kernel']},",
        f"Python {about['python']}; {about['at']}, load average {about['load']} before and after.",
        "",
        "| row | measured | goal | met |",
        "|---|---:|---:|---|",
    ]
    for result in results:
        met = "yes" if result.met else "no"
        value = f"{number_text(result.value)} {result.unit}"
        lines.append(f"| `{result.key}` | {value} | {result.goal_text} | {met} |")
    for result in results:
        lines += ["", f"## {result.title}", "", f"`{result.key}`: {result.note}."]
        lines += ["", f"What limits it: {result.limited_by}"]
    lines += soak_lines() + city_kills_lines()
    return "\n".join(lines) + "\n"


def soak_lines() -> list[str]:
    """Return what the last ``make soak`` said, as lines of the page."""
    if not SOAK.exists():
        return []
    soak = json.loads(SOAK.read_text(encoding="utf-8"))
    rss_mb = soak["rss_mb"]
    worst = max(soak["p99_ms"])
    about, load = soak["machine"], soak["load"]
    return [
        "",
        "## A soak",
        "",
        (
            f"`make soak`, {about['at']}, {about['cores']} cores, load average {min(load):g} to {max(load):g}: {soak['channels']:,} channels for "
            f"{soak['minutes']:g} minutes with 200 listeners, 20 requests a second and a year of one"
        ),
        (
            f"channel asked for again and again. {soak['frames']:,} frames and {soak['stored']:,} readings "
            f"were counted of {soak['sent'] + soak['toggles']:,} frames sent;"
        ),
        (
            f"gateways whose books do not balance: {soak['unbalanced']}. Memory {rss_mb[0]:,.0f} MB in the first minute, "
            f"{rss_mb[-1]:,.0f} MB in the last, most at any moment {max(soak['rss_most_mb']):,.0f} MB;"
        ),
        (
            f"slope {soak['slope_mb_h']:+.0f} ± {soak['slope_error_mb_h']:.0f} MB/h of the minutes' medians after the first third. "
            f"Journal {soak['journal_mb']:,.0f} MB, archive {soak['archive_mb']:,.0f} MB."
        ),
        (
            f"Publish to transition by minute: p50 {float(np.median(soak['p50_ms'])):.0f} ms in the median, "
            f"p99 from {min(soak['p99_ms']):.0f} to {worst:.0f} ms."
        ),
        f"Requests answered {soak['answered']:,}, refused {soak['refused']:,}.",
        *_quiet_lines(soak),
    ]


def _quiet_lines(soak: dict[str, Any]) -> list[str]:
    shares = soak.get("host_share")
    if not shares:
        return []
    taken = f"The host of the machine took {min(shares):.0%} to {max(shares):.0%} of it by minute;"
    if soak["quiet_p99_ms"] is None:
        return [f"{taken} it was never quiet."]
    p50_ms, p99_ms = soak["quiet_p50_ms"], soak["quiet_p99_ms"]
    return [
        taken,
        f"while it was quiet ({soak['quiet_toggles']:,} toggles) p50 {p50_ms:.0f}, p99 {p99_ms:.0f} ms.",
    ]


def city_kills_lines() -> list[str]:
    """Return what the last ``python -m bench.city_kills`` said, as lines of the page."""
    if not CITY_KILLS.exists():
        return []
    found = json.loads(CITY_KILLS.read_text(encoding="utf-8"))
    about = found["machine"]
    ready, caught_up = (
        ", ".join(f"{s:g}" for s in found[key]) for key in ("ready_s", "caught_up_s")
    )
    return [
        "",
        "## Killed under the city's load",
        "",
        (
            f"`python -m bench.city_kills`, {about['at']}, {about['cores']} cores: {found['channels']:,} channels, "
            f"the service killed {found['kills']} times with `kill -9`."
        ),
        (
            f"{found['sent'] + found['toggles']:,} frames sent, {found['frames']:,} received, of them "
            f"{found['duplicates']:,} redelivered and known as such; {found['stored']:,} readings counted as"
        ),
        (
            f"stored, {found['archived']:,} in the archive; of {found['toggles']} crossings of a limit "
            f"{found['toggles_missing']} missing, {found['toggles_doubled']} doubled; gateways whose books"
        ),
        f"do not balance: {found['unbalanced']}. Seconds from the kill until ready: {ready}; until caught up: {caught_up}.",
    ]
