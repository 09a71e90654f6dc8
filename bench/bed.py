"""The test bed: a private mosquitto, and the whole service as a child process."""

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.city import PROBE, make_catalogue, save_catalogue
from domain.catalogue import Catalogue
from domain.time import NS_PER_S
from service.broker import broker_command
from service.children import Child

START_TIMEOUT_S = 300.0
SETTLE_TIMEOUT_S = 240.0
_LOOK_S = 0.1
_SO_TIMESTAMPNS = 35  # Linux: socket(7); the module has no name for it
_TIMESPEC = struct.Struct("qq")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_broker(folder: Path) -> Iterator[tuple[Child, int]]:
    """Run mosquitto as ``service/broker.py`` configures it; its port is the second."""
    port = free_port()
    child = Child("broker", broker_command(port, folder), folder / "broker.log")
    try:
        _until_it_listens(child, port)
        yield child, port
    finally:
        child.stop()


def _until_it_listens(child: Child, port: int) -> None:
    deadline_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if not child.running or time.monotonic() > deadline_s:
                raise RuntimeError(f"no broker:\n{child.last_words()}") from None
            time.sleep(0.02)
        else:
            return


def processes(child: Child) -> list[int]:
    """Return the ids of a child and of the processes that it has started."""
    tasks = Path(f"/proc/{child.pid}/task").glob("*/children")
    started = [int(pid) for path in tasks for pid in path.read_text(encoding="utf-8").split()]
    return [child.pid, *started]


def cpu_s(child: Child) -> float:
    """Return the processor time that a child and what it has started have used so far, in seconds."""
    return sum(map(_cpu_s, processes(child)))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_mb(child: Child) -> float:
    """Return the resident memory of a child and of what it has started, in MB."""
    return sum(map(_rss_mb, processes(child)))


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def machine_cpu_s() -> float:
    """Return the processor time that everything has used since the machine started, in seconds."""
    line = Path("/proc/stat").read_text(encoding="utf-8").partition("\n")[0]
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(int, line.split()[1:])
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


class Bed:
    """A broker and the service that listens to it."""

    def __init__(
        self,
        broker: Child,
        start: Callable[[], Child],
        mqtt_port: int,
        http_port: int,
        folder: Path,
    ) -> None:
        self.folder = folder
        self.broker = broker
        self._start = start
        self.service = start()
        self.mqtt_port = mqtt_port
        self.http_port = http_port

    def kill_service(self) -> None:
        """End the service as ``kill -9`` does."""
        os.kill(self.service.pid, signal.SIGKILL)
        self.service.wait(20)

    def start_service(self) -> None:
        """Start it again, and return when it judges."""
        self.service = self._start()
        _until_ready(self)

    def get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def books(self) -> dict[str, int]:
        """Return what is counted over all gateways: frames, duplicates of them, readings by fate."""
        books: dict[str, int] = {}
        for book in self.items("/api/v1/accounting"):
            books["frames"] = books.get("frames", 0) + book["frames"]["received"]
            books["duplicates"] = books.get("duplicates", 0) + book["frames"]["duplicate"]
            for fate, count in book["readings"].items():
                if isinstance(count, int):
                    books[fate] = books.get(fate, 0) + count
        return books

    def unbalanced(self) -> int:
        """Return how many gateways' books do not balance."""
        return sum(not book["balanced"] for book in self.items("/api/v1/accounting"))

    def items(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, all of its parts."""
        cursor = ""
        while True:
            page = json.loads(self.get(f"{path}?limit=1000{cursor}"))
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = f"&cursor={page['next']}"

    def metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", self.get("/metrics").decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def until_archived(self, frames: int) -> float:
        """Wait until so many frames are counted and nothing is pending; return when that was."""
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        while time.monotonic() < deadline_s:
            books = self.books()
            if books.get("frames", 0) >= frames and not books.get("pending", 0):
                return time.monotonic()
            if not self.service.running:
                raise RuntimeError(f"the service has ended:\n{self.service.last_words(40)}")
            time.sleep(_LOOK_S)
        raise TimeoutError(f"not archived: {self.books()}, {frames} frames awaited")

    def until_journaled(self, rows: float) -> float:
        """Wait until the journal's newest row is ``rows`` or later; return when that was."""
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        while self.metric("lifeline_journal_last_row") < rows:
            if time.monotonic() > deadline_s:
                raise TimeoutError("frames do not come into the journal")
            time.sleep(_LOOK_S)
        return time.monotonic()


@contextmanager
def running_service(channels: int, gateways: int, **settings: object) -> Iterator[Bed]:
    """Run broker and service with a catalogue of so many channels, ready and warm."""
    with running_with(make_catalogue(channels, gateways), **settings) as bed:
        yield bed


@contextmanager
def running_with(catalogue: Catalogue, **settings: object) -> Iterator[Bed]:
    """Run broker and service with a catalogue that holds the probe, ready and warm."""
    with tempfile.TemporaryDirectory(prefix="lifeline-bench-") as name:
        folder = Path(name)
        data = folder / "data"
        asyncio.run(save_catalogue(catalogue, data))
        with running_broker(folder / "broker") as (broker, mqtt_port):
            http_port = free_port()
            environment = {
                "LIFELINE_MQTT_URL": f"mqtt://127.0.0.1:{mqtt_port}",
                "LIFELINE_HTTP_LISTEN": f"127.0.0.1:{http_port}",
                "LIFELINE_DATA_DIR": str(data),
                "LIFELINE_LOG_LEVEL": "warning",
                **{f"LIFELINE_{name.upper()}": str(value) for name, value in settings.items()},
            }
            command = [sys.executable, "-m", "service", "serve"]
            start = partial(Child, "service", command, folder / "service.log", environment)
            bed = Bed(broker, start, mqtt_port, http_port, folder)
            try:
                _until_ready(bed)
                yield bed
            finally:
                bed.service.stop()


def _until_ready(bed: Bed) -> None:
    """Return when the service judges by the catalogue: then it knows the probe."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            ready = f'"{PROBE}"'.encode() in bed.get("/api/v1/channels?facility=bridge/probe")
        except (OSError, http.client.HTTPException):
            ready = False
        if ready:
            return
        if not bed.service.running or time.monotonic() > deadline_s:
            raise RuntimeError(f"the service does not start:\n{bed.service.last_words(40)}")
        time.sleep(0.2)


class Listener(threading.Thread):
    """Reads the SSE stream and notes when each transition of the probe came, by its event time.

    It came when the kernel had it for the listener's socket: when this process got to look, on two cores
    with all that makes the load, is no matter of the service's.
    """

    def __init__(self, http_port: int) -> None:
        super().__init__(daemon=True)
        self._sock = socket.create_connection(("127.0.0.1", http_port), timeout=60)
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._sock.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: bench\r\n\r\n")
        if b" 200 " not in self._sock.recv(4096)[:20]:
            raise RuntimeError("the service refuses a listener")
        self.came_s: dict[str, float] = {}
        self._ended = False

    def run(self) -> None:
        rest = b""
        try:
            while not self._ended:
                data, notes, _, _ = self._sock.recvmsg(1 << 16, socket.CMSG_SPACE(_TIMESPEC.size))
                if not data:
                    return
                came_s = _monotonic_s(notes)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if line.startswith(b"data: ") and PROBE.encode() in line:
                        event: dict[str, Any] = json.loads(line[6:])
                        self.came_s[event["time"]] = came_s
        except OSError:
            if not self._ended:
                raise

    def close(self) -> None:
        self._ended = True
        self._sock.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self._sock.close()


def _monotonic_s(notes: list[tuple[int, int, bytes]]) -> float:
    """Return when the last bytes of a read came, by ``time.monotonic``; now, where nobody says."""
    now_s, now_ns = time.monotonic(), time.time_ns()
    for level, kind, value in notes:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(value[: _TIMESPEC.size])
            return now_s - (now_ns - seconds * NS_PER_S - nanoseconds) / NS_PER_S
    return now_s
