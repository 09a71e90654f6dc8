"""A fresh state database for a test, on every database that is there."""

import asyncio
from itertools import count

import pytest
from sqlalchemy import delete, update

from storage.alarms import AlarmStore
from storage.state import StateEngine, create_engine_for, parse_url
from storage.tables import counted, leadership, metadata, progress


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
    """A function that runs an async test on an engine of its own, empty: for properties."""
    kept = []  # on PostgreSQL a database that is emptied costs a tenth of a new one

    async def within(test):
        url = kept[0] if kept else new_url()
        if kept:
            parsed = parse_url(url)
            engine = StateEngine(parsed, create_engine_for(parsed))
            await empty(engine)
        else:
            engine = await StateEngine.open(url)
            kept.extend([url] if url.startswith("postgresql") else [])
        try:
            return await test(engine)
        finally:
            await engine.close()

    return lambda test: asyncio.run(within(test))


async def empty(engine):
    """Leave in a database what the migrations leave in a new one."""
    async with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table not in (progress, counted, leadership):
                await connection.execute(delete(table))
        numbers = dict.fromkeys(("transition_number", "notice_number", "reject_number"), 0)
        await connection.execute(update(progress).values(seq=0, **numbers))
        await connection.execute(update(counted).values(seq=0))
        await connection.execute(update(leadership).values(epoch=0))


@pytest.fixture
async def engine(new_url):
    engine = await StateEngine.open(new_url())
    yield engine
    await engine.close()


@pytest.fixture
def store(engine):
    return AlarmStore(engine)
