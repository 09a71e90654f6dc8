"""The door: it answers from a thread of its own, also while the service's loop is busy."""

import asyncio
import socket
import threading
import time

import httpx
import pytest

from api.app import create_app
from api.fan import DIRECT
from domain.alarm import TransitionKind
from service.door import Door, bind
from service.settings import Settings
from service.supervise import Supervisor
from tests.api.conftest import a_busy_city
from tests.api.fakes import NOW_NS, transition_of

DEADLINE_S = 20.0


@pytest.fixture
def listener():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


async def until(true):
    """Wait for it in another thread, so that the loop runs meanwhile."""

    def look():
        end_s = time.monotonic() + DEADLINE_S
        while not true():
            assert time.monotonic() < end_s
            time.sleep(0.01)

    await asyncio.to_thread(look)


async def test_it_answers_while_the_services_loop_does_not_run(listener):
    door = Door(Supervisor(), listener)
    await door.show(create_app(a_busy_city().ports()))
    await until(lambda: door.is_open)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    answers = []
    asker = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{url}/health/live").status_code)
    )
    asker.start()
    asker.join(DEADLINE_S)  # nothing here yields to this loop
    assert answers == [200]
    await door.close()
    with pytest.raises(httpx.TransportError):
        await asyncio.to_thread(httpx.get, f"{url}/health/live")


async def test_a_listener_may_be_closed_when_a_door_is_whose_task_was_cancelled(listener):
    supervisor = Supervisor()
    door = Door(supervisor, listener)
    await door.show(create_app(a_busy_city().ports()))
    await until(lambda: door.is_open)
    await supervisor.cancel()
    await door.close()
    assert "http" not in {thread.name for thread in threading.enumerate()}


async def test_answers_do_not_wait_for_acknowledgements(tmp_path):
    settings = Settings(_env_file=None, http_listen="127.0.0.1:0", data_dir=tmp_path)
    with bind(settings) as listener:
        door = Door(Supervisor(), listener)
        without_delay = []

        async def app(scope, _receive, send):
            peer = scope["extensions"][DIRECT].get_extra_info("socket")
            without_delay.append(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        door.open()
        await until(lambda: door.is_open)
        door.front.app = app
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        answer = await asyncio.to_thread(httpx.get, url)
        await door.close()
    assert answer.status_code == 204
    assert without_delay == [1]


async def test_a_standby_shows_its_state_and_then_the_interface(listener):
    door = Door(Supervisor(), listener)
    door.front.state = lambda: "standby of somebody"
    door.open()
    await until(lambda: door.is_open)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/health/ready"
    before = await asyncio.to_thread(httpx.get, url)
    assert before.status_code == 503
    assert "standby of somebody" in before.text
    await door.show(create_app(a_busy_city().ports()))
    assert (await asyncio.to_thread(httpx.get, url)).status_code == 200
    await door.close()


async def test_listeners_are_written_to_directly_and_closing_ends_their_streams(listener):
    memory = a_busy_city()
    door = Door(Supervisor(), listener)
    app = create_app(memory.ports())
    await door.show(app)
    await until(lambda: door.is_open)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/events"
    hub = app.state.context.hub
    lines, ended = [], threading.Event()

    def listen():
        with httpx.stream("GET", url, timeout=DEADLINE_S) as answer:
            lines.extend(answer.iter_lines())
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    await until(lambda: len(hub.fan))
    alarm = memory.live.open_alarms()[0]
    written = memory.store.commit([transition_of(alarm, TransitionKind.RISEN, NOW_NS)])
    door._loop.call_soon_threadsafe(hub.publish, written)
    await until(lambda: hub.last is not None)
    await door.close()
    assert await asyncio.to_thread(ended.wait, DEADLINE_S)
    thread.join()
    assert lines.count("event: transition") == 1
    assert f"id: {written[0][0]}" in lines
    assert len(hub.fan) == 0


async def test_a_server_that_fails_ends_the_service(listener):
    supervisor = Supervisor()
    door = Door(supervisor, listener)

    async def broken(_sockets):
        raise OSError("no more descriptors")

    door._server.serve = broken
    door.open()
    with pytest.raises(OSError, match="no more descriptors"):
        async with asyncio.timeout(DEADLINE_S):
            await supervisor.wait()
