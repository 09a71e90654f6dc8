"""The whole service as a child process beside a real mosquitto, and the hands to try it with."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
KEY = "key-of-the-tests"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
DEADLINE_S = 30.0

# Intervals of a minute, so that nothing falls silent while a test runs.
SMALL_CITY = """\
name: {zh: 试验城, en: Testville}
gateways:
  - {id: gw-bridge, district: north, facility: bridge/test, name: {zh: 桥梁网关, en: Bridge logger}, zone: Asia/Shanghai, upload_interval_s: 60}
  - {id: gw-gas, district: south, facility: gas/test, name: {zh: 燃气网关, en: Gas logger}, upload_interval_s: 60}
facilities:
  - id: bridge/test
    kind: bridge
    name: {zh: 试验桥, en: Test Bridge}
    district: north
    location: [117.9, 30.6]
    channels:
      - id: deflection
        name: {zh: 跨中挠度, en: Midspan deflection}
        quantity: deflection
        gateway: gw-bridge
        sent_as: D1
        sample_interval_s: 60
        parameters: {design: 150}
        limits: &graded
          - {grade: blue, high: 60, deadband: 5, source: test}
          - {grade: yellow, high: 120, deadband: 5, source: test}
          - {grade: orange, high: 150, deadband: 5, source: test}
          - {grade: red, high: 180, deadband: 5, source: test}
      - id: latched
        name: {zh: 锁存测点, en: Latched}
        quantity: deflection
        gateway: gw-bridge
        sent_as: L1
        sample_interval_s: 60
        parameters: {design: 150}
        latching: true
        limits: *graded
      - id: markup
        name: {zh: "<img src=x onerror=window.hacked=1>", en: "<script>window.hacked=1</script>"}
        quantity: deflection
        gateway: gw-bridge
        sent_as: X1
        sample_interval_s: 60
        parameters: {design: 150}
        limits: *graded
      - id: victim
        name: {zh: 备用测点, en: Victim}
        quantity: deflection
        gateway: gw-bridge
        sent_as: V1
        sample_interval_s: 60
        parameters: {design: 150}
        limits: *graded
  - id: gas/test
    kind: gas
    name: {zh: 试验燃气管段, en: Test gas section}
    district: south
    channels:
      - id: methane
        name: {zh: 甲烷, en: Methane}
        quantity: methane
        gateway: gw-gas
        sent_as: M1
        sample_interval_s: 60
        limits:
          - {grade: yellow, high: 20, deadband: 1, source: test}
"""

T = TypeVar("T")


def wait_for(look: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Return what ``look`` returns once that is true; fail with ``what`` after the deadline."""
    end_s = time.monotonic() + deadline_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < end_s, f"not within {deadline_s:.0f} s: {what}; last: {seen!r}"
        time.sleep(0.03)


def rfc3339(ago_s: float = 0.0) -> str:
    """Return the present, or so many seconds before it, as gateways write it."""
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment with the settings given and no other of Lifeline's."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LIFELINE_")}
    given = {f"LIFELINE_{name.upper()}": str(value) for name, value in settings.items()}
    return {**plain, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100", **given}


def run_lifeline(
    *arguments: object, timeout_s: float = 120.0, **settings: object
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "service", *map(str, arguments)],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass
class Service:
    """``lifeline serve`` on a free port, with its data in ``folder``."""

    folder: Path
    mqtt_url: str
    catalogue: Sequence[Path]
    settings: Mapping[str, object] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.http = httpx.Client(base_url=f"{self.url}/api/v1", timeout=20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> Self:
        """Start it, and return when it is ready."""
        self.spawn()
        wait_for(self.is_ready, "the service is ready", 60)
        return self

    def spawn(self) -> None:
        """Start it, whatever comes of it."""
        given = {
            "mqtt_url": self.mqtt_url,
            "http_listen": f"127.0.0.1:{self.port}",
            "data_dir": self.folder / "data",
            "catalogue": json.dumps([str(path) for path in self.catalogue]),
            "admin_key": KEY,
            **self.settings,
        }
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve", *self.arguments],
                cwd=ROOT,
                env=environment(**given),
                stdout=log,
                stderr=log,
            )

    def is_live(self) -> bool:
        try:
            return self.http.get(f"{self.url}/health/live").status_code == 200
        except httpx.TransportError:
            return False

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return self.http.get(f"{self.url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> int:
        """Stop it as systemd would; return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()

    def close(self) -> int:
        """Stop it where it runs, for good."""
        self.http.close()
        assert self.process is not None
        return self.stop() if self.process.poll() is None else self.process.returncode

    def get(self, path: str, **query: object) -> Any:
        answer = self.http.get(path, params={k: str(v) for k, v in query.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str, **query: object) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: dict[str, object] = {}
        while True:
            page = self.get(path, limit=1000, **query, **cursor)
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = {"cursor": page["next"]}

    def post(self, path: str, body: object = None) -> Any:
        answer = self.http.post(path, json={} if body is None else body, headers=AUTHORIZED)
        assert answer.is_success, answer.text
        return answer.json()

    def books(self, gateway: str) -> dict[str, Any]:
        return next((b for b in self.items("/accounting") if b["gateway"] == gateway), {})

    def all_books_balance(self) -> bool:
        return all(book["balanced"] for book in self.items("/accounting"))

    def latest(self, channel: str) -> dict[str, Any]:
        return self.get(f"/channels/{channel}")["latest"] or {}

    def wait_for_value(self, channel: str, value: float) -> dict[str, Any]:
        wait_for(lambda: self.latest(channel).get("value") == value, f"{channel} shows {value}")
        return self.latest(channel)

    def wait_for_alarm(self, channel: str, condition: str = "high", **facts: object) -> Any:
        """Return the newest alarm of a channel once all ``facts`` are true of it."""

        def look() -> dict[str, Any] | None:
            found = self.items("/alarms", channel=channel, condition=condition)
            fits = bool(found) and all(found[0][name] == value for name, value in facts.items())
            return found[0] if fits else None

        return wait_for(look, f"an alarm of {channel}, {condition}, {facts}")


@contextmanager
def events(service: Service, **query: object) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """Listen to the event stream; the iterator yields (event, data) and fails after a while."""
    with service.http.stream("GET", "/events", params={k: str(v) for k, v in query.items()}) as it:
        assert it.status_code == 200

        def read() -> Iterator[tuple[str, dict[str, Any]]]:
            end_s, name = time.monotonic() + DEADLINE_S, ""
            for line in it.iter_lines():
                assert time.monotonic() < end_s, "nothing more on the stream"
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:"):
                    yield name, json.loads(line.removeprefix("data:"))

        yield read()


class Sender:
    """A hand at the broker: publishes what it is told, well formed or not, at QoS 1."""

    def __init__(self, port: int, client_id: str = "sender") -> None:
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: bytes | str, *, retain: bool = False, qos: int = 1) -> None:
        """Publish, and return when the broker has it."""
        self._client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(DEADLINE_S)

    def reading(
        self, gateway: str, name: str, value: object, ago_s: float = 0.0, district: str = "north"
    ) -> bytes:
        """Publish one reading, and return the payload."""
        payload = json.dumps({"ts": rfc3339(ago_s), "values": {name: value}}).encode()
        self.send(f"lifeline/v1/{district}/{gateway}/data/json", payload)
        return payload
