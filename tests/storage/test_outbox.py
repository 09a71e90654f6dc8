from storage.alarms import Commit
from storage.outbox import OutboxRow, waiting_notices
from tests.storage.worlds import notice


async def test_each_consumer_reads_every_notice_in_order_from_where_it_came_to(store):
    first, second, third = notice("n-1"), notice("n-2"), notice("n-3")
    await store.commit(Commit(1, notices=[first, second]))
    await store.commit(Commit(2, notices=[third]))
    rows = [OutboxRow(1, first), OutboxRow(2, second), OutboxRow(3, third)]
    assert await store.outbox("pager", 10) == rows
    assert await store.outbox("pager", 2) == rows[:2]
    await store.outbox_done("pager", 2)
    assert await store.outbox("pager", 10) == rows[2:]
    assert await store.outbox("webhook", 10) == rows


async def test_a_consumer_never_goes_back(store):
    await store.commit(Commit(1, notices=[notice(f"n-{n}") for n in range(5)]))
    for number in (2, 4, 3, 1):
        await store.outbox_done("pager", number)
    assert [row.number for row in await store.outbox("pager", 10)] == [5]


async def test_a_repeated_notice_is_not_written(store):
    await store.commit(Commit(1, notices=[notice("n-1"), notice("n-1")]))
    await store.commit(Commit(2, notices=[notice("n-1"), notice("n-2")]))
    assert [row.notice.id for row in await store.outbox("pager", 10)] == ["n-1", "n-2"]


async def test_what_waits_is_counted_for_each_consumer(engine, store):
    await store.commit(Commit(1, notices=[notice(f"n-{n}") for n in range(5)]))
    assert await waiting_notices(engine) == {}
    await store.outbox_done("pager", 2)
    await store.outbox_done("webhook", 5)
    assert await waiting_notices(engine) == {"pager": 3, "webhook": 0}
