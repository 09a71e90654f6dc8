"""A fresh state database for a test, on every database that is there."""

import asyncio
from itertools import count

import pytest

from storage.alarms import AlarmStore
from storage.state import StateEngine


def sqlite_urls(request):
    folder = request.getfixturevalue("tmp_path_factory").mktemp("sqlite")
    for number in count():
        yield f"sqlite:///{folder}/state-{number}.db"


def postgresql_urls(request):
    server = request.getfixturevalue("postgres")
    while True:
        yield server.new_database()


DATABASES = {"sqlite": sqlite_urls, "postgresql": postgresql_urls}


@pytest.fixture(scope="session", params=sorted(DATABASES))
def new_url(request):
    """A function that returns the URL of a database that was never opened."""
    urls = DATABASES[request.param](request)
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
