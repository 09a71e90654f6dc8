import asyncio
from dataclasses import dataclass

import pytest
import structlog

from alerting.outbox import (
    RETRY_S_MAX,
    ROWS_MAX,
    DeliveryError,
    OutboxConsumer,
    log_delivery,
)
from domain.alarm import Alarm, Notice
from domain.catalogue import Catalogue
from domain.grade import Condition, Grade


@dataclass(frozen=True)
class Row:
    number: int
    notice: Notice


class Store:
    """An outbox in memory, with a cursor for each consumer."""

    def __init__(self, count=0):
        self.rows = []
        self.done = {}
        self.fails = 0
        self.add(count)

    def add(self, count):
        for _ in range(count):
            number = len(self.rows) + 1
            self.rows.append(Row(number, notice(f"notice {number}")))

    async def outbox(self, consumer, limit):
        return [row for row in self.rows if row.number > self.done.get(consumer, 0)][:limit]

    async def outbox_done(self, consumer, number):
        if self.fails:
            self.fails -= 1
            raise ConnectionError("the store is away")
        self.done[consumer] = number


class Sink:
    """Takes notices; raises what stands in ``failures`` first."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.ids = []
        self.event = asyncio.Event()

    async def __call__(self, notice):
        if self.failures:
            raise self.failures.pop(0)
        self.ids.append(notice.id)
        self.event.set()


class Pauses(list):
    async def __call__(self, seconds):
        self.append(seconds)


def notice(notice_id):
    alarm = Alarm(
        "alarm", "bridge/a", "bridge", "bridge", Condition.HIGH, Grade.RED, Grade.RED, True, False,
        False, False, False, 1, None, None, None, None, 152.3, 150.0, False, 1,
    )  # fmt: skip
    return Notice(notice_id, 1, "transition", alarm)


def ids(count):
    return [f"notice {number}" for number in range(1, count + 1)]


async def test_notices_are_delivered_in_order_and_marked_done():
    store, sink = Store(3), Sink()
    assert await OutboxConsumer(store, "log", sink).drain() == 3
    assert (sink.ids, store.done) == (ids(3), {"log": 3})


async def test_a_failing_delivery_is_tried_again_with_longer_and_longer_waits():
    store, pauses = Store(2), Pauses()
    sink = Sink(*[DeliveryError("away", permanent=False)] * 11)
    await OutboxConsumer(store, "log", sink, pause=pauses).drain()
    assert sink.ids == ids(2)
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == RETRY_S_MAX


async def test_a_notice_that_cannot_be_delivered_is_counted_and_does_not_hold_up_the_next():
    store, sink = Store(2), Sink(DeliveryError("no such person", permanent=True))
    consumer = OutboxConsumer(store, "log", sink)
    with structlog.testing.capture_logs() as lines:
        await consumer.drain()
    assert (sink.ids, store.done) == (["notice 2"], {"log": 2})
    assert (consumer.delivered, consumer.undeliverable) == (1, 1)
    assert lines[0]["notice"] == "notice 1"
    assert lines[0]["log_level"] == "error"


async def test_consumers_do_not_share_their_place():
    store, first, second = Store(2), Sink(), Sink()
    await OutboxConsumer(store, "log", first).drain()
    await OutboxConsumer(store, "mail", second).drain()
    assert first.ids == second.ids == ids(2)


async def test_a_delivered_notice_is_not_delivered_again_because_the_store_was_away():
    store, sink = Store(2), Sink()
    store.fails = 1
    consumer = OutboxConsumer(store, "log", sink)
    with pytest.raises(ConnectionError):
        await consumer.drain()
    await consumer.drain()
    assert (sink.ids, store.done) == (ids(2), {"log": 2})


async def test_after_a_stop_in_between_it_is_delivered_again_under_the_same_id():
    store, sink = Store(1), Sink()
    store.fails = 1
    with pytest.raises(ConnectionError):
        await OutboxConsumer(store, "log", sink).drain()
    await OutboxConsumer(store, "log", sink).drain()
    assert sink.ids == ["notice 1", "notice 1"]


async def test_the_loop_takes_a_long_outbox_in_steps_and_wakes_for_news():
    store, sink = Store(2 * ROWS_MAX + 1), Sink()
    consumer = OutboxConsumer(store, "log", sink)
    loop = asyncio.create_task(consumer.run())
    while len(sink.ids) < 2 * ROWS_MAX + 1:
        sink.event.clear()
        await sink.event.wait()
    sink.event.clear()
    store.add(1)
    consumer.wake()
    await sink.event.wait()
    assert sink.ids == ids(2 * ROWS_MAX + 2)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop


async def test_the_log_says_which_alarm_in_both_languages():
    deliver = log_delivery(lambda: Catalogue(1))
    with structlog.testing.capture_logs() as lines:
        await deliver(notice("notice 1"))
    (line,) = lines
    assert (line["alarm"], line["grade"], line["notice"]) == ("alarm", "red", "notice 1")
    assert "152.3" in line["event"]
    assert "红色" in line["text_zh"]
