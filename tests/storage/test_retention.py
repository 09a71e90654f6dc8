from storage.alarms import Commit
from storage.audit import AuditLog
from storage.retention import remove_alarms, remove_audit, remove_notices
from storage.webhooks import WebhookStore
from tests.storage.worlds import alarm, notice, transition


def noticed(number, recorded_ns):
    told = transition(f"t-{number}", recorded_ns=recorded_ns)
    return told, type(notice("x"))(f"n-{number}", number, f"t-{number}", told.alarm)


async def ten_notices(store):
    """Notices 1 to 10, recorded at 10, 20, … 100."""
    pairs = [noticed(number, 10 * number) for number in range(1, 11)]
    await store.commit(Commit(1, [told for told, _ in pairs], [each for _, each in pairs]))


async def numbers(engine):
    return [row.number for row in await WebhookStore(engine).rows_after(0, 100)]


async def test_notices_go_when_they_are_old_and_everybody_is_done_with_them(store, engine):
    await ten_notices(store)
    await store.outbox_done("log", 9)
    await store.outbox_done("webhook:a", 4)
    consumers = ["log", "webhook:a"]
    assert await remove_notices(engine, consumers, 35, 0, 100) == 3
    assert await numbers(engine) == [4, 5, 6, 7, 8, 9, 10]
    assert await remove_notices(engine, consumers, 1_000, 0, 100) == 1  # the slow one holds
    assert await remove_notices(engine, ["log"], 1_000, 0, 100) == 5  # it is no longer there
    assert await numbers(engine) == [10]


async def test_a_consumer_that_never_began_holds_everything(store, engine):
    await ten_notices(store)
    await store.outbox_done("log", 10)
    assert await remove_notices(engine, ["log", "webhook:new"], 1_000, 0, 100) == 0


async def test_beyond_the_longest_time_notices_go_even_undelivered(store, engine):
    await ten_notices(store)
    assert await remove_notices(engine, ["log"], 1_000, 55, 100) == 5
    assert await numbers(engine) == [6, 7, 8, 9, 10]


async def test_a_step_removes_no_more_than_it_may_and_numbers_are_not_given_again(store, engine):
    await ten_notices(store)
    await store.outbox_done("log", 10)
    removed = []
    while count := await remove_notices(engine, ["log"], 1_000, 0, 4):
        removed.append(count)
    assert removed == [4, 4, 2]
    await store.commit(Commit(2, notices=[notice("n-11")]))
    assert await numbers(engine) == [11]


async def test_ended_alarms_go_with_their_transitions_and_open_ones_never(store, engine):
    old = alarm("old", ended=True, ended_at_ns=50)
    new = alarm("new", ended=True, ended_at_ns=500)
    still = alarm("open", raised_at_ns=1)
    changes = [transition(f"t-{number}", old) for number in range(3)]
    await store.commit(Commit(1, [*changes, transition("t-3", new), transition("t-4", still)]))
    removed = []
    while count := await remove_alarms(engine, 100, 2):
        removed.append(count)
    assert removed == [2, 1, 1]  # three transitions, then the alarm
    assert await store.alarm("old") is None
    assert [number for number, _ in await store.transitions(0, 10)] == [4, 5]
    assert await store.alarm("open") is not None
    assert await store.alarm("new") is not None


async def test_the_audit_goes_by_its_time(engine):
    log = AuditLog(engine)
    for at_ns in (10, 20, 30):
        await log.record_audit("li.na", "test", "a", at_ns)
    assert await remove_audit(engine, 25, 1) == 1
    assert await remove_audit(engine, 25, 5) == 1
    assert [entry.at_ns for entry in (await log.audit()).items] == [30]
