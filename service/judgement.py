"""The judgement of a running service: brought back to the committed row, with all that it feeds."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from service.archiving import Archiver
from service.clock import Clock
from service.committing import Broadcast, Committer
from service.evaluator import Evaluator
from service.housekeeping import Housekeeping
from service.opening import Stores
from service.recovery import SnapshotKeeper
from service.refusals import Refusals
from service.settings import Settings
from service.standby import Standing
from service.watching import TimedThread
from storage.alarms import AlarmStore
from storage.catalogue.revisions import CatalogueStore


@dataclass(slots=True)
class Judgement:
    """What turns rows into alarms and archived readings, standing where the last run stopped."""

    evaluator: Evaluator
    archiver: Archiver
    committer: Committer
    broadcast: Broadcast
    keeper: SnapshotKeeper
    thread: TimedThread
    catalogues: CatalogueStore


async def recover(
    settings: Settings, stores: Stores, standing: Standing, stack: AsyncExitStack, clock: Clock
) -> Judgement:
    """Bring the judgement back to the committed row, and its readings to the archive."""
    evaluator, committed_seq, behind = await standing.finish()
    store, archiver = AlarmStore(stores.state), standing.archiver
    broadcast = Broadcast()
    committer = Committer(store, broadcast, await store.accounts(), committed_seq, behind)
    refusals = Refusals(stores.state, committer, lambda: evaluator.catalogue, time.time_ns)
    archiver.refuse_with(refusals.take)
    housekeeping = Housekeeping(stores.archive, lambda: evaluator.catalogue, clock.now_ns)
    archiver.keep_house_with(housekeeping.step)
    keeper = SnapshotKeeper(
        stores.snapshots,
        stores.journal,
        lambda: min(committer.counted_seq, archiver.cursor),
        settings.snapshot_interval_s,
    )
    stack.callback(keeper.close)
    return Judgement(
        evaluator, archiver, committer, broadcast, keeper, standing.thread, standing.catalogues
    )
