"""Frames pushed over HTTP: durable before they are answered for, bounded while they are not."""

import asyncio

import pytest

from api.ports import Refused
from domain.journal import Frame, Tick
from domain.time import NS_PER_S
from ingest.limits import Allowance, Limits
from ingest.newest import newest_time_ns
from service import push as module
from service.clock import DataClock, WallClock
from service.push import PushIntake


class Journal:
    """A journal whose disk is as slow as the test wants."""

    def __init__(self):
        self.records, self.free = [], asyncio.Event()
        self.free.set()

    async def append(self, records):
        self.records += records
        seq = len(self.records)
        await self.free.wait()
        return seq


def intake(journal, limits=None, clock=None, **options):
    return PushIntake(journal, clock or WallClock(), limits or Limits(), **options)


async def test_a_frame_is_the_same_row_that_the_broker_would_make():
    journal = Journal()
    assert await intake(journal).push("gw", "north", "json", b"{}") == 1
    (frame,) = journal.records
    assert isinstance(frame, Frame)
    assert (frame.topic, frame.payload) == ("lifeline/v1/north/gw/data/json", b"{}")
    assert not frame.redelivered


async def test_nothing_is_answered_for_before_the_journal_has_it():
    journal = Journal()
    journal.free.clear()
    pushing = asyncio.create_task(intake(journal).push("gw", "north", "json", b"{}"))
    while not journal.records:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert not pushing.done()
    journal.free.set()
    assert await pushing == 1


async def test_with_the_datas_clock_time_is_that_of_the_readings():
    journal, start_ns = Journal(), 1_700_000_000 * NS_PER_S
    pushes = intake(journal, clock=DataClock(newest_time_ns, start_ns))
    payload = b'{"ts": 1700000002, "values": {"a": 1}}'
    assert await pushes.push("gw", "north", "json", payload) == 3
    assert [type(record) for record in journal.records] == [Tick, Tick, Frame]
    assert journal.records[-1].received_ns == start_ns + 2 * NS_PER_S


async def test_what_is_not_settled_is_bounded_and_freed_again(monkeypatch):
    monkeypatch.setattr(module, "UNSETTLED_BYTES_MAX", 10_000)
    journal = Journal()
    journal.free.clear()
    pushes = intake(journal)
    waiting = [asyncio.create_task(pushes.push("gw", "n", "json", bytes(3000))) for _ in range(2)]
    while len(journal.records) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    with pytest.raises(Refused) as refused:
        await pushes.push("other", "n", "json", bytes(3000))
    assert (refused.value.status, refused.value.retry_after_s) == (503, 2)
    journal.free.set()
    await asyncio.gather(*waiting)
    assert pushes.unsettled_bytes == 0
    assert await pushes.push("other", "n", "json", bytes(3000)) == 3


async def test_a_journal_that_does_not_answer_is_not_waited_for_and_still_counts(monkeypatch):
    monkeypatch.setattr(module, "SETTLE_TIMEOUT_S", 0.01)
    journal = Journal()
    journal.free.clear()
    pushes = intake(journal)
    with pytest.raises(Refused, match="does not take it in time") as refused:
        await pushes.push("gw", "n", "json", b"{}")
    assert refused.value.status == 503
    assert pushes.unsettled_bytes > 0
    journal.free.set()
    while pushes.unsettled_bytes:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_while_intake_holds_everything_is_sent_back():
    reasons = ["the disk is full"]
    pushes = intake(Journal(), holding=lambda: reasons[0])
    with pytest.raises(Refused, match="the disk is full") as refused:
        await pushes.push("gw", "n", "json", b"{}")
    assert (refused.value.status, refused.value.retry_after_s) == (503, 30)
    reasons[0] = ""
    assert await pushes.push("gw", "n", "json", b"{}") == 1


async def test_a_gateway_over_its_limits_is_slowed_and_others_are_not():
    limits = Limits(Allowance(0.5, 1e9, 2, 1e9), clock=lambda: 0.0)
    pushes = intake(Journal(), limits)
    for _ in range(2):
        await pushes.push("mad", "n", "json", b"{}")
    with pytest.raises(Refused) as refused:
        await pushes.push("mad", "n", "json", b"{}")
    assert (refused.value.status, refused.value.retry_after_s) == (429, 2)
    assert await pushes.push("calm", "n", "json", b"{}") == 3
