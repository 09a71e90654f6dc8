"""A fresh state database for a test, on every database that is there."""

import asyncio
from itertools import count

import pytest

from storage.alarms import AlarmStore
from storage.state import StateEngine


def sqlite_urls(folder):
    for number in count():
        yield f"sqlite:///{folder}/state-{number}.db"


DATABASES = {"sqlite": sqlite_urls}  # another database joins here


@pytest.fixture(scope="session", params=sorted(DATABASES))
def new_url(request, tmp_path_factory):
    """A function that returns the URL of a database that was never opened."""
    urls = DATABASES[request.param](tmp_path_factory.mktemp(request.param))
    return lambda: next(urls)


@pytest.fixture(scope="session")
def with_engine(new_url):
    """A function that runs an async test on an engine of its own: for properties."""

    async def within(test):
        engine = await StateEngine.open(new_url())
        try:
            return await test(engine)
        finally:
            await engine.close()

    return lambda test: asyncio.run(within(test))


@pytest.fixture
async def engine(new_url):
    engine = await StateEngine.open(new_url())
    yield engine
    await engine.close()


@pytest.fixture
def store(engine):
    return AlarmStore(engine)
