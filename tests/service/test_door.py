"""The door: the interface's process starts, answers, and ends as it is told, or with its parent."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import httpx
import pytest

from service.door import Door, bind
from service.opening import StartError
from service.reception import Setup
from service.settings import Settings
from service.supervise import Supervisor

DEADLINE_S = 60.0


@pytest.fixture
async def door(tmp_path):
    settings = Settings(_env_file=None, http_listen="127.0.0.1:0", data_dir=tmp_path)
    with bind(settings) as listener:
        supervisor = Supervisor()
        setup = Setup("info", open_reads=True, wall_clock=True, state_url=settings.state_location())
        door = Door(supervisor, listener, setup)
        door.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        door.supervisor = supervisor
        yield door
        await door.close()
        await supervisor.cancel()
        door.punctuality.close()


async def get(url):
    async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
        return await client.get(url)


async def test_it_says_how_the_service_stands_before_that_leads(door):
    await door.begin()
    door.reception.words = lambda: "standby of somebody"
    await door.open()
    await door.open()  # once is enough
    answer = await get(f"{door.url}/health/ready")
    assert answer.status_code == 503
    assert "standby of somebody" in answer.text
    await door.close()
    with pytest.raises(httpx.TransportError):
        await get(f"{door.url}/health/ready")


async def test_it_answers_while_the_services_loop_does_not_run(door):
    await door.begin()
    await door.open()
    url = f"{door.url}/health/live"
    command = [sys.executable, "-c", f"import httpx; print(httpx.get({url!r}).status_code)"]
    # Nothing here yields to this loop.
    asked = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=True)  # noqa: ASYNC221
    assert asked.stdout.split() == [b"200"]


async def test_an_interface_that_dies_ends_the_service(door):
    await door.begin()
    await door.open()
    os.kill(door._process.pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="the interface's process has ended: exit status -9"):
        async with asyncio.timeout(DEADLINE_S):
            await door.supervisor.wait()


async def test_an_interface_that_dies_while_the_service_starts_is_said_in_a_sentence(door):
    await door.begin()
    os.kill(door._process.pid, signal.SIGKILL)
    with pytest.raises(StartError, match="has ended while the service started"):
        await door.open()


async def test_it_takes_no_signal_from_anybody_but_its_parent(door):
    await door.begin()
    await door.open()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(door._process.pid, number)
    assert (await get(f"{door.url}/health/live")).status_code == 200
    assert not door.supervisor.failed


async def test_a_door_that_was_never_open_is_closed():
    with socket.socket() as listener:
        door = Door(
            Supervisor(), listener, Setup("info", open_reads=True, wall_clock=True, state_url="")
        )
        await door.close()
        door.punctuality.close()


PARENT = """
import asyncio, socket, sys
from service.door import Door
from service.reception import Setup
from service.supervise import Supervisor

async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    door = Door(Supervisor(), listener, Setup("info", open_reads=True, wall_clock=True, state_url="sqlite:///nowhere.db"))
    await door.begin()
    await door.open()
    print(door._process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_it_ends_with_its_parent_however_that_ends():
    command = [sys.executable, "-c", textwrap.dedent(PARENT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    end_s = time.monotonic() + DEADLINE_S
    while _is_alive(child):
        assert time.monotonic() < end_s
        time.sleep(0.01)


def _is_alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
