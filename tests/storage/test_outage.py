"""PostgreSQL killed under the state's writers: everything is committed once, and no task dies."""

import asyncio

import pytest
from sqlalchemy import func, insert, select

from storage import tables
from storage.alarms import AlarmStore
from storage.audit import AuditLog
from storage.state import StateAway, StateEngine
from tests.storage.worlds import dump, seeded_commit

COMMITS = 80


@pytest.mark.parametrize("kill_after", [5, 20, 35])
async def test_a_server_killed_under_load_loses_no_commit_and_doubles_none(
    private_postgres, kill_after
):
    engine = await StateEngine.open(private_postgres.new_database())
    store, audit = AlarmStore(engine), AuditLog(engine)
    written = []

    async def commit_all():
        for seq in range(1, COMMITS + 1):
            written.append(await store.commit(seeded_commit(1, seq)))  # noqa: PERF401

    async def record_all():  # an insert that nothing but the mark protects
        for number in range(COMMITS):
            await audit.record_audit("me", "act", str(number), number)

    work = asyncio.gather(commit_all(), record_all())
    while len(written) < kill_after:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await asyncio.to_thread(private_postgres.kill)
    with pytest.raises(StateAway, match="PostgreSQL is away"):
        await AlarmStore(engine.hurried(0.0)).cursor()
    await asyncio.to_thread(private_postgres.start)
    await asyncio.wait_for(work, 60)
    assert engine.outage.now == ""
    assert await store.cursor() == COMMITS
    targets = [e.target for e in (await audit.audit(limit=1000)).items]
    assert sorted(map(int, targets)) == list(range(COMMITS))

    undisturbed = await StateEngine.open(private_postgres.new_database())
    same = [
        await AlarmStore(undisturbed).commit(seeded_commit(1, seq)) for seq in range(1, COMMITS + 1)
    ]
    assert written == same
    kept, wanted = await dump(engine), await dump(undisturbed)
    assert {**kept, "audit": None} == {**wanted, "audit": None}
    for each in (engine, undisturbed):
        await each.close()


async def test_a_write_whose_commit_was_done_is_not_done_again(new_url):
    """The answer to the commit is lost: the attempt after it finds the mark."""
    engine = await StateEngine.open(new_url())
    if engine._marks is None:
        await engine.close()
        return
    done = []

    async def add(connection):
        done.append(len(done))
        await connection.execute(insert(tables.audit), row)
        return done[-1]

    row = {"at_ns": 1, "author": "a", "action": "b", "target": "c", "detail": ""}
    attempt = engine._marks.once(add, None)
    assert await engine._begin_and(attempt) == 0
    assert await engine._begin_and(attempt) == 0
    assert done == [0]
    assert (await engine.fetch(select(func.count()).select_from(tables.audit)))[0][0] == 1
    await engine.close()


async def test_a_reader_in_another_thread_waits_for_the_server(private_postgres):
    engine = await StateEngine.open(private_postgres.new_database())
    await asyncio.to_thread(private_postgres.kill)
    reading = asyncio.ensure_future(
        asyncio.to_thread(engine.read_from_thread, select(tables.progress.c.seq))
    )
    while not engine.outage.now:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await asyncio.to_thread(private_postgres.start)
    assert [tuple(row) for row in await asyncio.wait_for(reading, 30)] == [(0,)]
    await engine.close()


async def test_who_is_in_a_hurry_is_told_that_a_write_before_does_not_end(new_url):
    """As behind the writes of a leader that is not sure of its lead: an answer, and no traceback."""
    engine = await StateEngine.open(new_url())
    if engine._marks is None:
        pytest.skip("only a server is away")
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(_connection):
        begun.set()
        await go.wait()

    writing = asyncio.create_task(engine.write(slow))
    await begun.wait()
    with pytest.raises(StateAway, match="does not come to its end"):
        await AuditLog(engine.hurried(0.0)).record_audit("who", "does", "what", 1, "")
    go.set()
    await writing
    await engine.close()
