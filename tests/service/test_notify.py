"""What systemd is told, and when."""

import asyncio
import os
import socket
from contextlib import suppress

import pytest

from service import notify
from tests.service.running import Service, wait_for


class Systemd:
    """A socket that listens as systemd does."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(address)
        self.heard = []

    def listen(self):
        with suppress(BlockingIOError):
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        return self.heard


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    listening = Systemd(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield listening
    listening.socket.close()


def test_lines_go_in_one_datagram(systemd):
    notify.tell("READY=1", "STATUS=judging")
    assert systemd.listen() == ["READY=1\nSTATUS=judging"]


def test_an_abstract_address_is_understood(monkeypatch):
    name = f"lifeline-test-{os.getpid()}"
    systemd = Systemd(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    notify.tell("READY=1")
    assert systemd.listen() == ["READY=1"]
    systemd.socket.close()


def test_nobody_who_listens_is_no_reason_to_fail(monkeypatch, tmp_path):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.tell("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify.tell("READY=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval_s"),
    [
        ("60000000", None, 30.0),
        ("60000000", "1", None),
        ("", None, None),
        ("0", None, None),
        ("x", None, None),
    ],
)
def test_the_watchdog_s_interval_is_half_of_what_systemd_allows(
    monkeypatch, microseconds, pid, interval_s
):
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", pid or str(os.getpid()))
    assert notify.watchdog_interval_s() == interval_s


async def test_ready_is_said_once_started_and_life_only_while_there_is_some(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    started, alive = asyncio.Event(), asyncio.Event()
    looked = asyncio.Event()

    def is_alive():
        looked.set()
        return alive.is_set()

    task = asyncio.create_task(notify.keep_told(started.is_set, is_alive))
    await asyncio.sleep(0)
    assert systemd.listen() == []
    started.set()
    await asyncio.wait_for(looked.wait(), 20)
    assert systemd.listen() == ["READY=1\nSTATUS=judging"]
    alive.set()
    looked.clear()
    await asyncio.wait_for(looked.wait(), 20)
    assert systemd.listen()[1] == "WATCHDOG=1"
    task.cancel()


def test_a_service_says_when_it_is_ready_that_it_lives_and_that_it_stops(
    systemd, monkeypatch, tmp_path, broker, small_city
):
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    service = Service(tmp_path / "service", broker.url, [small_city]).start()
    wait_for(lambda: systemd.listen().count("WATCHDOG=1") >= 2, "two signs of life")
    assert systemd.heard[0] == "READY=1\nSTATUS=judging"
    assert service.close() == 0
    assert "STOPPING=1\nSTATUS=stopping" in systemd.listen()
