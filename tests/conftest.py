"""Real parts for the tests: mosquitto on a free port of the loopback."""

import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.servers.influx import InfluxServer
from tests.servers.postgres import PostgresServer

# The same examples in every run, so that a red run is red for everybody; to look for new ones:
# LIFELINE_HYPOTHESIS=explore make test. No deadlines: benchmarks measure, and a first example compiles.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("LIFELINE_HYPOTHESIS", "repeatable"))

# The default queue drops messages without a word; 0 ("unlimited") disconnects clients in 2.0.21.
BROKER_OPTIONS = {
    "allow_anonymous": "true",
    "persistence": "true",
    "autosave_interval": "1",
    "max_queued_messages": "1000000",
    "max_queued_bytes": "1073741824",
    "max_inflight_messages": "65535",
}


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Forget what a command run in this process set up for its logs: the next test may read them."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Broker:
    """A mosquitto of our own; its folder keeps its configuration, its log and its sessions."""

    folder: Path
    port: int = field(default_factory=free_port)
    options: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        lines = [f"{name} {value}" for name, value in {**BROKER_OPTIONS, **self.options}.items()]
        config = self.folder / "mosquitto.conf"
        config.write_text(
            "\n".join([f"listener {self.port} {self.host}", *lines])
            + f"\npersistence_location {self.folder}/\n",
            encoding="utf-8",
        )
        with (self.folder / "mosquitto.log").open("ab") as output:
            self.process = subprocess.Popen(
                [find_mosquitto(), "-c", str(config)], stdout=output, stderr=output
            )
        self._wait_until_it_listens()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection((self.host, self.port), timeout=1).close()
            except OSError:
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((self.folder / "mosquitto.log").read_text()) from None
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """End it properly: it writes its sessions to disk."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=15)
            self.process = None

    def kill(self) -> None:
        """End it as a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=15)
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()


def find_mosquitto() -> str:
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    assert path, "mosquitto is not installed: apt-get install mosquitto"
    return path


def start_broker(folder: Path, **options: str) -> Broker:
    """Start a private broker with ``options`` added to its configuration; ``stop()`` it after use."""
    folder.mkdir(parents=True, exist_ok=True)
    # mosquitto gives up the rights of root, and could then not write into a folder of root's.
    broker = Broker(folder, options={"user": "root", **options})
    broker.start()
    return broker


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The session's broker; tests that stop it use one of their own (``private_broker``)."""
    running = start_broker(tmp_path_factory.mktemp("broker"))
    yield running
    running.stop()


@pytest.fixture
def private_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Start brokers of this test's own: ``private_broker(**options)``."""
    started: list[Broker] = []

    def start(**options: str) -> Broker:
        started.append(start_broker(tmp_path / f"broker-{len(started)}", **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL; tests that stop it use one of their own (``private_postgres``).

    Without fsync, for speed: nobody kills this one.
    """
    with PostgresServer(fsync="off") as server:
        yield server


@pytest.fixture
def private_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test's own, to be killed."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def private_influx(tmp_path: Path) -> Iterator[Callable[..., InfluxServer]]:
    """Start InfluxDB servers of this test's own: ``private_influx(auth=True)``."""
    started: list[InfluxServer] = []

    def start(**options: Any) -> InfluxServer:
        server = InfluxServer(tmp_path / f"influx-{len(started)}", **options)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.thaw()
        server.stop()
