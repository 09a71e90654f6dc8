"""What a measurement says, and how it is shown: as JSON, as a table, as a page."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BY_HAND = "## Rubbish beside the others"


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
    # What stands behind this heading is of other programs, and written by hand.
    _, found, by_hand = PAGE.read_text(encoding="utf-8").partition(BY_HAND)
    kept = f"\n{found}{by_hand}" if found else ""
    PAGE.write_text(_page(results, about) + kept, encoding="utf-8")


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
    return "\n".join(lines) + "\n"
