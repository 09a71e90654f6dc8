"""Writes Grafana's dashboards (deploy/grafana/dashboards) from what is written here, in short.

``python -m tools.dashboards`` writes them; a test holds that they are up to date, that every metric
named is one of a running service's, and that every InfluxQL query runs.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"
COLUMNS = 24
PANEL_ROWS = 8
STAT_ROWS = 4
PROMETHEUS = {"type": "prometheus", "uid": "lifeline-prometheus"}
INFLUXDB = {"type": "influxdb", "uid": "lifeline-influxdb"}
COLOURS = {"blue": "#1f6feb", "yellow": "#e3b505", "orange": "#e8710a", "red": "#d1242f"}
HERE = '{instance=~"$instance"}'
CHANNEL = "\"channel\" = '$channel' AND $timeFilter"
BY_TIME = "GROUP BY time($__interval) fill(none)"
GOOD = f'AND "quality" < 4 {BY_TIME}'  # as the interface's own figures: without failed readings


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: a title, its queries by legend, a unit of Grafana's, and how wide it is."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    width: int = 12
    kind: str = "timeseries"
    source: str = "prometheus"
    note: str = ""


def rate(metric: str, labels: str = "") -> str:
    """Return the rate of a counter of the chosen instances."""
    chosen = 'instance=~"$instance"' + (f",{labels}" if labels else "")
    return f"rate({metric}{{{chosen}}}[$__rate_interval])"


def fates(unit: str) -> str:
    """Return the rate of frames or readings by fate."""
    label = f'unit="{unit}"'
    return f"sum by (fate) ({rate('lifeline_ingested_total', label)})"


def of_channel(what: str, grouping: str = BY_TIME) -> str:
    """Return a query of the chosen channel's readings."""
    return f'SELECT {what} FROM "reading" WHERE {CHANNEL} {grouping}'.strip()  # noqa: S608  ours


SERVICE = (
    Panel("Health checks", {"{{check}}": f"lifeline_check_ok{HERE}"}, "bool_on_off", 8, "stat"),
    Panel("Books", {"out of balance": f"lifeline_unbalanced_gateways{HERE}"}, width=4, kind="stat"),
    Panel("Gateways", {"{{state}}": f"lifeline_gateways{HERE}"}, width=6, kind="stat"),
    Panel(
        "Up since",
        {"{{instance}}": f"process_start_time_seconds{HERE} * 1000"},
        "dateTimeAsLocal",
        6,
        "stat",
    ),
    Panel("Frames by fate", {"{{fate}}": fates("frames")}, "ops"),
    Panel("Readings by fate", {"{{fate}}": fates("readings")}, "ops"),
    Panel(
        "Rows behind the journal",
        {
            "to be judged": f"lifeline_journal_last_row{HERE} - lifeline_judged_row{HERE}",
            "to be archived": f"lifeline_judged_row{HERE} - lifeline_archived_row{HERE}",
        },
        note="Rows, not readings: one for each message, tick and command.",
    ),
    Panel(
        "Readings that wait for the archive",
        {
            "in memory": f"lifeline_archive_queued_readings{HERE}",
            "catching up": f"lifeline_archive_behind{HERE}",
        },
    ),
    Panel(
        "Journal and disk",
        {
            "journal": f"lifeline_journal_bytes{HERE}",
            "its bound": f"lifeline_journal_bytes_max{HERE}",
            "free at {{path}}": f"lifeline_disk_free_bytes{HERE}",
        },
        "bytes",
    ),
    Panel("Notices to be delivered", {"{{consumer}}": f"lifeline_outbox_waiting{HERE}"}),
    Panel(
        "Busy",
        {
            "judging, of one thread": rate("lifeline_judging_seconds_total"),
            "judging process, cores": rate("process_cpu_seconds_total"),
            "interface's process, cores": rate("lifeline_interface_process_cpu_seconds_total"),
        },
        "percentunit",
    ),
    Panel(
        "Memory",
        {
            "judging": f"process_resident_memory_bytes{HERE}",
            "interface": f"lifeline_interface_process_resident_memory_bytes{HERE}",
        },
        "bytes",
    ),
    Panel(
        "HTTP requests by status",
        {"{{status}}": f"sum by (status) ({rate('lifeline_http_requests_total')})"},
        "ops",
    ),
    Panel("Age of the snapshot", {"{{instance}}": f"lifeline_snapshot_age_seconds{HERE}"}, "s"),
)
CHANNELS = (
    Panel("Newest", {"value": of_channel('last("value")', "")}, width=6, kind="stat", source="influxdb"),
    Panel("Readings in this span", {"readings": of_channel('count("value")', "")}, width=6, kind="stat", source="influxdb"),
    Panel("Worst quality", {"flag": of_channel('max("quality")', "")}, width=12, kind="stat", source="influxdb", note="1 pass, 2 unknown, 3 suspect, 4 fail, 9 missing"),
    Panel(
        "Mean, minimum and maximum",
        {
            "mean": of_channel('mean("value")', GOOD),
            "minimum": of_channel('min("value")', GOOD),
            "maximum": of_channel('max("value")', GOOD),
        },
        width=24,
        source="influxdb",
        note="Of each interval that the width of the picture allows for, without failed readings.",
    ),
    Panel("As read", {"value": of_channel('"value"', "LIMIT 20000")}, width=24, source="influxdb", note="Single readings, the first 20,000 of the span: choose a short one."),
    Panel("Quality", {"worst flag": of_channel('max("quality")')}, width=24, source="influxdb", note="1 pass, 2 unknown, 3 suspect, 4 fail, 9 missing"),
)  # fmt: skip
ALARMS = (
    *(
        Panel(
            f"{grade.capitalize()}, of the facility",
            {grade: f'sum(lifeline_open_alarms{{grade="{grade}",instrument="false"}})'},
            width=6,
            kind="stat",
        )
        for grade in reversed(COLOURS)
    ),
    Panel(
        "Open alarms of facilities by grade",
        {"{{grade}}": 'sum by (grade) (lifeline_open_alarms{instrument="false"})'},
        width=24,
    ),
    Panel(
        "Open alarms of instruments by grade",
        {"{{grade}}": 'sum by (grade) (lifeline_open_alarms{instrument="true"})'},
        width=24,
        note="What is wrong with a sensor or a gateway, not with the facility.",
    ),
    Panel("Notices to be delivered", {"{{consumer}}": "lifeline_outbox_waiting"}, width=24),
)


def dashboard(
    uid: str, title: str, panels: tuple[Panel, ...], variable: dict[str, Any] | None
) -> Any:
    """Return a dashboard as Grafana reads it."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["lifeline"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [variable] if variable else []},
        "links": [{"type": "dashboards", "tags": ["lifeline"], "title": "", "asDropdown": False}],
        "panels": _placed(panels),
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """Return the panels from left to right and from top to bottom."""
    placed, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > COLUMNS:
            x, y = 0, y + height
        height = STAT_ROWS if panel.kind == "stat" else PANEL_ROWS
        where = {"x": x, "y": y, "w": panel.width, "h": height}
        placed.append({"id": number, "gridPos": where, **_drawn(panel)})
        x += panel.width
    return placed


def _drawn(panel: Panel) -> dict[str, Any]:
    source = INFLUXDB if panel.source == "influxdb" else PROMETHEUS
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.note,
        "datasource": source,
        "targets": [
            _target(chr(ord("A") + place), legend, query, source)
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": _coloured()},
    }


def _target(letter: str, legend: str, query: str, source: dict[str, str]) -> dict[str, Any]:
    if source is INFLUXDB:
        asked = {"query": query, "rawQuery": True, "resultFormat": "time_series", "alias": legend}
    else:
        asked = {"expr": query, "legendFormat": legend}
    return {"refId": letter, "datasource": source, **asked}


def _coloured() -> list[dict[str, Any]]:
    """Return the national colours for series that are named after a grade."""
    return [
        {
            "matcher": {"id": "byName", "options": grade},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for grade, colour in COLOURS.items()
    ]


def _variable(name: str, source: dict[str, str], query: str, *, every: bool) -> dict[str, Any]:
    return {
        "type": "query",
        "name": name,
        "datasource": source,
        "query": query,
        "refresh": 2,
        "sort": 1,
        "multi": every,
        "includeAll": every,
        "current": {"text": "All", "value": "$__all"} if every else {},
    }


DASHBOARDS = {
    "service": dashboard(
        "lifeline-service",
        "Lifeline itself",
        SERVICE,
        _variable("instance", PROMETHEUS, "label_values(lifeline_build_info, instance)", every=True),
    ),
    "channels": dashboard(
        "lifeline-channels",
        "Channels",
        CHANNELS,
        _variable("channel", INFLUXDB, 'SHOW TAG VALUES FROM "reading" WITH KEY = "channel"', every=False),
    ),
    "alarms": dashboard("lifeline-alarms", "Alarms", ALARMS, None),
}  # fmt: skip


def written(name: str) -> tuple[Path, str]:
    """Return the file of a dashboard, and what it should hold."""
    return FOLDER / f"{name}.json", json.dumps(DASHBOARDS[name], indent=1) + "\n"


def main() -> None:
    """Write all dashboards."""
    for name in DASHBOARDS:
        path, text = written(name)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
