"""Transactions of SQLite run whole in a thread, and the event loop goes on meanwhile."""

import asyncio
import threading

import pytest
from sqlalchemy import select, text

from storage import tables
from storage.state import StateEngine


@pytest.fixture
async def engine(tmp_path):
    engine = await StateEngine.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield engine
    await engine.close()


async def test_the_loop_goes_on_while_a_transaction_does_not(engine):
    may_end, loop = threading.Event(), asyncio.get_running_loop()

    async def work(connection):
        await connection.execute(select(tables.progress))
        loop.call_soon_threadsafe(may_end.set)  # a loop that waits for this would never come to it
        return may_end.wait(20)

    assert await engine.write(work)


async def test_a_transaction_that_waits_for_something_else_is_told_so_and_rolled_back(engine):
    async def work(connection):
        await connection.execute(text("UPDATE progress SET seq = 5"))
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waits for something else"):
        await engine.write(work)
    assert (await engine.fetch(select(tables.progress.c.seq)))[0].seq == 0
