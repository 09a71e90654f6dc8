"""An answer is made once for all who ask at the same time, and never outlives what it depends on."""

import asyncio

import pytest

from api.answers import Answers


class Maker:
    def __init__(self):
        self.made = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.error = None

    async def __call__(self):
        self.made += 1
        number = self.made
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return b"%d" % number


@pytest.fixture
async def make():
    return Maker()


async def test_many_who_ask_at_once_share_one_answer(make):
    answers = Answers()
    make.may_end.clear()
    asking = [asyncio.create_task(answers.give("a", 1, make)) for _ in range(100)]
    await asyncio.sleep(0)
    make.may_end.set()
    assert set(await asyncio.gather(*asking)) == {b"1"}
    assert make.made == 1


async def test_another_question_and_another_version_have_answers_of_their_own(make):
    answers = Answers()
    assert await answers.give("a", 1, make) == b"1"
    assert await answers.give("b", 1, make) == b"2"
    assert await answers.give("a", 2, make) == b"3"
    assert await answers.give("a", 2, make) == b"3"


async def test_an_answer_grows_too_old(make):
    answers = Answers(age_s_max=0.0)
    assert await answers.give("a", 1, make) == b"1"
    await asyncio.sleep(0.001)
    assert await answers.give("a", 1, make) == b"2"


async def test_a_failure_is_told_to_all_who_wait_and_kept_for_nobody(make):
    answers = Answers()
    make.error = ValueError("away")
    asking = [answers.give("a", 1, make) for _ in range(3)]
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(error) for error in failed] == ["away"] * 3
    assert make.made == 1
    make.error = None
    assert await answers.give("a", 1, make) == b"2"


async def test_who_goes_away_takes_the_answer_from_nobody(make):
    answers = Answers()
    make.may_end.clear()
    first = asyncio.create_task(answers.give("a", 1, make))
    second = asyncio.create_task(answers.give("a", 1, make))
    await asyncio.sleep(0)
    first.cancel()
    make.may_end.set()
    assert await second == b"1"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_only_so_many_answers_are_kept(make):
    answers = Answers(kept_max=2)
    for asked in ("a", "b", "c"):
        await answers.give(asked, 1, make)
    assert await answers.give("c", 1, make) == b"3"
    assert await answers.give("a", 1, make) == b"4"
