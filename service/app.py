"""The wiring: one straight line from settings to a running service."""

import asyncio
import gc
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.registry import Collector

from alerting.outbox import OutboxConsumer, log_delivery
from api.app import create_app, end_streams
from api.ports import Check, Ports
from api.settings import ApiSettings
from domain.texts import alarm_text
from domain.time import seconds_to_ns
from ingest.limits import Limits
from ingest.newest import newest_time_ns
from ingest.source import Source
from service import notify, pipeline
from service.archiving import Archiver
from service.auditing import Auditor
from service.backup import BackupMaker
from service.backups import Backups
from service.catalogues import Catalogues
from service.clock import Clock, DataClock, WallClock, time_of
from service.committing import Broadcast, Commands, Committer
from service.disk import DiskWatch, watch_disks
from service.evaluator import Evaluator
from service.gate import Gate
from service.housekeeping import Housekeeping
from service.keeping import program_version
from service.metrics import ServiceCollector
from service.opening import StartError, Stores, open_stores
from service.ports import ArchiveView, LivePicture, ServiceHealth, StoreView
from service.push import PushIntake
from service.recovery import SnapshotKeeper, archive_begin, restore, run_again
from service.refusals import Refusals
from service.retention import Retention
from service.settings import Settings
from service.supervise import Supervisor
from service.watching import SelfCollector, TimedThread, Watch
from service.webhooks import Webhooks, open_webhooks
from storage.alarms import AlarmStore
from storage.archive import ArchiveError
from storage.audit import AuditLog
from storage.catalogue.revisions import CatalogueStore
from storage.gateway_keys import GatewayKeyStore
from storage.journal import Journal
from storage.keys import KeyStore
from storage.outbox import waiting_notices
from storage.profiles import ProfileLog

HTTP_STOP_TIMEOUT_S = 5
LOG_CONSUMER = "log"
# A thread that wants the interpreter waits this long for one that computes: at Python's 5 ms, the
# event loop and the journal's writer spend most of a busy second waiting for the judgement.
SWITCH_INTERVAL_S = 0.0005
# Frames on their way are many, live for seconds and are in no cycles: at Python's own thresholds a
# busy service stops every few seconds for a walk over all of them.
COLLECT_AFTER = (20_000, 10, 100)

log = structlog.get_logger(__name__)


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


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; raises ``StartError`` where it cannot start."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
    supervisor = Supervisor()
    supervisor.stop_on_signals()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listener(settings))
        stores = await open_stores(settings, stack)
        keys = KeyStore(stores.state)
        await _guard(settings, keys)
        clock = _clock(settings, stores.journal)
        judgement = await _recover(settings, stores, stack, clock)
        disks = watch_disks(settings, stores, gate := Gate())
        evaluator = judgement.evaluator
        catalogues = _catalogues(settings, stores, judgement, clock)
        await catalogues.start()
        webhooks = _webhooks(settings, stores, stack, judgement)
        limits = settings.limits()
        source = await stack.enter_async_context(_source(settings, clock, limits))
        _start_pipeline(supervisor, source, stores, judgement, clock, gate)
        disks.start(supervisor)
        webhooks.start(supervisor)
        supervisor.start("retention", _retention(settings, stores, webhooks, clock).run())
        supervisor.start("catalogue", catalogues.watch())
        health = _health(supervisor, source, stores, judgement, catalogues, webhooks, disks)
        watch = Watch(health, lambda: waiting_notices(stores.state))
        supervisor.start("watch", watch.run())
        app = create_app(
            Ports(
                live=LivePicture(evaluator, clock),
                store=StoreView(stores.state, evaluator, judgement.committer, judgement.archiver),
                archive=ArchiveView(stores.archive),
                commands=Commands(stores.journal, judgement.committer, clock.now_ns),
                adoption=catalogues,
                stream=judgement.broadcast,
                health=health,
                keys=keys,
                gateway_keys=GatewayKeyStore(stores.state),
                intake=PushIntake(stores.journal, clock, limits, gate.holding),
                audit=Auditor(stores.state),
                alarm_text=alarm_text,
                revisions=catalogues,
                profile_log=ProfileLog(stores.state),
                webhooks=webhooks,
                registry=_registry(
                    settings, stores, judgement, watch, webhooks, catalogues, disks.metrics
                ),
                backups=_backups(settings, stores, stack),
            ),
            ApiSettings(open_reads=settings.open_reads),
        )
        server = _http_server(app)
        supervisor.start("http", server.serve([listener]))
        alive = notify.keep_told(lambda: server.started, lambda: not supervisor.failed)
        supervisor.start("notify", alive)
        try:
            await supervisor.wait()
        finally:
            notify.tell("STOPPING=1", "STATUS=stopping")
            await _stop(supervisor, server, app, judgement)


def _catalogues(
    settings: Settings, stores: Stores, judgement: Judgement, clock: Clock
) -> Catalogues:
    return Catalogues(
        settings,
        judgement.catalogues,
        stores.state,
        stores.journal,
        AlarmStore(stores.state),
        clock.now_ns,
        judgement.evaluator,
    )


def _webhooks(
    settings: Settings, stores: Stores, stack: AsyncExitStack, judgement: Judgement
) -> Webhooks:
    evaluator = judgement.evaluator
    webhooks = open_webhooks(
        settings, stores.state, stack, lambda: evaluator.catalogue, WallClock().now_ns
    )
    judgement.committer.when_noticed(webhooks.wake)
    return webhooks


def _backups(settings: Settings, stores: Stores, stack: AsyncExitStack) -> Backups:
    maker = BackupMaker(settings, stores, WallClock().now_ns)
    backups = Backups(maker, AuditLog(stores.state), program_version())
    stack.push_async_callback(backups.close)
    return backups


async def _recover(
    settings: Settings, stores: Stores, stack: AsyncExitStack, clock: Clock
) -> Judgement:
    """Bring the judgement back to the committed row, and its readings to the archive."""
    store = AlarmStore(stores.state)
    catalogue_store = CatalogueStore(stores.state)
    committed_seq = await store.cursor()

    def stand_at(seq: int) -> Evaluator:
        return restore(stores.snapshots, catalogue_store.load, seq, stores.journal.first_seq)

    def for_archive(seq: int) -> Evaluator:
        return stand_at(archive_begin(seq, stores.snapshots, stores.journal))

    broadcast = Broadcast()
    committer = Committer(store, broadcast, await store.accounts(), committed_seq)
    archive = stores.archive
    refusals = Refusals(stores.state, committer, lambda: evaluator.catalogue, time.time_ns)
    housekeeping = Housekeeping(archive, lambda: evaluator.catalogue, clock.now_ns)
    archiver = Archiver(
        archive,
        for_archive,
        stores.journal.read_span,
        refused=refusals.take,
        committed_seq=committed_seq,
        housekeep=housekeeping.step,
    )
    stack.callback(archiver.close)
    thread = stack.enter_context(TimedThread("judge"))
    loop = asyncio.get_running_loop()
    if archive.ready and archive.cursor < committed_seq:
        evaluator = await loop.run_in_executor(thread, for_archive, archive.cursor)
    else:
        evaluator = await loop.run_in_executor(thread, stand_at, committed_seq)
    await loop.run_in_executor(
        thread, run_again, evaluator, stores.journal, committed_seq, archiver
    )
    keeper = SnapshotKeeper(
        stores.snapshots,
        stores.journal,
        lambda: min(committer.seq, archiver.cursor),
        settings.snapshot_interval_s,
    )
    stack.callback(keeper.close)
    return Judgement(evaluator, archiver, committer, broadcast, keeper, thread, catalogue_store)


def _start_pipeline(
    supervisor: Supervisor,
    source: Source,
    stores: Stores,
    judgement: Judgement,
    clock: Clock,
    gate: Gate,
) -> None:
    """Start the tasks between the broker and the outbox."""
    evaluator = judgement.evaluator
    outbox = OutboxConsumer(
        AlarmStore(stores.state), LOG_CONSUMER, log_delivery(lambda: evaluator.catalogue)
    )
    judgement.committer.when_noticed(outbox.wake)
    evaluate = pipeline.evaluate(
        stores.journal,
        evaluator,
        judgement.committer,
        judgement.archiver,
        judgement.keeper,
        judgement.thread,
    )
    supervisor.start("intake", pipeline.intake(source, stores.journal, clock, gate))
    supervisor.start("evaluate", evaluate)
    supervisor.start("commit", judgement.committer.run())
    supervisor.start("archive", judgement.archiver.run())
    supervisor.start("outbox", outbox.run())
    if isinstance(clock, WallClock):
        tick = pipeline.tick(stores.journal, clock, lambda: source.connected)
        supervisor.start("tick", tick)


def _health(
    supervisor: Supervisor,
    source: Source,
    stores: Stores,
    judgement: Judgement,
    catalogues: Catalogues,
    webhooks: Webhooks,
    disks: DiskWatch,
) -> ServiceHealth:
    def snapshots() -> Check:
        problem = judgement.keeper.problem
        return Check("snapshots", not problem, problem or f"at row {judgement.keeper.last_seq}")

    return ServiceHealth(
        lambda: source.connected,
        lambda: supervisor.failed,
        lambda: stores.journal.last_seq - judgement.evaluator.seq,
        judgement.archiver,
        AlarmStore(stores.state).cursor,
        lambda: catalogues.activated,
        catalogues.problem,
        lambda: [*webhooks.checks(), Check("disk", *disks.health()), snapshots()],
    )


def _retention(settings: Settings, stores: Stores, webhooks: Webhooks, clock: Clock) -> Retention:
    return Retention(
        stores.state, settings, lambda: [LOG_CONSUMER, *webhooks.consumers], clock.now_ns
    )


def _registry(
    settings: Settings,
    stores: Stores,
    judgement: Judgement,
    watch: Watch,
    webhooks: Webhooks,
    catalogues: Catalogues,
    *more: Collector,
) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collector in more:
        registry.register(collector)
    registry.register(
        SelfCollector(
            settings,
            watch,
            ledger=lambda: judgement.committer.ledger,
            gateways=lambda: judgement.evaluator.gateways,
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
            catalogues,
        )
    )
    registry.register(webhooks.collector())
    return registry


def _source(settings: Settings, clock: Clock, limits: Limits) -> Source:
    return Source(
        settings.mqtt_url.get_secret_value(),
        client_id=settings.mqtt_client_id,
        clock=clock.now_ns,
        limits=limits,
    )


async def _guard(settings: Settings, keys: KeyStore) -> None:
    """Keep the key of the first start; refuse to listen beyond loopback without any key."""
    for file in settings.exposed_files():
        log.warning("every user of this machine may read this secret: chmod o= it", file=file)
    if settings.admin_key is not None:
        await keys.ensure_admin_key(settings.admin_key.get_secret_value())
    if settings.viewer_key is not None:
        await _ensure_viewer(settings.viewer_key.get_secret_value(), keys)
    if not settings.open_reads and not await keys.keys():
        raise StartError(
            f"http_listen is {settings.http_listen}, beyond loopback, and there is no key: "
            "set LIFELINE_ADMIN_KEY, or listen on 127.0.0.1"
        )


async def _ensure_viewer(secret: str, keys: KeyStore) -> None:
    try:
        await keys.ensure_viewer_key(secret)
    except ValueError as error:  # somebody has that secret already, and perhaps for more
        raise StartError(f"LIFELINE_VIEWER_KEY: {error}; choose another") from None


def _clock(settings: Settings, journal: Journal) -> Clock:
    if settings.clock == "wall":
        return WallClock()
    seq = journal.last_seq
    last = [row for rows in journal.read_span(max(seq - 1, 0), seq) for row in rows.records]
    start_ns = time_of(last[-1]) if last else 0
    return DataClock(newest_time_ns, start_ns, seconds_to_ns(settings.clock_jump_s))


def _listener(settings: Settings) -> socket.socket:
    """Return the socket of the HTTP interface, bound before anything else is touched."""
    host, port = settings.http_host, settings.http_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.http_listen} ({error.strerror}): "
            "choose another address with LIFELINE_HTTP_LISTEN"
        ) from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the supervisor decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the supervisor."""
        yield


def _http_server(app: FastAPI) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=HTTP_STOP_TIMEOUT_S,
        )
    )


async def _stop(
    supervisor: Supervisor, server: uvicorn.Server, app: FastAPI, judgement: Judgement
) -> None:
    """Stop in the order of the data's way, and leave nothing half done that could be finished."""
    end_streams(app)
    server.should_exit = True
    # First, so that whoever waits for a command's result is still answered.
    await supervisor.finish("http", HTTP_STOP_TIMEOUT_S + 1)
    await supervisor.cancel("intake")
    await supervisor.cancel("evaluate", "commit", "outbox")
    await judgement.committer.flush()
    await supervisor.cancel("archive")
    try:
        await judgement.archiver.finish()
    except ArchiveError as error:
        log.error("not archived yet; the journal has it for the next start", error=str(error))
    # In the judging thread, because a step that was cut off there goes on to its end.
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(judgement.thread, judgement.keeper.take, judgement.evaluator)
    await supervisor.cancel()
    log.info("stopped")
