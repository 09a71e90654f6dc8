"""The line between two processes: what is asked is answered, told in order, and never waited for in vain."""

import asyncio
import pickle
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ports import Refused
from service.line import Line, LineEndedError, Offer, connect
from storage.journal.errors import JournalDamaged

DEADLINE_S = 20.0


class Port:
    """Does what it is asked."""

    def __init__(self):
        self.told = []
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()

    async def double(self, number, *, by=2):
        await asyncio.sleep(0)
        return number * by

    def where(self):
        return threading.current_thread().name

    async def fail(self, error):
        raise error

    async def wait(self):
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    def hear(self, word):
        self.told.append(word)

    async def unspeakable(self):
        return threading.Lock()


async def two_ends(offers, **named):
    here, there = socket.socketpair()
    return await connect(Line(), here), await connect(Line(offers, **named), there)


@pytest.fixture
async def ends():
    port = Port()
    with ThreadPoolExecutor(1, "aside") as aside:
        near, far = await two_ends({"port": Offer(port), "aside": Offer(port, aside)})
        yield near, far, port
        near.close()
        far.close()


async def test_an_answer_comes_with_the_stamp_of_its_time(ends):
    near, far, _ = ends
    numbers = iter(range(10))
    far.stamp = lambda: next(numbers)
    assert await near.ask("port", "double", 4) == (0, 8)
    assert await near.ask("port", "double", 4, by=3) == (1, 12)


async def test_what_is_no_coroutine_runs_where_it_is_offered(ends):
    near, _, _ = ends
    assert (await near.ask("port", "where"))[1] == "MainThread"
    assert (await near.ask("aside", "where"))[1].startswith("aside")


async def test_many_ask_at_once_and_each_has_its_own_answer(ends):
    near, _, _ = ends
    answers = await asyncio.gather(*(near.ask("port", "double", n) for n in range(500)))
    assert [value for _, value in answers] == [2 * n for n in range(500)]


async def test_large_answers_come_whole(ends):
    near, _, _ = ends
    column = np.arange(1_000_000)
    _, doubled = await near.ask("port", "double", column)
    np.testing.assert_array_equal(doubled, 2 * column)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        ValueError("not a cursor"),
        Refused(429, "too much", "wait", retry_after_s=3),
        JournalDamaged("file", 3, "a bit", 5, None),
    ],
)
async def test_an_error_comes_as_it_is(ends, error):
    near, _, _ = ends
    with pytest.raises(type(error)) as caught:
        await near.ask("port", "fail", CarriedError(error))
    found = {name: value for name, value in vars(caught.value).items() if name != "__notes__"}
    assert found == vars(error)
    assert str(caught.value) == str(error)
    assert "in fail" in caught.value.__notes__[0]  # where it was raised, for whoever reads the log


class CarriedError(Exception):
    """An error as an argument: those of ours do not pickle by themselves."""

    def __new__(cls, error):
        carried = super().__new__(cls)
        carried.error = error
        return carried

    def __reduce__(self):
        error = self.error
        return _make, (type(error), error.args, vars(error))


def _make(kind, args, state):
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


async def test_an_error_that_cannot_travel_goes_by_its_words(ends):
    near, _, _ = ends
    error = ValueError("with a lock")
    unspeakable = Port.fail

    async def fail(self, _what):
        error.lock = threading.Lock()
        raise error

    Port.fail = fail
    try:
        with pytest.raises(RuntimeError, match="with a lock"):
            await near.ask("port", "fail", None)
    finally:
        Port.fail = unspeakable


async def test_an_answer_that_cannot_travel_is_an_error(ends):
    near, _, _ = ends
    with pytest.raises(TypeError, match="pickle"):
        await near.ask("port", "unspeakable")


async def test_errors_are_told_as_the_other_end_is_to_hear_them():
    port = Port()
    near, far = await two_ends(
        {"port": Offer(port)}, as_answer=lambda error: Refused(503, f"{error}")
    )
    with pytest.raises(Refused, match="away"):
        await near.ask("port", "fail", CarriedError(OSError("away")))
    near.close()
    far.close()


async def test_who_goes_cancels_what_was_asked(ends):
    near, _, port = ends
    asking = asyncio.create_task(near.ask("port", "wait"))
    async with asyncio.timeout(DEADLINE_S):
        await port.begun.wait()
        asking.cancel()
        await port.cancelled.wait()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_who_waits_is_told_when_the_other_end_is_gone(ends):
    near, far, port = ends
    asking = asyncio.create_task(near.ask("port", "wait"))
    async with asyncio.timeout(DEADLINE_S):
        await port.begun.wait()
        far.close()
        with pytest.raises(LineEndedError):
            await asking
        await near.ended
        with pytest.raises(LineEndedError):
            await near.ask("port", "double", 1)
    near.tell("port", "hear", "nobody is there")  # and nothing happens


async def test_who_does_not_listen_any_more_is_hung_up_on(monkeypatch):
    monkeypatch.setattr("service.line.UNHEARD_BYTES_MAX", 1 << 20)
    here, there = socket.socketpair()
    with there:  # nobody reads
        near = await connect(Line(), here)
        async with asyncio.timeout(DEADLINE_S):
            while not near.ended.done():
                near.tell("port", "hear", b"x" * 100_000)
                await asyncio.sleep(0)


async def test_what_fails_when_it_is_told_ends_no_line(ends):
    near, _, port = ends
    near.tell("port", "no such method")
    near.tell("port", "hear", "and on")
    await near.ask("port", "double", 1)
    assert port.told == ["and on"]


async def test_what_is_told_is_heard_in_order(ends):
    near, _, port = ends
    for number in range(100):
        near.tell("port", "hear", number)
    await near.ask("port", "double", 1)  # behind them all
    assert port.told == list(range(100))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8), st.data())
def test_messages_may_be_cut_anywhere(words, data):
    async def heard():
        port = Port()
        line = Line({"port": Offer(port)})
        packed = [pickle.dumps((1, "port", "hear", (word,))) for word in words]
        stream = b"".join(len(each).to_bytes(8, "little") + each for each in packed)
        while stream:
            size = data.draw(st.integers(1, len(stream)))
            line.data_received(stream[:size])
            stream = stream[size:]
        return port.told

    assert asyncio.run(heard()) == words
