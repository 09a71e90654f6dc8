"""The application over ports in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from api.app import create_app
from api.settings import ApiSettings
from domain.grade import Grade
from domain.readings import Latest
from domain.time import NS_PER_S
from tests.api.fakes import NOW_NS, Memory

OPERATOR = {"Authorization": "Bearer operator-key"}
DEFLECTION = "bridge/riverside/deflection-midspan"
METHANE = "gas/renmin-road/methane"

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def a_busy_city() -> Memory:
    memory = Memory()
    for channel in memory.live.active.channels:
        memory.live.newest_of[channel.id] = Latest(NOW_NS - NS_PER_S, 5.0, 1, Grade.NORMAL)
    memory.live.newest_of[DEFLECTION] = Latest(NOW_NS - NS_PER_S, 35.0, 3, Grade.ORANGE)
    memory.raise_alarm(DEFLECTION, Grade.ORANGE, 900)
    memory.raise_alarm(METHANE, Grade.RED, 60)
    times = np.arange(NOW_NS - 7200 * NS_PER_S, NOW_NS, NS_PER_S, dtype=np.int64)
    values = np.arange(len(times), dtype=np.float64)
    memory.archive.put(DEFLECTION, times, values)
    return memory


@asynccontextmanager
async def serve(memory: Memory, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(memory.ports(), ApiSettings(**settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://lifeline") as client,
    ):
        yield client


@pytest.fixture
def memory() -> Memory:
    return a_busy_city()


@pytest.fixture
async def client(memory: Memory) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(memory) as client:
        yield client
