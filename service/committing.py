"""Steps become facts: one transaction, then whoever waits or listens is told."""

import asyncio
import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from api.ports import Refused
from domain.accounting import PARTS, Account, Accounts, Fate, Unit, in_parts, of_parts
from domain.alarm import CommandResult, Transition
from domain.journal import Command, Record
from service.evaluator import Step
from storage.alarms import AlarmStore, Commit
from storage.journal import JournalError

COMMAND_TIMEOUT_S = 10.0
COMMIT_INTERVAL_S = 0.5

Numbered = tuple[int, Transition]


Listener = Callable[[Sequence[Numbered]], None]


class Broadcast:
    """Tells listeners of transitions right after their commit, on the event loop."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self.last = 0  # the number of the last transition told

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each commit; returns how to stop that. It must not wait."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, written: Sequence[Numbered]) -> None:
        """Tell every listener."""
        self.last = written[-1][0]
        for listener in list(self._listeners):
            listener(written)


@dataclass(frozen=True, slots=True)
class Behind:
    """What a run before committed and did not count, made again.

    ``counted_seqs`` says of each part of the books up to which row it is counted.
    """

    counted_seqs: Sequence[int]
    accounts: Accounts


class Committer:
    """Commits steps and keeps the ledger, the books as of the last row committed.

    A step with news is committed at once. One without waits up to half a second for company: a
    restart makes it again from the journal. With each of these one part of the books is written, so that
    all are within five seconds: a city's counts are most of a commit's work, and an alarm that comes
    meanwhile waits for it.
    """

    def __init__(
        self,
        store: AlarmStore,
        broadcast: Broadcast,
        ledger: Accounts,
        seq: int,
        behind: Behind | None = None,
    ) -> None:
        self._store = store
        self._broadcast = broadcast
        self.ledger = Counter(ledger)
        self.seq = seq  # the last row committed
        self._counted_seqs = [seq] * PARTS  # the last row whose counts are written
        self._uncounted = in_parts(Counter())  # of the rows between the two
        if behind is not None:
            self._counted_seqs, self._uncounted = (
                list(behind.counted_seqs),
                in_parts(behind.accounts),
            )
            self.ledger.update(behind.accounts)
        self._on_notices: list[Callable[[], None]] = []
        self._waiting: Step | None = None
        self._one_at_a_time = asyncio.Lock()
        self._results: dict[str, asyncio.Future[CommandResult]] = {}

    @property
    def counted_seq(self) -> int:
        """The last row whose counts are all written."""
        return min(self._counted_seqs)

    def when_noticed(self, call: Callable[[], None]) -> None:
        """Call ``call`` after each commit that wrote outbox rows."""
        self._on_notices.append(call)

    def expect(self, command_id: str) -> asyncio.Future[CommandResult]:
        """Return a future that holds the command's result once it is committed."""
        future: asyncio.Future[CommandResult] = asyncio.get_running_loop().create_future()
        self._results[command_id] = future
        future.add_done_callback(lambda _future: self._results.pop(command_id, None))
        return future

    async def add(self, step: Step) -> None:
        """Take the next step; see ``service.pipeline.Committer``."""
        step.readings = []  # the archive has them
        if self._waiting is None:
            self._waiting = step
        else:
            self._waiting.extend(step)
        if self._waiting.urgent:
            await self._flush(counting=())

    async def run(self) -> None:
        """Commit what waits, each half second, for ever, and write one part of the books after the other."""
        for part in itertools.cycle(range(PARTS)):
            await asyncio.sleep(COMMIT_INTERVAL_S)
            await self._flush(counting=[part])

    async def flush(self) -> None:
        """Commit what waits, with all that is to be counted."""
        await self._flush(counting=range(PARTS))

    async def _flush(self, counting: Collection[int]) -> None:
        async with self._one_at_a_time:
            step, self._waiting = self._waiting, None
            if step is not None:
                await self.commit(step, counting)
                return
            behind = [part for part in counting if self._counted_seqs[part] < self.seq]
            if behind:
                await self._store.count(self.seq, {part: self._uncounted[part] for part in behind})
                self._count(self.seq, in_parts(Counter()), behind)

    def _due(self, part: int, step: Step) -> Accounts:
        due = Counter(self._uncounted[part])
        due.update(of_parts(step.accounts, [part]))  # unlike a sum it keeps what is below zero
        return due

    def _count(self, seq: int, accounts: Sequence[Accounts], counted: Collection[int]) -> None:
        """Take accounts up to ``seq`` by part: those of ``counted`` are written, the others are not yet."""
        for part, new in enumerate(accounts):
            if part in counted:
                self._uncounted[part], self._counted_seqs[part] = Counter(), seq
            else:
                self._uncounted[part].update(new)

    async def commit(
        self, step: Step, counting: Collection[int] = range(PARTS)
    ) -> Sequence[Numbered]:
        """Commit a step and write the parts ``counting`` of the books, and tell whoever waits or listens.

        Returns what was written, numbered.
        """
        # What is cut off here may be in the database or not: nothing is taken for counted before.
        written = await self._store.commit(
            Commit(
                seq=step.last_seq,
                transitions=step.transitions,
                notices=step.notices,
                accounts={part: self._due(part, step) for part in counting},
                rejects=step.rejects,
                sightings=step.sightings,
                profiles=step.profiles,
            )
        )
        if written:  # before the books: those of thousands of gateways take milliseconds
            self._broadcast.publish(written)
        self._count(step.last_seq, in_parts(step.accounts), counting)
        self.ledger.update(step.accounts)
        for result in step.results:
            future = self._results.get(result.command_id)
            if future is not None and not future.done():
                future.set_result(result)
        self.seq = step.last_seq
        if step.notices:
            for call in self._on_notices:
                call()
        return written


class Appender(Protocol):
    """Makes rows durable."""

    async def append(self, records: Sequence[Record]) -> int:
        """Append rows, and return the number of the last."""
        ...


async def append_or_refuse(journal: Appender, records: Sequence[Record]) -> int:
    """Append what a person asked for; raises ``Refused`` where the journal's disk is full."""
    try:
        return await journal.append(records)
    except JournalError as error:
        if error.permanent:
            raise
        remedy = "Nothing has happened. Make room on the disk of the journal, then try again."
        raise Refused(503, str(error), remedy) from error


class Commands:
    """Puts operators' verbs into the journal and waits for what becomes of them."""

    def __init__(self, journal: Appender, committer: Committer, now_ns: Callable[[], int]) -> None:
        self._journal = journal
        self._committer = committer
        self._now_ns = now_ns

    async def submit(self, verb: str, arguments: dict[str, Any], author: str) -> CommandResult:
        """Return the result of a command; status 202 where it is journaled and not judged yet."""
        command_id = uuid.uuid4().hex
        result = self._committer.expect(command_id)
        command = Command(command_id, verb, arguments, author, self._now_ns())
        await append_or_refuse(self._journal, [command])
        try:
            return await asyncio.wait_for(result, COMMAND_TIMEOUT_S)
        except TimeoutError:
            return CommandResult(command_id, 202, "taken into the journal, not judged yet")


def books(ledger: Accounts, pending: Accounts) -> Accounts:
    """Return the books as of the last row evaluated, by what the archive really holds.

    ``ledger`` counts readings as stored once they are judged; ``pending`` are those of them that
    the archive has not yet taken.
    """
    shown = Counter(ledger)
    for account, count in pending.items():
        shown[account] -= count
        shown[Account(account.gateway, Unit.READINGS, Fate.PENDING)] += count
    return shown
