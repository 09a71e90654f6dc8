"""The HTTP server of the interface's process: it says how it stands, then shows the interface."""

import asyncio
import socket

import httpx
import pytest

from api.app import create_app
from api.fan import DIRECT
from domain.alarm import TransitionKind
from service.door import bind
from service.front import Server
from service.settings import Settings
from tests.api.conftest import a_busy_city
from tests.api.fakes import NOW_NS, transition_of

DEADLINE_S = 20.0


@pytest.fixture
async def server(tmp_path):
    settings = Settings(_env_file=None, http_listen="127.0.0.1:0", data_dir=tmp_path)
    with bind(settings) as listener:
        server = Server(listener)
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(DEADLINE_S):
            while not server.is_open:  # noqa: ASYNC110  uvicorn has no event for it
                await asyncio.sleep(0.01)
            server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield server
            server.stop()
            await serving


async def get(url):
    async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
        return await client.get(url)


async def test_answers_do_not_wait_for_acknowledgements(server):
    without_delay = []

    async def app(scope, _receive, send):
        peer = scope["extensions"][DIRECT].get_extra_info("socket")
        without_delay.append(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    server.front.app = app
    assert (await get(server.url)).status_code == 204
    server.front.app = None
    assert without_delay == [1]


async def test_a_standby_shows_its_state_and_then_the_interface(server):
    async def state():
        return "standby of somebody"

    server.front.state = state
    before = await get(f"{server.url}/health/ready")
    assert before.status_code == 503
    assert "standby of somebody" in before.text
    assert (await get(f"{server.url}/health/live")).status_code == 200
    refused = await get(f"{server.url}/api/v1/alarms")
    assert refused.status_code == 503
    assert "does not lead: standby of somebody" in refused.json()["detail"]
    await server.show(create_app(a_busy_city().ports()))
    assert (await get(f"{server.url}/health/ready")).status_code == 200


async def test_listeners_are_written_to_directly_and_stopping_ends_their_streams(server):
    memory = a_busy_city()
    app = create_app(memory.ports())
    await server.show(app)
    hub = app.state.context.hub

    async def listen():
        async with (
            httpx.AsyncClient(timeout=DEADLINE_S) as client,
            client.stream("GET", f"{server.url}/api/v1/events") as answer,
        ):
            return [line async for line in answer.aiter_lines()]

    listening = asyncio.create_task(listen())
    while not len(hub.fan):  # noqa: ASYNC110  there is no event for it
        await asyncio.sleep(0.01)
    alarm = memory.live.open_alarms()[0]
    written = memory.store.commit([transition_of(alarm, TransitionKind.RISEN, NOW_NS)])
    hub.publish(written)
    server.stop()
    lines = await listening
    assert lines.count("event: transition") == 1
    assert f"id: {written[0][0]}" in lines
    assert len(hub.fan) == 0
