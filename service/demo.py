"""The demonstration: a broker, the service and the simulated city, as child processes.

They stop in the order of the data's way when the demonstration is stopped, and with it when it dies.
"""

import http.client
import json
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from service.broker import broker_command, find_mosquitto, mqtt_options
from service.children import Child
from service.settings import ROOT

SITE = ROOT / "config" / "sites" / "demo.yaml"
READY_TIMEOUT_S = 170.0
GRADE_STYLES = {
    "blue": "bold blue",
    "yellow": "bold yellow",
    "orange": "bold dark_orange3",
    "red": "bold red",
}
SHOWN_ALARMS_MAX = 25

console = Console()


class DemoError(Exception):
    """The demonstration cannot run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demonstration listens and keeps its data."""

    http_port: int
    mqtt_port: int
    mqtt_url: str
    folder: Path
    key: str

    @property
    def url(self) -> str:
        """The address of the HTTP interface."""
        return f"http://127.0.0.1:{self.http_port}"


def run(folder: Path) -> None:
    """Run the demonstration until Ctrl-C or SIGTERM; raises ``DemoError``."""
    for number in (signal.SIGINT, signal.SIGTERM):  # started in the background, SIGINT is ignored
        signal.signal(number, signal.default_int_handler)
    places = _places(folder)
    try:
        with ExitStack() as stack:
            children = list(_start(places, stack))
            began_s = time.monotonic()
            _wait_until_ready(places, children, began_s)
            _welcome(places, time.monotonic() - began_s)
            _watch(places, children)
    except KeyboardInterrupt:
        console.print("\nStopped. The data stays in", folder, style="dim")


def _places(folder: Path) -> Places:
    mqtt_port = _port("LIFELINE_MQTT_PORT", 1883)
    places = Places(
        http_port=_port("LIFELINE_HTTP_PORT", 8080),
        mqtt_port=mqtt_port,
        mqtt_url=os.environ.get(
            "LIFELINE_MQTT_URL", f"mqtt://127.0.0.1:{mqtt_port}{mqtt_options()}"
        ),
        folder=folder,
        key=_key(folder),
    )
    if places.http_port == places.mqtt_port:
        raise DemoError("LIFELINE_HTTP_PORT and LIFELINE_MQTT_PORT are the same port")
    _check_free(places.http_port, "LIFELINE_HTTP_PORT")
    if _own_broker():
        _check_free(places.mqtt_port, "LIFELINE_MQTT_PORT")
    return places


def _own_broker() -> bool:
    """Whether the demonstration runs a broker, because nobody has named one."""
    return "LIFELINE_MQTT_URL" not in os.environ


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65_536:
        raise DemoError(f"{variable} is a port from 1 to 65535, not {text!r}")
    return int(text)


def _check_free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"port {port} is taken ({error.strerror}); choose another, for example: "
                f"make run {variable}={port + 10_000 if port < 55_000 else port - 10_000}"
            ) from None


def _key(folder: Path) -> str:
    """Return the demonstration's key: the one given, or one made at the first start."""
    given = os.environ.get("LIFELINE_ADMIN_KEY")
    if given:
        return given
    path = folder / "demonstration.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(f"demo-{secrets.token_urlsafe(24)}\n", encoding="ascii")
    return path.read_text(encoding="ascii").strip()


def _start(places: Places, stack: ExitStack) -> Iterator[Child]:
    """Start the children; the stack stops them, the last first."""
    logs = places.folder / "logs"
    lifeline = [sys.executable, "-m", "service"]
    console.print(f"Starting {_broker_words()}, the service and the city …", style="dim")
    commands = [
        ("service", [*lifeline, "serve"], _service_environment(places)),
        ("city", [*lifeline, "simulate", *_city_arguments(places)], {}),
    ]
    if _own_broker():
        broker = broker_command(places.mqtt_port, places.folder / "broker")
        commands.insert(0, ("broker", broker, {}))
    for name, command, environment in commands:
        child = Child(name, command, logs / f"{name}.log", environment)
        stack.callback(child.stop)
        yield child


def _broker_words() -> str:
    if not _own_broker():
        return "with the broker named in LIFELINE_MQTT_URL"
    return "mosquitto" if find_mosquitto() else "amqtt (mosquitto is not installed)"


def _service_environment(places: Places) -> dict[str, str]:
    defaults = {
        "LIFELINE_DATA_DIR": str(places.folder / "data"),
        "LIFELINE_CATALOGUE": json.dumps([str(SITE)]),
    }
    return {name: os.environ.get(name, value) for name, value in defaults.items()} | {
        "LIFELINE_MQTT_URL": places.mqtt_url,
        "LIFELINE_HTTP_LISTEN": f"127.0.0.1:{places.http_port}",
        "LIFELINE_ADMIN_KEY": places.key,
    }


def _city_arguments(places: Places) -> list[str]:
    return [
        "--mqtt-url",
        places.mqtt_url,
        "--progress-file",
        str(places.folder / "city.json"),
        "--wait-for",
        f"{places.url}/health/ready",
    ]


def _wait_until_ready(places: Places, children: list[Child], began_s: float) -> None:
    """Return when the history is judged and the service is ready."""
    progress = places.folder / "city.json"
    with console.status("Backfilling six hours of history …"):
        while time.monotonic() - began_s < READY_TIMEOUT_S:
            _check_running(children)
            if _is_live(progress) and _fetch(places, "/health/ready") is not None:
                return
            time.sleep(0.2)
    raise DemoError(
        f"not ready after {READY_TIMEOUT_S:.0f} s; the logs are in {places.folder / 'logs'}"
    )


def _is_live(progress: Path) -> bool:
    """Whether the city of this run has sent its history and goes on at life's speed."""
    try:
        told = json.loads(progress.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(told.get("live"))


def _check_running(children: list[Child]) -> None:
    for child in children:
        if not child.running:
            raise DemoError(f"the {child.name} has stopped. Its last words:\n{child.last_words()}")


def _fetch(places: Places, path: str) -> Any:
    """Return a JSON answer of the service, or None where it gives none."""
    try:
        with urllib.request.urlopen(f"{places.url}{path}", timeout=5) as answer:  # noqa: S310  ours
            return json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return None


def _welcome(places: Places, ready_s: float) -> None:
    console.print(
        f"\n[bold green]Lifeline is ready[/] after {ready_s:.0f} s.\n"
        f"  Page              {places.url}/\n"
        f"  API               {places.url}/api/v1/alarms  (OpenAPI: /api/v1/openapi.json)\n"
        f"  Broker            {_without_password(places.mqtt_url)}\n"
        f"  Demonstration key {places.key}\n"
        f"  Your own gateway  .venv/bin/lifeline publish --mqtt-port {places.mqtt_port} "
        "north my-gateway temperature=21.5\n"
        f"  Data and logs     {places.folder}\n"
        "Ctrl-C stops everything.\n",
        highlight=False,
        soft_wrap=True,
    )


def _without_password(url: str) -> str:
    scheme, _, place = url.partition("://")
    return f"{scheme}://{place.rpartition('@')[2].partition('?')[0]}"


def _watch(places: Places, children: list[Child]) -> None:
    if not console.is_terminal:
        _print_transitions(places, children)
    with Live(console=console, refresh_per_second=2, screen=False) as live:
        while True:
            _check_running(children)
            live.update(
                _table(_fetch(places, f"/api/v1/alarms?state=open&limit={SHOWN_ALARMS_MAX}"))
            )
            time.sleep(1)


def _print_transitions(places: Places, children: list[Child]) -> None:
    """Print a line for every transition: where the output is no terminal."""
    after = 0
    while True:
        _check_running(children)
        page = _fetch(places, f"/api/v1/transitions?after={after}&limit=1000") or {"items": []}
        for item in page["items"]:
            after = item["number"]
            alarm = item["alarm"]
            console.print(
                f"{item['time']} {item['kind']:<12} {alarm['grade']:<6} {alarm['kind']:<8} "
                f"{alarm['text']['en']} · {alarm['text']['zh']}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        time.sleep(1)


def _table(page: Any) -> Table:
    table = Table(title="Open alarms · 未关闭告警", title_justify="left", expand=True)
    for heading in ("Grade", "Kind", "Alarm", "Raised", "State"):
        table.add_column(
            heading, ratio=6 if heading == "Alarm" else None, no_wrap=heading != "Alarm"
        )
    for alarm in (page or {"items": []})["items"]:
        grade = alarm["grade"] if alarm["active"] else alarm["peak_grade"]
        state = "active" if alarm["active"] else "returned"
        state += ", acknowledged" if alarm["acknowledged"] else ""
        style = GRADE_STYLES.get(grade, "") if alarm["active"] else "dim"
        text = escape(f"{alarm['text']['en']}\n{alarm['text']['zh']}")
        table.add_row(grade, alarm["kind"], text, alarm["active_since"][11:19], state, style=style)
    return table
