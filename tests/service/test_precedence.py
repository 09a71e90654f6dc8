"""Requests wait while the service's loop is late, and not for ever."""

import asyncio
import os
import time

import pytest

from service import precedence
from service.precedence import AlarmsFirst, Punctuality


class Told(Punctuality):
    """Late for as long as it is told."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    @property
    def late_s(self):
        self.looks -= 1
        return 1.0 if self.looks >= 0 else 0.0


async def served(punctuality, path="/api/v1/facilities", method="GET"):
    done = []

    async def app(scope, _receive, _send):
        done.append(scope["path"])

    await AlarmsFirst(app, punctuality)(
        {"type": "http", "method": method, "path": path}, None, None
    )
    assert done == [path]


async def test_a_request_waits_until_the_loop_is_in_time(monkeypatch):
    monkeypatch.setattr(precedence, "LOOK_S", 0.0)
    told = Told(3)
    await served(told)
    assert told.looks == -1


@pytest.mark.parametrize("path", ["/health/ready", "/api/v1/events"])
async def test_health_and_events_wait_for_nobody(path):
    told = Told(3)
    await served(told, path)
    assert told.looks == 3


async def test_what_is_no_question_waits_for_nobody():
    told = Told(3)
    await served(told, "/api/v1/alarms/a/acknowledge", "POST")
    assert told.looks == 3


async def test_a_request_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(precedence, "WAIT_S_MAX", 0.05)
    await asyncio.wait_for(served(Told(10**9)), 30)


async def test_a_loop_that_is_held_up_is_late_and_then_is_not():
    beats = Punctuality()
    punctuality = Punctuality(os.dup(beats.fileno()))  # as the other process has it
    assert punctuality.late_s == 0.0
    beating = asyncio.create_task(beats.beat())
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251  what holds a loop up
    assert punctuality.late_s > 0.05
    while punctuality.late_s > 0.005:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    beating.cancel()
    for each in (beats, punctuality):
        each.close()


async def test_a_few_begin_at_a_time_and_a_slow_reader_keeps_no_turn():
    begun, answer, read = [], asyncio.Event(), asyncio.Event()

    async def app(scope, _receive, send):
        begun.append(scope["path"])
        await answer.wait()
        await send({"type": "http.response.start"})
        await read.wait()

    async def send(_message):
        pass

    gate = AlarmsFirst(app, Told(0))
    requests = [
        asyncio.create_task(gate({"type": "http", "method": "GET", "path": f"/{n}"}, None, send))
        for n in range(20)
    ]
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(begun) == precedence.TURNS
    answer.set()
    while len(begun) < 20:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not any(each.done() for each in requests)
    read.set()
    await asyncio.wait_for(asyncio.gather(*requests), 30)
