import asyncio
import gc
import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounting import PARTS, Account, Accounts, Fate, Reason, Unit, in_parts
from storage.alarms import AlarmFilter, AlarmStore, Commit
from storage.state import StateEngine
from tests.storage.worlds import (
    alarm,
    by_part,
    commits_of,
    dump,
    evidences,
    joined,
    notice,
    reject,
    sighting,
    steps,
    transition,
    transitions,
)

few = settings(max_examples=25, deadline=None)
everything = AlarmFilter(state="all", limit=1000)


def folded(commits):
    """What the store must hold after these commits, by the laws alone."""
    written, picture, books, numbered = {}, {}, Counter(), []
    for commit in commits:
        for one in commit.transitions:
            if one.id not in written:
                written[one.id] = one
                picture[one.alarm.id] = one.alarm
                numbered.append(one)
        books.update(joined(commit.accounts))
    return list(enumerate(numbered, 1)), picture, books


@given(found=steps)
@few
def test_what_it_holds_is_the_fold_of_what_was_committed(with_engine, found):
    async def check(engine):
        store, commits = AlarmStore(engine), commits_of(found)
        written = [pair for commit in commits for pair in await store.commit(commit)]
        numbered, picture, books = folded(commits)
        assert written == numbered
        assert {one.id: one for one in (await store.alarms(everything)).items} == picture
        assert await store.accounts() == books
        assert await store.cursor() == 10 * len(commits)
        assert await store.last_number() == len(numbered)
        lives = [pair for name in picture for pair in await store.alarm_transitions(name)]
        assert sorted(lives, key=lambda pair: pair[0]) == numbered

    with_engine(check)


@given(found=steps, data=st.data())
@few
def test_replaying_any_prefix_any_number_of_times_changes_nothing(with_engine, found, data):
    async def check(engine):
        store, commits = AlarmStore(engine), commits_of(found)
        for count, commit in enumerate(commits, 1):
            await store.commit(commit)
            before = await dump(engine)
            for _ in range(data.draw(st.integers(0, 2))):
                for again in commits[: data.draw(st.integers(0, count))]:
                    assert await store.commit(again) == []
            assert await dump(engine) == before

    with_engine(check)


@given(found=st.lists(transitions, max_size=3), evidence=evidences)
@few
def test_a_transition_is_read_as_it_was_committed(with_engine, found, evidence):
    async def check(engine):
        store = AlarmStore(engine)
        first = transition("first", alarm("alarm-first"), evidence=evidence)
        written = await store.commit(Commit(1, [first, *found]))
        assert await store.alarm_transitions("alarm-first") == written[:1]
        for (number, read), (wanted, one) in zip(
            await store.transitions(0, 100), written, strict=True
        ):
            assert number == wanted
            assert read.evidence is None
            assert (read.id, read.alarm, read.reason) == (one.id, one.alarm, one.reason)

    with_engine(check)


async def test_an_empty_store_has_nothing(store):
    assert await store.cursor() == 0
    assert await store.last_number() == 0
    assert await store.alarm("alarm-0") is None
    assert await store.alarm_transitions("alarm-0") == []
    assert await store.transitions(0, 10) == []
    assert await store.accounts() == Accounts()
    assert (await store.alarms(everything)).items == []


async def test_the_cursor_never_goes_back(store):
    await store.commit(Commit(7))
    await store.commit(Commit(3))
    assert await store.cursor() == 7


async def test_a_commit_at_or_before_the_cursor_changes_nothing_at_all(engine, store):
    await store.commit(Commit(7))
    before = await dump(engine)
    late = Commit(
        7,
        transitions=[transition("t")],
        notices=[notice("n")],
        accounts=by_part(Counter({Account("g", Unit.FRAMES, Fate.DECODED): 1})),
        rejects=[reject(7)],
        sightings=[sighting("D1")],
    )
    assert await store.commit(late) == []
    assert await dump(engine) == before


some_parts = st.sets(st.integers(0, PARTS - 1))


@given(found=steps, data=st.data())
@few
def test_what_is_counted_later_is_counted_once(with_engine, found, data):
    async def check(engine):
        store, waiting, counted = AlarmStore(engine), in_parts(Counter()), [0] * PARTS
        for commit in (commits := commits_of(found)):
            for part, accounts in commit.accounts.items():
                waiting[part].update(accounts)
            at_once = data.draw(some_parts)
            await store.commit(replace(commit, accounts={part: waiting[part] for part in at_once}))
            later = data.draw(some_parts)
            await store.count(commit.seq, {part: waiting[part] for part in later})
            written = at_once | later
            again = {part: waiting[part] for part in written}
            await store.count(data.draw(st.integers(0, commit.seq)), again)  # is there already
            for part in written:
                waiting[part], counted[part] = Counter(), commit.seq
            assert (await store.counted(), await store.cursor()) == (counted, commit.seq)
        total = sum((joined(commit.accounts) for commit in commits), Counter())
        assert +(await store.accounts() + joined(dict(enumerate(waiting)))) == +total

    with_engine(check)


async def test_a_repeated_transition_is_not_written_and_its_alarm_left_alone(store):
    raised = transition("t-1", alarm(value=1.0))
    assert await store.commit(Commit(1, [raised])) == [(1, raised)]
    again = transition("t-1", alarm(value=2.0))
    other = transition("t-2", alarm("alarm-1"))
    assert await store.commit(Commit(2, [again, other, other])) == [(2, other)]
    assert await store.alarm("alarm-0") == raised.alarm


async def test_the_last_transition_of_an_alarm_in_a_commit_stands(store):
    await store.commit(Commit(1, [transition(f"t-{n}", alarm(value=float(n))) for n in range(5)]))
    assert (await store.alarm("alarm-0")).value == 4.0


async def test_numbers_go_on_after_the_store_was_closed(new_url):
    url = new_url()
    for seq in (1, 2, 3):
        engine = await StateEngine.open(url)
        written = await AlarmStore(engine).commit(Commit(seq, [transition(f"t-{seq}")]))
        assert [number for number, _ in written] == [seq]
        await engine.close()


async def test_transitions_are_read_on_from_a_number(store):
    await store.commit(Commit(1, [transition(f"t-{n}") for n in range(5)]))
    assert [number for number, _ in await store.transitions(2, 2)] == [3, 4]
    assert [number for number, _ in await store.transitions(4, 100)] == [5]
    assert await store.transitions(5, 100) == []


async def test_a_thousand_transitions_go_in_one_commit(store):
    many = [transition(f"t-{n}", alarm(f"alarm-{n}")) for n in range(1000)]
    written = await store.commit(Commit(1, many))
    assert [number for number, _ in written] == list(range(1, 1001))
    assert await store.commit(Commit(2, many)) == []


async def test_numbers_that_are_none_do_not_stop_a_commit(store):
    broken = alarm(value=math.nan, limit=math.inf)
    await store.commit(
        Commit(1, [transition("t", broken)], sightings=[sighting("D1", last_value=math.nan)])
    )
    found = await store.alarm("alarm-0")
    assert math.isnan(found.value)
    assert found.limit == math.inf
    assert math.isnan((await store.unregistered()).items[0].last_value)


async def test_texts_that_no_database_takes_do_not_stop_a_commit(store):
    bad = "\ud800\0"
    said = transition("t", alarm(acknowledged_by=bad, channel=bad), author=bad, reason=bad)
    commit = Commit(
        1,
        transitions=[said],
        notices=[notice("n")],
        accounts=by_part(Counter({Account(bad, Unit.FRAMES, Fate.DECODED): 1})),
        rejects=[reject(1, gateway=bad, detail=bad, channel_name=bad)],
        sightings=[sighting(bad, gateway=bad)],
    )
    assert len(await store.commit(commit)) == 1
    assert (await store.quarantine(gateway=bad)).items[0].detail == "��"
    await store.forget_unregistered(bad, bad)
    assert (await store.unregistered()).items == []


async def test_a_commit_that_fails_leaves_nothing_and_can_be_made_again(engine, store):
    before = await dump(engine)
    unstorable = transition("t-2", alarm("alarm-1"), evidence=object())
    with pytest.raises(NotImplementedError):
        await store.commit(Commit(1, [transition("t-1"), unstorable]))
    assert await dump(engine) == before
    assert len(await store.commit(Commit(1, [transition("t-1")]))) == 1


async def test_a_cancelled_commit_is_there_whole_or_not_at_all(engine, store):
    for seq in range(1, 41):
        task = asyncio.create_task(
            store.commit(Commit(seq, [transition(f"t-{seq}-{n}", seq=seq) for n in range(3)]))
        )
        for _ in range(seq):
            await asyncio.sleep(0)  # one step of the loop: the commit is further on each time
        task.cancel()
        await asyncio.wait([task])
        rows = await dump(engine)
        committed = {row[2] for row in rows["transitions"]}
        assert len(rows["transitions"]) == 3 * len(committed)
        assert (await store.cursor() == seq) == (seq in committed)
    assert await store.commit(Commit(99, [transition("t-99")]))


async def test_cancelled_readers_give_their_connections_back(store):
    for steps_on in range(40):
        tasks = [asyncio.create_task(store.cursor()) for _ in range(10)]
        for _ in range(steps_on):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert await store.cursor() == 0


async def test_readers_see_whole_commits_while_they_are_made_and_are_never_locked_out(
    engine, store
):
    done = asyncio.Event()

    async def read():
        pictures = 0
        while not done.is_set():
            rows = await dump(engine)
            assert rows["progress"][0][1] == len({row[2] for row in rows["transitions"]})
            assert len(rows["transitions"]) == 2 * rows["progress"][0][1]
            pictures += 1
        return pictures

    async def write():
        for seq in range(1, 61):
            await store.commit(Commit(seq, [transition(f"t-{seq}-{n}", seq=seq) for n in range(2)]))
        done.set()

    readers = [asyncio.create_task(read()) for _ in range(12)]
    await write()
    assert min(await asyncio.gather(*readers)) > 0


async def test_the_books_are_added_to(store):
    stored = Account("gw-bridge", Unit.READINGS, Fate.STORED)
    refused = Account("gw-bridge", Unit.READINGS, Fate.REJECTED, Reason.NOT_FINITE)
    await store.commit(Commit(1, accounts=by_part(Counter({stored: 5, refused: 1}))))
    await store.commit(Commit(2, accounts=by_part(Counter({stored: 7}))))
    assert await store.accounts() == Counter({stored: 12, refused: 1})


async def test_a_commit_leaves_nothing_to_the_collector(store):
    """It runs once in many minutes: what each of a thousand commits left would lie there so long."""
    seqs = iter(range(1, 1000))

    async def commits(count):
        for _ in range(count):
            seq = next(seqs)
            books = Counter({Account("gw-bridge", Unit.READINGS, Fate.STORED): 1})
            await store.commit(
                Commit(
                    seq=seq,
                    transitions=[transition(f"t-{seq}", seq=seq)],
                    notices=[notice(f"n-{seq}")],
                    accounts=by_part(books),
                    rejects=[reject(seq)],
                    sightings=[sighting("D1")],
                )
            )

    await commits(3)  # what is made once
    gc.collect()
    gc.disable()
    try:
        await commits(20)
        assert gc.collect() < 20
    finally:
        gc.enable()
