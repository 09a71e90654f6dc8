"""Standing by: a second instance that judges the same rows, and goes on where the leader ends.

It follows the journal up to the committed row with an evaluator of its own, and lets its transitions
go: they are in the database already. An archive of its own takes the readings; one that both share
is the leader's to write. When the leader's session ends the lead is taken, and what then runs is what
runs after every restart, with almost nothing left to do.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from domain.alarm import Notice
from service.archiving import Archiver
from service.committing import Behind
from service.door import Door
from service.evaluator import Evaluator
from service.opening import Shared, Stores, connect_archive
from service.recovery import RecoveryError, archive_begin, restore, run_again
from service.supervise import Supervisor
from service.watching import TimedThread
from storage.alarms import AlarmStore
from storage.catalogue.revisions import CatalogueStore
from storage.journal import JournalRetired
from storage.leadership import Leadership

LOOK_S = 0.25
FIRST_TRY_S = 0.5
FINISH_S = 3.0  # of an archive's server that hangs: who stands by is waiting for the lead

log = structlog.get_logger(__name__)


class Standing:
    """An evaluator on its way to the committed row, and the archive that takes its readings."""

    def __init__(self, stores: Stores, thread: TimedThread, *, archive_is_shared: bool) -> None:
        self._stores = stores
        self._store = AlarmStore(stores.state)
        self.catalogues = CatalogueStore(stores.state)
        self._archive_is_shared = archive_is_shared
        self.thread = thread
        self.archiver = Archiver(
            stores.archive,
            self._for_archive,
            stores.journal.read_span,
            finish_s=FINISH_S if archive_is_shared else None,
        )
        self._evaluator: Evaluator | None = None

    @property
    def row(self) -> int:
        """The row that it stands at; 0 before it has begun."""
        return 0 if self._evaluator is None else self._evaluator.seq

    async def follow(self, shared: Shared) -> None:
        """Stay at the last row that is committed and counted, for ever."""
        while True:
            counted_seqs = await self._store.counted()
            known_seq = await shared.journal.refresh()
            await self._in_thread(self._run_to, min(*counted_seqs, known_seq))
            await asyncio.sleep(LOOK_S)

    async def finish(self) -> tuple[Evaluator, int, Behind]:
        """Come to the committed row; return the evaluator, that row, and what is to be counted."""
        committed_seq, counted_seqs = await self._store.cursor(), await self._store.counted()
        if self._archive_is_shared and self._stores.shared is not None:
            await connect_archive(self._stores.archive)
        evaluator = await self._in_thread(self._begun, min(counted_seqs))
        if self._archive_is_shared and self._stores.archive.cursor < evaluator.seq:
            self.archiver.expect(evaluator.seq)
        uncounted = await self._in_thread(
            run_again, evaluator, self._stores.journal, counted_seqs, committed_seq, self.archiver
        )
        return evaluator, committed_seq, Behind(counted_seqs, uncounted)

    async def _in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.thread, call, *arguments)

    def _stand_at(self, seq: int) -> Evaluator:
        stores = self._stores
        return restore(stores.snapshots, self.catalogues.load, seq, stores.journal.first_seq)

    def _for_archive(self, seq: int) -> Evaluator:
        stores = self._stores
        begin = archive_begin(seq, stores.snapshots, stores.journal)
        try:
            return self._stand_at(begin)
        except RecoveryError:
            oldest = stores.snapshots.oldest()
            if not self._archive_is_shared or oldest <= begin:
                raise
        log.error(
            "the archive's server lost rows from before all that is kept here: restore its backup",
            from_row=begin + 1,
            to_row=oldest,
        )
        return self._stand_at(oldest)

    def _begun(self, seq: int) -> Evaluator:
        if self._evaluator is None:
            self._evaluator = self._begin(seq)
        return self._evaluator

    def _begin(self, seq: int) -> Evaluator:
        """Return an evaluator at or before ``seq`` from which the archive lacks nothing."""
        stores = self._stores
        archived_seq = stores.archive.cursor
        # Alarms wait for no server's archive: what that lacks comes from the journal beside them.
        behind = stores.archive.ready and archived_seq < seq
        if self._archive_is_shared or not behind:
            return self._stand_at(seq)
        try:
            return self._for_archive(archived_seq)
        except RecoveryError:
            if stores.shared is None:
                raise
        evaluator = self._stand_at(seq)
        log.error(
            "the archive of this instance lacks rows that the journal no longer has: copy the "
            "archive's folder from the other instance while both are stopped to have them here",
            from_row=archived_seq + 1,
            to_row=evaluator.seq,
        )
        stores.archive.write(evaluator.seq, [])
        return evaluator

    def _run_to(self, seq: int) -> None:
        """Judge the rows up to ``seq`` and let everything but the readings go."""
        try:
            evaluator = self._begun(seq)
            for rows in self._stores.journal.read_span(evaluator.seq, seq):
                step = evaluator.step(rows)
                if not self._archive_is_shared:
                    self.archiver.offer(step)
        except (JournalRetired, RecoveryError) as error:
            # The leader has let go of what we had not read yet: begin again from its snapshot.
            log.warning("standing by begins again", error=str(error))
            self._evaluator = None


async def take_the_lead(
    shared: Shared, standing: Standing, door: Door, supervisor: Supervisor, *, own_archive: bool
) -> bool:
    """Stand by until this instance leads; False where it is told to stop before."""
    taking: asyncio.Future[Any] = asyncio.ensure_future(shared.leadership.take())
    stopped: asyncio.Future[Any] = asyncio.ensure_future(supervisor.stopped())
    tasks = {taking, stopped}
    try:
        await asyncio.wait(tasks, timeout=FIRST_TRY_S, return_when=asyncio.FIRST_COMPLETED)
        if not taking.done() and not stopped.done():
            holder = shared.leadership.seen_holder
            log.info("standing by", leader=holder)
            door.reception.words = lambda: (
                f"standby of {shared.leadership.seen_holder or 'nobody yet'}, at row {standing.row}"
            )
            await door.open()
            if own_archive:
                supervisor.start("archive", standing.archiver.run())
            tasks.add(asyncio.ensure_future(standing.follow(shared)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks - {stopped}:
            if task.done():
                task.result()
        if not taking.done():
            return False
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    door.reception.words = lambda: "taking the lead"
    await shared.journal.lead()
    return True


def confirmed(
    leadership: Leadership, deliver: Callable[[Notice], Awaitable[None]]
) -> Callable[[Notice], Awaitable[None]]:
    """Return a delivery that asks the server first whether this instance still leads."""

    async def deliver_as_leader(notice: Notice) -> None:
        await leadership.confirm()
        await deliver(notice)

    return deliver_as_leader
