"""A server that ends in the middle of an answer: the driver's connection breaks in a way of its own.

asyncpg then says ``InternalClientError``, neither an error of the server nor of its interface. It is
an outage like any other: whoever asked waits, asks again, and nothing is lost or done twice.
"""

import asyncio

import asyncpg
import pytest
from sqlalchemy import func, select, text

from domain.journal import Frame
from storage import tables
from storage.audit import AuditLog
from storage.installation import installation_name
from storage.journal.postgres_journal import PostgresJournal
from storage.leadership import Leadership
from storage.postgres import LoopThread
from storage.state import StateEngine
from tests.storage.journal.test_every_journal import all_rows

QUESTIONS = ("_do_execute", "prepare", "execute")


@pytest.fixture
def break_one(monkeypatch):
    """Break the connection on which the next question is asked, of those with this name."""
    waiting = []

    def breaking(whole):
        async def ask(connection, *given, **named):
            name = connection._params.server_settings["application_name"]
            if name in waiting:
                waiting.remove(name)
                connection.terminate()
                raise asyncpg.InternalClientError(
                    "cannot switch to state 12; another operation (2) is in progress"
                )
            return await whole(connection, *given, **named)

        return ask

    for name in QUESTIONS:
        monkeypatch.setattr(asyncpg.Connection, name, breaking(getattr(asyncpg.Connection, name)))
    yield waiting.append
    assert not waiting, "nobody was broken"


async def test_a_commit_is_done_once(postgres, break_one):
    engine = await StateEngine.open(postgres.new_database())
    break_one("lifeline")
    await AuditLog(engine).record_audit("me", "act", "this", 1)
    break_one("lifeline")
    rows = await engine.fetch(select(func.count()).select_from(tables.audit))
    assert [tuple(row) for row in rows] == [(1,)]
    await engine.close()


async def test_an_append_comes_once_and_the_journal_goes_on(postgres, break_one):
    url = postgres.new_database()
    await (await StateEngine.open(url)).close()
    journal = await PostgresJournal.open(url)
    for n in range(4):
        if n:
            break_one("lifeline journal writer")
        await journal.append([Frame("topic", b"%d" % n, n)])
    break_one("lifeline journal")
    await journal.refresh()
    assert [frame.payload for frame in all_rows(journal)] == [b"0", b"1", b"2", b"3"]
    await journal.close()


async def test_the_lead_is_taken_and_kept(postgres, break_one):
    url = postgres.new_database()
    await (await StateEngine.open(url)).close()
    thread = LoopThread("leads")
    lead = Leadership(url, "first", thread)
    break_one("lifeline lead")
    epoch = await asyncio.wait_for(lead.take(), 30)
    break_one("lifeline lead")
    await asyncio.wait_for(lead.confirm(), 30)
    await asyncio.wait_for(lead.sure(), 30)
    assert lead.epoch == epoch
    assert not lead._keeping.done()
    await asyncio.to_thread(lead.close)
    thread.close()


async def test_two_instances_that_begin_at_once_have_one_name(postgres):
    first = await StateEngine.open(url := postgres.new_database())
    second = await StateEngine.open(url)
    async with first.begin() as connection:
        await connection.execute(tables.installation.insert().values(id=1, name="the first's"))
        named = asyncio.create_task(installation_name(second))
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while not (await connection.execute(waits)).scalar_one():  # noqa: ASYNC110  the other's wait
            await asyncio.sleep(0.01)
    assert await asyncio.wait_for(named, 30) == await installation_name(first) == "the first's"
    for each in (first, second):
        await each.close()
