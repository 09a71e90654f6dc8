"""Two event loops: what is asked across is done on its own loop, and told on the asker's."""

import asyncio
import threading

import pytest

from service.across import BroadcastAcross, across
from service.committing import Broadcast

DEADLINE_S = 10.0


class Port:
    """Says in which thread it was asked."""

    level = 3

    def __init__(self):
        self.cancelled = threading.Event()
        self.begun = threading.Event()

    async def where(self, *given, **named):
        await asyncio.sleep(0)
        return threading.get_ident(), given, named

    async def fail(self):
        raise KeyError("x")

    async def wait(self):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    def plain(self):
        return threading.get_ident()


@pytest.fixture
def elsewhere():
    """An event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop, thread.ident
    loop.call_soon_threadsafe(loop.stop)
    thread.join(DEADLINE_S)
    loop.close()


async def test_coroutines_run_there_and_the_rest_runs_here(elsewhere):
    loop, ident = elsewhere
    port = across(Port(), loop)
    assert await port.where(1, two=2) == (ident, (1,), {"two": 2})
    assert port.plain() == threading.get_ident()
    assert port.level == 3


async def test_an_error_comes_back_as_it_is(elsewhere):
    with pytest.raises(KeyError, match="x"):
        await across(Port(), elsewhere[0]).fail()


async def test_who_goes_cancels_what_was_asked(elsewhere):
    port = Port()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await across(port, elsewhere[0]).wait()
    assert await asyncio.to_thread(port.begun.wait, DEADLINE_S)
    assert await asyncio.to_thread(port.cancelled.wait, DEADLINE_S)


async def test_listeners_are_told_on_the_loop_on_which_they_subscribed(elsewhere):
    loop, ident = elsewhere
    broadcast, told = Broadcast(), []
    heard = threading.Event()

    def listener(written):
        told.append((threading.get_ident(), written))
        heard.set()

    async def subscribe():
        return BroadcastAcross(broadcast).subscribe(listener)

    stop = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(subscribe(), loop))
    broadcast.publish([(1, None)])
    assert await asyncio.to_thread(heard.wait, DEADLINE_S)
    assert told == [(ident, [(1, None)])]
    stop()
    broadcast.publish([(2, None)])
    assert len(told) == 1


async def test_a_loop_that_has_ended_is_told_nothing():
    broadcast = Broadcast()

    async def subscribe():
        BroadcastAcross(broadcast).subscribe(lambda _written: None)

    await asyncio.to_thread(asyncio.run, subscribe())
    broadcast.publish([(1, None)])
