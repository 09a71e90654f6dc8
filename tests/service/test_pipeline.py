"""The two tasks: settled only after the journal, and a stop that leaves nothing half judged."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from domain.journal import Frame, Rows, Tick
from service.clock import WallClock
from service.evaluator import Step
from service.gate import Gate
from service.pipeline import evaluate, intake


@dataclass
class Gathered:
    frames: list[Frame]
    refusals: tuple = ()


class Source:
    """Three groups of frames, and what was settled."""

    connected = True

    def __init__(self, told: list[str]) -> None:
        self.told = told

    async def gathered(self):
        for number in range(3):
            yield Gathered([Frame("t", b"%d" % number, number)])

    async def settle(self, gathered):
        self.told.append(f"settled {gathered.frames[0].payload.decode()}")


@dataclass
class Journal:
    """Rows to read; appending takes a turn of the loop, and can fail."""

    rows: list[Rows] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    full: bool = False

    async def append(self, records):
        await asyncio.sleep(0)
        if self.full:
            raise OSError("no space left")
        self.told.append(f"kept {records[0].payload.decode()}")
        return 1

    async def read(self, after_seq):
        for rows in self.rows:
            yield rows
        await asyncio.Event().wait()


async def test_a_frame_is_settled_only_once_the_journal_has_it():
    told: list[str] = []
    await intake(Source(told), Journal(told=told), WallClock(), Gate())
    assert told == [f"{what} {n}" for n in range(3) for what in ("kept", "settled")]


async def test_nothing_is_settled_that_the_journal_does_not_take():
    told: list[str] = []
    with pytest.raises(OSError, match="no space"):
        await intake(Source(told), Journal(told=told, full=True), WallClock(), Gate())
    assert told == []


class Judge:
    """An evaluator whose steps take as long as the test wants."""

    def __init__(self) -> None:
        self.seq = 0
        self.began = threading.Event()
        self.go_on = threading.Event()

    def step(self, rows):
        self.began.set()
        assert self.go_on.wait(10)
        self.seq = rows.last_seq
        return Step(last_seq=rows.last_seq)


@dataclass
class Taken:
    """Archive, committer and keeper in one."""

    offered: list[int] = field(default_factory=list)
    committed: list[int] = field(default_factory=list)

    def offer(self, step):
        self.offered.append(step.last_seq)

    async def add(self, step):
        self.committed.append(step.last_seq)

    def due(self, evaluator):
        return False

    def take(self, evaluator):
        raise AssertionError


async def test_a_stop_waits_for_the_step_under_way_and_commits_it():
    judge, taken = Judge(), Taken()
    journal = Journal(rows=[Rows(1, [Tick(1, 1, broker_connected=True)] * 5)])
    with ThreadPoolExecutor(1) as thread:
        task = asyncio.create_task(evaluate(journal, judge, taken, taken, taken, thread))
        await asyncio.to_thread(judge.began.wait, 10)
        task.cancel()
        await asyncio.sleep(0)
        judge.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert judge.seq == 5
    assert (taken.offered, taken.committed) == ([5], [5])


async def test_an_error_of_the_journal_ends_the_evaluation():
    class Broken(Journal):
        async def read(self, after_seq):
            raise OSError("unreadable")
            yield  # a generator

    judge, taken = Judge(), Taken()
    with ThreadPoolExecutor(1) as thread, pytest.raises(OSError, match="unreadable"):
        await evaluate(Broken(), judge, taken, taken, taken, thread)
