"""What a service that leads offers its interface: the ports, its health, its metrics."""

from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric

from api.ports import Check
from api.settings import ApiSettings
from ingest.limits import Limits
from ingest.source import Source
from service.abreast import LIVE, Stamp
from service.auditing import Auditor
from service.backups import Backups
from service.catalogues import Catalogues
from service.clock import Clock, WallClock
from service.committing import Broadcast, Commands
from service.disk import DiskWatch
from service.gate import Gate
from service.judgement import Judgement
from service.line import Offer
from service.metrics import ServiceCollector
from service.opening import Stores
from service.ports import ArchiveView, Books, LivePicture, ServiceHealth
from service.push import PushIntake
from service.reception import REQUEST_PATIENCE_S
from service.settings import Settings
from service.supervise import Supervisor
from service.threads import nice_threads, patient_threads
from service.watching import SelfCollector, Watch
from service.webhooks import Webhooks
from storage.alarms import AlarmStore

LOG_CONSUMER = "log"
# A question to the archive computes for long, mostly without the interpreter's lock.
ARCHIVE_NICENESS = 10


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a service that leads."""

    settings: Settings
    stores: Stores
    supervisor: Supervisor
    clock: Clock
    judgement: Judgement
    source: Source
    gate: Gate
    disks: DiskWatch
    catalogues: Catalogues
    webhooks: Webhooks
    backups: Backups
    limits: Limits


def make_offers(
    parts: Parts, health: ServiceHealth, watch: Watch, live: LivePicture, stack: AsyncExitStack
) -> dict[str, Offer]:
    """Return the ports by name; requests wait for a database that is away for a while only."""
    stores, judgement, clock = parts.stores, parts.judgement, parts.clock
    state = stores.state.hurried(REQUEST_PATIENCE_S)
    looking = stack.enter_context(patient_threads("live", 1))
    reading = nice_threads("archive", ApiSettings().archive_threads, ARCHIVE_NICENESS)
    stack.callback(reading.shutdown, wait=False, cancel_futures=True)
    intake = PushIntake(stores.journal, clock, parts.limits, parts.gate.holding)
    return {
        LIVE: Offer(live, looking),
        "books": Offer(Books(judgement.evaluator, judgement.committer, judgement.archiver)),
        "archive": Offer(ArchiveView(stores.archive), reading),
        "commands": Offer(Commands(stores.journal, judgement.committer, clock.now_ns)),
        "catalogues": Offer(parts.catalogues),
        "health": Offer(health),
        "intake": Offer(intake),
        "audit": Offer(Auditor(state)),
        "webhooks": Offer(parts.webhooks),
        "backups": Offer(parts.backups),
        "metrics": Offer(Metrics(_registry(parts, watch)), looking),
    }


class Stamps:
    """What goes along with each answer; see ``service.abreast``. The wall's time is told by the wall."""

    def __init__(self, live: LivePicture, clock: Clock, broadcast: Broadcast) -> None:
        self._live = live
        self._clock = None if isinstance(clock, WallClock) else clock
        self._broadcast = broadcast

    def __call__(self) -> Stamp:
        """Return what there is at this moment."""
        now_ns = 0 if self._clock is None else self._clock.now_ns()
        return Stamp(self._live.serial, self._broadcast.last, now_ns)


class Metrics:
    """The metrics of this process, as they travel."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> list[Metric]:
        """Return the metrics of this moment."""
        return list(self._registry.collect())


def make_health(parts: Parts) -> ServiceHealth:
    """Return the checks of a service that leads."""
    stores, judgement = parts.stores, parts.judgement

    def others() -> list[Check]:
        words = judgement.keeper.problem
        snapshots = Check("snapshots", not words, words or f"at row {judgement.keeper.last_seq}")
        return [*parts.webhooks.checks(), Check("disk", *parts.disks.health()), snapshots]

    return ServiceHealth(
        lambda: parts.source.connected,
        lambda: parts.supervisor.failed,
        lambda: stores.journal.last_seq - judgement.evaluator.seq,
        judgement.archiver,
        AlarmStore(stores.state.hurried(0.0)).cursor,
        lambda: parts.catalogues.activated,
        parts.catalogues.problem,
        leadership=None if stores.shared is None else stores.shared.leadership,
        others=others,
    )


def _registry(parts: Parts, watch: Watch) -> CollectorRegistry:
    stores, judgement = parts.stores, parts.judgement
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(parts.disks.metrics)
    registry.register(
        SelfCollector(
            parts.settings,
            watch,
            ledger=lambda: Counter(judgement.committer.ledger),
            gateways=lambda: dict(judgement.evaluator.gateways),
            snapshot_age_s=lambda: judgement.keeper.age_s,
            judged_s=lambda: judgement.thread.busy_s,
        )
    )
    registry.register(
        ServiceCollector(
            stores.journal,
            judgement.evaluator,
            judgement.committer,
            judgement.archiver,
            parts.catalogues,
        )
    )
    registry.register(parts.webhooks.collector())
    return registry
