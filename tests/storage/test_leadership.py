"""Who leads: what a leader that falls asleep leaves behind keeps nobody from leading."""

import asyncio
import time

import asyncpg
import pytest
from sqlalchemy import select

from storage.leadership import HEAD_START_S, RENEW_S, Leadership, LeadershipLost
from storage.postgres import SERVER_ERRORS, LoopThread, dsn_of
from storage.state import StateEngine


@pytest.fixture
def thread():
    thread = LoopThread("leads")
    yield thread
    thread.close()


async def test_a_leader_asleep_within_a_transaction_does_not_keep_the_next_from_leading(
    postgres, thread
):
    """Its transaction holds the row of the epoch: the server must end it as it ends the lease."""
    url = postgres.new_database()
    engine = await StateEngine.open(url)
    first, second = Leadership(url, "first", thread), Leadership(url, "second", thread)
    engine.fence(first.fence)
    await first.take()
    asleep, awake = asyncio.Event(), asyncio.Event()
    renew = first._renew

    async def oversleep():
        while not awake.is_set():  # noqa: ASYNC110  of another loop
            await asyncio.sleep(0.05)
        await renew()

    first._renew = oversleep

    async def work(connection):
        asleep.set()
        await awake.wait()
        await connection.execute(select(1))

    writing = asyncio.create_task(engine.write(work))
    await asleep.wait()
    assert await asyncio.wait_for(second.take(), 60) == first.epoch + 1
    awake.set()
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(writing, 60)
    for each in (first, second):
        await asyncio.to_thread(each.close)
    await engine.close()


async def test_a_server_that_stood_still_for_a_while_does_not_end_the_keeping_of_the_lead(
    private_postgres, thread
):
    """What was asked meanwhile is given up; its session must not be asked again."""
    url = private_postgres.new_database()
    engine = await StateEngine.open(url)
    lead = Leadership(url, "first", thread)
    await lead.take()
    asking = [asyncio.create_task(lead.confirm()) for _ in range(3)]
    await asyncio.gather(*asking)
    private_postgres.freeze()
    asking = [asyncio.create_task(lead.confirm()) for _ in range(3)]
    while lead._held:  # noqa: ASYNC110  of another loop
        await asyncio.sleep(0.005)
    private_postgres.thaw()
    await asyncio.wait_for(asyncio.gather(*asking), 30)
    await asyncio.wait_for(lead.sure(), 30)
    assert not lead._keeping.done()
    await asyncio.to_thread(lead.close)
    await engine.close()


async def test_an_error_that_nobody_foresaw_ends_the_lead_and_not_just_its_keeping(
    postgres, thread
):
    """Or the instance would neither lead nor end, and say nothing."""
    url = postgres.new_database()
    engine = await StateEngine.open(url)
    lead = Leadership(url, "first", thread)

    async def fail():
        raise ArithmeticError("unforeseen")

    lead._renew = fail
    await lead.take()
    with pytest.raises(ArithmeticError):
        await asyncio.wait_for(lead.until_lost(), 30)
    assert not lead.is_sure
    await asyncio.to_thread(lead.close)
    await engine.close()


async def test_a_question_given_up_half_way_costs_the_lead_nothing(private_postgres, thread):
    """As at a stop: whoever delivers asks whether it leads, and is cancelled meanwhile."""
    url = private_postgres.new_database()
    engine = await StateEngine.open(url)
    lead = Leadership(url, "first", thread)
    await lead.take()
    private_postgres.freeze()  # so that the question is on its way
    asking = asyncio.create_task(lead.confirm())
    while not lead._asking.locked():  # noqa: ASYNC110  of another loop
        await asyncio.sleep(0.001)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(2 * RENEW_S)  # the next renewal is asked for while the server stands still
    private_postgres.thaw()
    await asyncio.wait_for(lead.confirm(), 30)
    assert not lead._keeping.done()
    await asyncio.to_thread(lead.close)
    await engine.close()


async def test_when_a_server_is_back_who_stood_by_lets_the_leader_go_first(
    private_postgres, thread
):
    """However long it was away, and whenever it was asked last."""
    url = private_postgres.new_database()
    engine = await StateEngine.open(url)
    first, second = Leadership(url, "first", thread), Leadership(url, "second", thread)
    await first.take()
    taking = asyncio.create_task(second.take())
    while second.seen_holder != "first":  # noqa: ASYNC110  of another loop
        await asyncio.sleep(0.005)
    private_postgres.kill()
    await asyncio.to_thread(first.close)
    await asyncio.sleep(1.5 * HEAD_START_S)
    private_postgres.start()
    back_s = time.monotonic()
    await asyncio.wait_for(taking, 60)
    assert time.monotonic() - back_s > 0.9 * HEAD_START_S
    await asyncio.to_thread(second.close)
    await engine.close()


async def test_a_transaction_that_no_timeout_ends_does_not_keep_the_next_from_leading(
    postgres, thread
):
    """As of a leader that was frozen with half a question sent: to the server it is at work."""
    url = postgres.new_database()
    engine = await StateEngine.open(url)
    first, second = Leadership(url, "first", thread), Leadership(url, "second", thread)
    await first.take()
    asleep = await asyncpg.connect(dsn_of(url))
    await asleep.execute("BEGIN")
    await asleep.execute("SELECT epoch FROM leadership WHERE id = 1 FOR SHARE")
    await asyncio.to_thread(first.close)
    assert await asyncio.wait_for(second.take(), 30) == first.epoch + 1
    with pytest.raises(SERVER_ERRORS):
        await asleep.execute("COMMIT")
    asleep.terminate()
    await asyncio.to_thread(second.close)
    await engine.close()
