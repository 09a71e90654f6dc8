"""The way of a message, in two tasks with the journal between them. Read this first.

``intake`` makes frames durable and only then settles them with the broker; nothing downstream can
hold it up. ``evaluate`` turns journal rows into alarms: the same loop live and after a restart.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

from domain.journal import Frame, Record, Refusal, Rows, Tick
from domain.time import NS_PER_S
from service.clock import Clock
from service.evaluator import Evaluator, Step
from storage.journal import JournalError

TICK_INTERVAL_S = 1.0
APPEND_AGAIN_S = 1.0
STOP_TIMEOUT_S = 10.0


class Gathered(Protocol):
    """Frames that came together, not settled yet."""

    @property
    def frames(self) -> list[Frame]:
        """The frames, in order."""
        ...

    @property
    def refusals(self) -> Sequence[Refusal]:
        """What was refused meanwhile, beyond the gateways' limits."""
        ...


G = TypeVar("G", bound=Gathered)


class Source(Protocol[G]):
    """Where frames come from."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        ...

    def gathered(self) -> AsyncIterator[G]:
        """Yield groups of frames, bounded in bytes, count and age."""
        ...

    async def settle(self, gathered: G) -> None:
        """Tell the broker that these are safely ours."""
        ...


class Gate(Protocol):
    """Whether frames may be settled now."""

    def close(self, name: str, why: str) -> None:
        """Settle nothing from now on, for this reason."""
        ...

    def open(self, name: str) -> None:
        """Take a reason away."""
        ...

    async def passed(self) -> None:
        """Return when there is no reason left."""
        ...


class Journal(Protocol):
    """What the pipeline needs of the journal."""

    async def append(self, records: Sequence[Record]) -> int:
        """Make rows durable, and return the number of the last."""
        ...

    def read(self, after_seq: int) -> AsyncIterator[Rows]:
        """Yield what is there, and then what comes, for ever."""
        ...


class Sink(Protocol):
    """Takes a step's readings to the archive without ever making the caller wait."""

    def offer(self, step: Step) -> None:
        """Take the readings of a step that follows the one offered before."""
        ...


class Keeper(Protocol):
    """Keeps snapshots of the evaluator."""

    def due(self, evaluator: Evaluator) -> bool:
        """Whether it is time for one."""
        ...

    def take(self, evaluator: Evaluator) -> None:
        """Take one; called in the judging thread, between two steps."""
        ...


class Committer(Protocol):
    """Commits steps: transitions, outbox, accounts and cursor in one transaction."""

    async def add(self, step: Step) -> None:
        """Take the next step; return when it is committed, where it has news for anybody."""
        ...


async def intake(source: Source[G], journal: Journal, clock: Clock, gate: Gate) -> None:
    """Take frames from the source into the journal, for ever.

    Where the gate is closed, or the journal's disk is full, nothing is settled; the source takes no
    more than its bounds, and the broker keeps the rest.
    """
    async for gathered in source.gathered():
        await gate.passed()
        rows = [*clock.rows(gathered.frames), *gathered.refusals]
        await append_at_last(journal, rows, gate)
        await source.settle(gathered)


async def append_at_last(journal: Journal, rows: Sequence[Record], gate: Gate) -> int:
    """Append rows, again and again while the disk is full; the gate tells of it meanwhile."""
    while True:
        try:
            seq = await journal.append(rows)
        except JournalError as error:
            if error.permanent:
                raise
            gate.close("journal", str(error))
        else:
            gate.open("journal")
            return seq
        await asyncio.sleep(APPEND_AGAIN_S)


async def tick(journal: Journal, clock: Clock, connected: Callable[[], bool]) -> None:
    """Append a tick each second of the wall, for ever.

    ``elapsed_ns`` is measured on the loop's monotonic clock and at most three intervals, so that
    neither a step of the wall's clock nor a suspended machine passes for silence of the sensors. A
    tick that a full disk refuses is left out: nothing came then, either.
    """
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    while True:
        await asyncio.sleep(TICK_INTERVAL_S - loop.time() % TICK_INTERVAL_S)
        now_s = loop.time()
        elapsed_s = min(now_s - before_s, 3 * TICK_INTERVAL_S)
        try:
            await journal.append([Tick(clock.now_ns(), round(elapsed_s * NS_PER_S), connected())])
        except JournalError as error:
            if error.permanent:
                raise
        before_s = now_s


async def evaluate(
    journal: Journal,
    evaluator: Evaluator,
    committer: Committer,
    archive: Sink,
    keeper: Keeper,
    judge_thread: Executor,
) -> None:
    """Turn rows after ``evaluator.seq`` into committed transitions and archived readings.

    A stop waits for the step under way: its thread cannot be stopped half way.
    """
    loop = asyncio.get_running_loop()

    async def take(rows: Rows) -> None:
        step = await loop.run_in_executor(judge_thread, evaluator.step, rows)
        archive.offer(step)
        await committer.add(step)
        if keeper.due(evaluator):
            await loop.run_in_executor(judge_thread, keeper.take, evaluator)

    async for rows in journal.read(evaluator.seq):
        await _to_its_end(take(rows))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await ``work``; where we are cancelled meanwhile, that waits until it is done."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        # A database that is away would have it wait for ever; the journal has these rows.
        await asyncio.wait([task], timeout=STOP_TIMEOUT_S)
        task.cancel()
        raise
