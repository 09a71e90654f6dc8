"""What only the journal in PostgreSQL does: outages, damage, and fences."""

import asyncio

import asyncpg
import pytest

from domain.journal import Frame
from storage.journal import JournalDamaged, JournalError
from storage.journal.postgres_journal import PostgresJournal
from storage.leadership import Leadership, LeadershipLost
from storage.postgres import LoopThread
from storage.state import StateEngine
from tests.storage.journal.test_every_journal import all_rows, rows


async def migrated(url):
    await (await StateEngine.open(url)).close()
    return url


async def execute(url, *statements):
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(*statement)
    await connection.close()


@pytest.mark.parametrize("round_", range(2))
async def test_appends_wait_for_a_server_that_was_killed_and_come_once(private_postgres, round_):
    url = await migrated(private_postgres.new_database())
    journal = await PostgresJournal.open(url, segment_bytes=20_000)
    said = []

    async def append_all(name):
        for n in range(150):
            record = Frame(name, b"%d" % n, n)
            said.append((record, await journal.append([record])))

    work = asyncio.gather(*(append_all(f"a{i}") for i in range(6)))
    while len(said) < 60 + 100 * round_:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    await asyncio.to_thread(private_postgres.kill)
    await asyncio.sleep(0.1 * round_)
    await asyncio.to_thread(private_postgres.start)
    await asyncio.wait_for(work, 60)
    written = all_rows(journal)
    assert len(written) == 6 * 150
    assert all(written[last - 1] == record for record, last in said)
    await journal.close()


async def test_a_close_does_not_wait_for_ever_for_a_server_that_is_away(private_postgres):
    journal = await PostgresJournal.open(await migrated(private_postgres.new_database()))
    await journal.append(rows(1, 3))
    await asyncio.to_thread(private_postgres.kill)
    waiting = asyncio.ensure_future(journal.append(rows(4, 4)))
    await asyncio.sleep(0)
    await asyncio.wait_for(journal.close(), 30)
    with pytest.raises(JournalError, match="closed"):
        await waiting


async def test_a_flipped_bit_is_found_and_said(postgres):
    url = await migrated(postgres.new_database())
    journal = await PostgresJournal.open(url, tail_bytes=0)
    for n in range(1, 31, 10):
        await journal.append(rows(n, n + 9))
    flip = (
        "UPDATE journal.blocks_00000000000000000001 SET payload = "
        "set_byte(payload, 60, get_byte(payload, 60) # 1) WHERE first_seq = 11"
    )
    await execute(url, (flip,))
    assert next(journal.read_span(0, 30)).last_seq == 10
    with pytest.raises(JournalDamaged, match=r"block 11 .*rows 11 to 20") as found:
        list(journal.read_span(0, 30))
    assert (found.value.first_lost_seq, found.value.next_seq) == (11, 21)
    await execute(url, ("DELETE FROM journal.blocks_00000000000000000001 WHERE first_seq = 11",))
    with pytest.raises(JournalDamaged, match="rows 11 to 20"):
        list(journal.read_span(10, 30))
    assert all_rows(journal, 20) == rows(21, 30)
    await journal.close()


async def test_whoever_has_another_epoch_writes_nothing(postgres):
    url = await migrated(postgres.new_database())
    journal = await PostgresJournal.open(url)
    await journal.append(rows(1, 3))
    await execute(url, ("UPDATE leadership SET epoch = epoch + 1, holder = 'other'",))
    with pytest.raises(LeadershipLost):
        await journal.append(rows(4, 4))
    with pytest.raises(LeadershipLost):
        await journal.append(rows(4, 4))
    await journal.close()
    again = await PostgresJournal.open(url)
    assert all_rows(again) == rows(1, 3)
    await again.close()


async def test_a_leader_goes_on_under_its_epoch_when_nobody_led_meanwhile(private_postgres):
    url = await migrated(private_postgres.new_database())
    thread = LoopThread("test")
    leadership = Leadership(url, "one", thread)
    assert await asyncio.to_thread(leadership.try_once)
    engine = await StateEngine.open(url)
    engine.fence(leadership.fence)
    await asyncio.to_thread(private_postgres.restart)
    await asyncio.wait_for(engine.write(lambda connection: asyncio.sleep(0)), 30)
    assert leadership.epoch == 1
    await asyncio.wait_for(leadership.confirm(), 30)
    await execute(url, ("UPDATE leadership SET epoch = 2, holder = 'two'",))
    with pytest.raises(LeadershipLost):
        await engine.write(lambda connection: asyncio.sleep(0))
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(leadership.until_lost(), 5)
    with pytest.raises(LeadershipLost):
        await leadership.confirm()
    await engine.close()
    await asyncio.to_thread(leadership.close)
    thread.close()
