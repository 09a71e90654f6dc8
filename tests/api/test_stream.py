"""The event stream: every transition once and in order, whoever is slow, whenever one comes back."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import httpx
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app, end_streams
from api.settings import ApiSettings
from api.stream import EventStream, Hub
from domain.alarm import TransitionKind
from domain.grade import Grade
from domain.readings import Latest
from tests.api.conftest import DEFLECTION, METHANE, a_busy_city
from tests.api.fakes import NOW_NS, Memory, transition_of


def encode(number, _transition):
    return b"%d" % number


def a_transition(memory: Memory):
    alarm = memory.live.open_alarms()[0]
    return transition_of(alarm, TransitionKind.RISEN, NOW_NS + len(memory.store.written))


def write(memory: Memory, hub: Hub, count: int) -> None:
    hub.publish(memory.store.commit([a_transition(memory) for _ in range(count)]))


async def take(hub: Hub, cursor, seen):
    for number, document in await hub.after(cursor):
        assert document == b"%d" % number
        seen.append(number)
    return seen[-1] if seen else cursor


@given(
    history=st.integers(0, 5),
    ring=st.integers(1, 4),
    acts=st.lists(st.one_of(st.integers(1, 6), st.sampled_from(["read", "restart"])), max_size=25),
)
def test_a_listener_gets_every_number_once_and_in_order(history, ring, acts):
    async def run() -> None:
        memory = a_busy_city()
        hub = Hub(memory.store, encode, ring)
        memory.store.commit([a_transition(memory) for _ in range(history)])
        cursor, seen = await hub.start(0), []
        for act in [*acts, *["read"] * 40]:
            if isinstance(act, int):
                write(memory, hub, act)
            elif act == "read":
                cursor = await take(hub, cursor, seen)
            else:  # the service begins anew, the listener resumes by its last number
                hub = Hub(memory.store, encode, ring)
                cursor = await hub.start(cursor)
        assert seen == [number for number, _ in memory.store.written]

    asyncio.run(run())


async def test_a_listener_without_a_number_begins_with_what_comes_next(memory):
    hub = Hub(memory.store, encode, 100)
    cursor = await hub.start(None)
    assert await hub.after(cursor) == []
    write(memory, hub, 2)
    assert [number for number, _ in await hub.after(cursor)] == [3, 4]
    late = await hub.start(None)
    write(memory, hub, 1)
    assert [number for number, _ in await hub.after(late)] == [5]


async def test_a_number_that_never_was_counts_as_now(memory):
    hub = Hub(memory.store, encode, 100)
    cursor = await hub.start(9000)
    write(memory, hub, 1)
    assert [number for number, _ in await hub.after(cursor)] == [3]


async def test_a_slow_listener_is_cut_off_and_the_others_are_served(memory):
    hub = Hub(memory.store, encode, 100)
    cut, got = [], []
    never = asyncio.Event()

    async def numbers():
        cursor = await hub.start(0)
        while not hub.closed:
            wake = hub.wake
            for number, _ in await hub.after(cursor):
                cursor = number
                yield b"%d" % number
            if len(memory.store.written) == cursor:
                await wake.wait()

    async def slow(message):
        if message["type"] == "http.response.body":
            await never.wait()

    async def quick(message):
        got.append(message.get("body"))
        if message.get("body") == b"3":
            hub.close()

    async def stay():
        await never.wait()
        return {"type": "http.disconnect"}

    lagging = EventStream(numbers(), 0.05, lambda: cut.append("slow"))
    lively = EventStream(numbers(), 60.0, lambda: cut.append("quick"))
    serving = asyncio.create_task(lively({}, stay, quick))
    await lagging({}, stay, slow)
    write(memory, hub, 1)
    await serving
    assert cut == ["slow"]
    assert got == [None, b"1", b"2", b"3", b""]


async def test_a_stream_ends_when_its_reader_goes(memory):
    ended = []

    async def endless():
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def gone():
        return {"type": "http.disconnect"}

    async def send(_message):
        await asyncio.sleep(0)

    await EventStream(endless(), 60.0, lambda: None)({}, gone, send)
    assert ended == [True]


# ---- over a real connection


@asynccontextmanager
async def served(memory: Memory, **settings):
    app = create_app(memory.ports(), ApiSettings(**settings))
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=address, timeout=20.0, trust_env=False) as client:
            yield app, client
    finally:
        end_streams(app)
        server.should_exit = True
        await running


async def events(answer):
    """Yield (event, id, data) of a stream."""
    fields = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif fields:
            if "data" in fields:
                yield fields.get("event"), fields.get("id"), json.loads(fields["data"])
            fields = {}


async def test_a_listener_that_comes_back_misses_nothing_and_hears_nothing_twice(memory):
    heard = []
    async with served(memory) as (_, client):
        for _ in range(3):
            headers = {"Last-Event-ID": str(heard[-1] if heard else 0)}
            async with client.stream("GET", "/api/v1/events", headers=headers) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                wanted = len(memory.store.written) + 2
                for grade in (Grade.BLUE, Grade.RED):  # some before, some while it listens
                    memory.raise_alarm(METHANE, grade, len(memory.store.written))
                async for kind, number, data in events(answer):
                    if kind == "transition":
                        assert data["number"] == int(number)
                        heard.append(int(number))
                    if len(heard) == wanted:
                        break
            memory.raise_alarm(METHANE, Grade.YELLOW, len(memory.store.written))  # nobody listens
    assert heard == list(range(1, len(heard) + 1))


async def test_changed_readings_are_told_and_unchanged_ones_are_not(memory):
    told = []
    async with (
        served(memory, latest_s=0.02) as (_, client),
        client.stream("GET", f"/api/v1/events?latest={DEFLECTION}&latest={METHANE}") as answer,
    ):
        async for kind, _, data in events(answer):
            if kind != "latest":
                continue
            told.append(data["channels"])
            if len(told) == 1:
                memory.live.newest_of[METHANE] = Latest(NOW_NS, 9.0, 1, Grade.BLUE)
            if len(told) > 1 and told[-1]:
                break
    assert set(told[0]) == {DEFLECTION, METHANE}
    assert [list(one) for one in told[1:] if one] == [[METHANE]]
    assert told[-1][METHANE]["grade"] == "blue"


async def test_silence_is_filled_with_heartbeats(memory):
    async with (
        served(memory, heartbeat_s=0.02) as (_, client),
        client.stream("GET", "/api/v1/events") as answer,
    ):
        lines = answer.aiter_lines()
        async for line in lines:
            if line == ": heartbeat":
                break
        else:
            raise AssertionError("no heartbeat")


async def test_streams_end_at_once_when_the_service_stops(memory):
    async with served(memory) as (app, client):
        async with client.stream("GET", "/api/v1/events") as answer:
            seen = [kind async for kind, _, _ in ending(app, answer)]
        assert seen == ["hello"]
        assert (await client.get("/api/v1/events")).status_code == 503


async def ending(app, answer):
    async for event in events(answer):
        yield event
        end_streams(app)


async def test_listeners_are_bounded_and_counted(memory):
    async with (
        served(memory, listeners_max=1) as (app, client),
        client.stream("GET", "/api/v1/events") as answer,
    ):
        async for _ in events(answer):
            assert (await client.get("/api/v1/events")).status_code == 503
            assert app.state.context.listeners == 1
            break
