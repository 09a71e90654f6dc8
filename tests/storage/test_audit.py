import pytest
from sqlalchemy import delete

from storage import tables
from storage.audit import AuditEntry, AuditLog
from storage.pages import BadCursorError


@pytest.fixture
def log(engine):
    return AuditLog(engine)


async def test_an_act_is_read_as_it_was_recorded(log):
    await log.record_audit("wang", "acknowledge", "alarm-0", 2**62, "看到了 ✓")
    entry = AuditEntry(1, 2**62, "wang", "acknowledge", "alarm-0", "看到了 ✓")
    assert (await log.audit()).items == [entry]


async def test_acts_are_listed_newest_first_page_by_page_while_more_come(log):
    for number in range(7):
        await log.record_audit("wang", "reset", f"alarm-{number}", number)
    seen, cursor = [], None
    while True:
        page = await log.audit(cursor, 3)
        seen += [entry.number for entry in page.items]
        await log.record_audit("li", "acknowledge", "alarm-9", 9)
        cursor = page.next
        if cursor is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_a_number_is_never_given_twice(engine, log):
    await log.record_audit("wang", "reset", "alarm-0", 1)
    async with engine.begin() as connection:
        await connection.execute(delete(tables.audit))
    await log.record_audit("wang", "reset", "alarm-0", 1)
    assert (await log.audit()).items[0].number == 2


async def test_a_text_that_no_database_takes_does_not_stop_the_record(log):
    await log.record_audit("\ud800", "reset", "\0", 1, "\0")
    assert (await log.audit()).items[0].target == "�"


async def test_a_cursor_of_another_list_is_refused(log):
    with pytest.raises(BadCursorError):
        await log.audit("nonsense")
