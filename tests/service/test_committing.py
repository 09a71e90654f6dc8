"""Steps become facts, and whoever waits or listens is told after the commit, not before."""

import asyncio
import itertools
from collections import Counter

from domain.accounting import PARTS, Account, Fate, Unit, part_of
from domain.alarm import CommandResult
from domain.journal import Command
from service.committing import Behind, Broadcast, Commands, Committer, books
from service.evaluator import Step

STORED = Account("gw", Unit.READINGS, Fate.STORED)
PART = part_of("gw")
PENDING = Account("gw", Unit.READINGS, Fate.PENDING)


class Store:
    """A store that writes what a test wants, when it wants it."""

    def __init__(self, written=()) -> None:
        self.written = list(written)
        self.commits = []
        self.counts = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def commit(self, commit):
        await self.go_on.wait()
        self.commits.append(commit)
        return self.written

    async def count(self, seq, accounts):
        await self.go_on.wait()
        self.counts.append((seq, some(accounts)))


class Journal:
    def __init__(self) -> None:
        self.records = []

    async def append(self, records):
        self.records += records
        return len(self.records)


def some(accounts):
    """Return the accounts by part, without the parts that have none."""
    return {part: counts for part, counts in accounts.items() if counts}


def committer(store, broadcast=None):
    return Committer(store, broadcast or Broadcast(), Counter(), 0)


async def test_listeners_hear_of_what_was_written_after_the_commit():
    store, broadcast, heard = Store(written=["transition"]), Broadcast(), []
    stop = broadcast.subscribe(heard.append)
    commits = committer(store, broadcast)
    store.go_on.clear()
    task = asyncio.create_task(commits.commit(Step(3)))
    await asyncio.sleep(0)
    assert heard == []
    store.go_on.set()
    await task
    assert heard == [["transition"]]
    assert commits.seq == 3
    stop()
    await commits.commit(Step(4))
    assert len(heard) == 1


async def test_a_commit_that_wrote_nothing_new_is_told_nobody():
    broadcast, heard = Broadcast(), []
    broadcast.subscribe(heard.append)
    await committer(Store(), broadcast).commit(Step(1))
    assert heard == []


async def test_a_listener_may_leave_while_it_is_told():
    broadcast, heard = Broadcast(), []
    stops = []
    stops.append(broadcast.subscribe(lambda _written: stops[0]()))
    broadcast.subscribe(heard.append)
    broadcast.publish(["one"])
    broadcast.publish(["two"])
    assert heard == [["one"], ["two"]]


async def test_the_ledger_grows_with_each_commit():
    commits = committer(Store())
    for seq in (1, 2):
        await commits.commit(Step(seq, accounts=Counter({STORED: 5})))
    assert commits.ledger == {STORED: 10}


async def test_the_outbox_is_woken_only_where_there_is_something_in_it():
    commits, calls = committer(Store()), []
    commits.when_noticed(lambda: calls.append(True))
    await commits.commit(Step(1))
    assert calls == []
    await commits.commit(Step(2, notices=["notice"]))
    assert calls == [True]


async def test_a_command_is_a_row_first_and_answered_by_its_commit():
    commits, journal = committer(Store()), Journal()
    commands = Commands(journal, commits, lambda: 17)
    task = asyncio.create_task(commands.submit("acknowledge", {"alarm_id": "a"}, "li"))
    await asyncio.sleep(0)
    [row] = journal.records
    assert row == Command(row.command_id, "acknowledge", {"alarm_id": "a"}, "li", 17)
    assert not task.done()
    result = CommandResult(row.command_id, 409, "acknowledged already")
    await commits.commit(Step(1, results=[CommandResult("another's", 200), result]))
    assert await task == result


async def test_a_command_that_is_not_judged_in_time_is_said_to_be_taken(monkeypatch):
    monkeypatch.setattr("service.committing.COMMAND_TIMEOUT_S", 0.01)
    commits, journal = committer(Store()), Journal()
    result = await Commands(journal, commits, lambda: 17).submit("reset", {}, "li")
    assert result.status == 202
    late = CommandResult(result.command_id, 200)
    await commits.commit(Step(1, results=[late]))  # nobody waits any more, and nothing breaks


def test_what_the_archive_has_not_taken_stands_in_the_books_as_pending():
    ledger = Counter({STORED: 10})
    assert books(ledger, Counter({STORED: 4})) == {STORED: 6, PENDING: 4}
    assert books(ledger, Counter()) == {STORED: 10}
    assert ledger == {STORED: 10}


async def test_a_step_with_news_is_committed_at_once_with_what_waited_before_it():
    store = Store()
    commits = committer(store)
    await commits.add(Step(1, accounts=Counter({STORED: 2})))
    await commits.add(Step(2, accounts=Counter({STORED: 3})))
    assert store.commits == []
    await commits.add(Step(3, results=[CommandResult("c", 200)]))
    assert [commit.seq for commit in store.commits] == [3]


async def test_counts_wait_where_there_is_news():
    store = Store()
    commits = committer(store)
    await commits.add(Step(1, accounts=Counter({STORED: 2})))
    await commits.add(Step(2, accounts=Counter({STORED: 3}), results=[CommandResult("c", 200)]))
    await commits.add(Step(3, accounts=Counter({STORED: 4}), results=[CommandResult("d", 200)]))
    assert [commit.accounts for commit in store.commits] == [{}, {}]
    assert (commits.seq, commits.counted_seq, commits.ledger) == (3, 0, {STORED: 9})
    await commits.flush()
    await commits.flush()
    assert store.counts == [(3, {PART: {STORED: 9}})]
    await commits.add(Step(4, accounts=Counter({STORED: 1}), results=[CommandResult("e", 200)]))
    await commits.add(Step(5, accounts=Counter({STORED: 1})))
    await commits.flush()
    assert (store.commits[-1].seq, some(store.commits[-1].accounts)) == (5, {PART: {STORED: 2}})
    assert (len(store.counts), commits.counted_seq) == (1, 5)


async def test_what_a_run_before_did_not_count_is_counted_with_the_next():
    store = Store()
    behind = Behind([9] * PART + [7] + [9] * (PARTS - PART - 1), Counter({STORED: 2}))
    commits = Committer(store, Broadcast(), Counter({STORED: 10}), 9, behind)
    assert (commits.counted_seq, commits.ledger) == (7, {STORED: 12})
    await commits.flush()
    assert (store.counts, commits.counted_seq) == ([(9, {PART: {STORED: 2}})], 9)


async def test_a_commit_that_is_cut_off_is_not_taken_for_counted():
    store = Store()
    commits = committer(store)
    await commits.add(Step(1, accounts=Counter({STORED: 2}), results=[CommandResult("c", 200)]))
    await commits.add(Step(2, accounts=Counter({STORED: 3})))
    store.go_on.clear()
    cut = asyncio.create_task(commits.flush())
    await asyncio.sleep(0)
    cut.cancel()
    await asyncio.wait([cut])
    store.go_on.set()
    await commits.flush()
    assert store.counts == [(1, {PART: {STORED: 2}})]


async def test_one_part_of_the_books_is_written_after_the_other(monkeypatch):
    monkeypatch.setattr("service.committing.COMMIT_INTERVAL_S", 0.001)
    store = Store()
    commits = committer(store)
    gateways = [f"gw-{number}" for number in range(3 * PARTS)]
    running = asyncio.create_task(commits.run())
    async with asyncio.timeout(10):
        for seq in itertools.count(1):
            account = Account(gateways[seq % len(gateways)], Unit.READINGS, Fate.STORED)
            await commits.add(Step(seq, accounts=Counter({account: 1})))
            await asyncio.sleep(0.001)
            if commits.counted_seq > len(gateways):
                break
    running.cancel()
    assert {len(commit.accounts) for commit in store.commits} == {1}
    await commits.flush()
    written = [*(commit.accounts for commit in store.commits), *(more for _, more in store.counts)]
    books = sum((counts for accounts in written for counts in accounts.values()), Counter())
    assert books == commits.ledger
    assert books.total() == seq
    assert commits.counted_seq == commits.seq == seq


async def test_what_is_below_zero_is_counted_too():
    store = Store()
    await committer(store).commit(Step(1, accounts=Counter({STORED: -2})))
    assert some(store.commits[0].accounts) == {PART: {STORED: -2}}


async def test_a_step_of_counts_is_committed_though_nothing_follows():
    store = Store()
    commits = committer(store)
    await commits.add(Step(1))
    running = asyncio.create_task(commits.run())
    async with asyncio.timeout(10):
        while not store.commits:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    assert [commit.seq for commit in store.commits] == [1]


async def test_a_flush_commits_what_waits_and_nothing_twice():
    store = Store()
    commits = committer(store)
    await commits.add(Step(1))
    await asyncio.gather(commits.flush(), commits.flush())
    await commits.flush()
    assert [commit.seq for commit in store.commits] == [1]
