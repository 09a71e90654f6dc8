"""The wiring: one straight line from settings to a running service."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import structlog
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from alerting.outbox import OutboxConsumer, log_delivery
from api.app import create_app, end_streams
from api.ports import Ports
from api.settings import ApiSettings
from domain.texts import alarm_text
from ingest.source import Source
from ingest.wire import newest_time_ns
from service import pipeline
from service.archiving import Archiver
from service.catalogues import Catalogues
from service.clock import Clock, DataClock, WallClock
from service.committing import Broadcast, Commands, Committer
from service.evaluator import Evaluator
from service.metrics import ServiceCollector
from service.ports import LivePicture, ServiceHealth, StoreView
from service.recovery import SnapshotKeeper, restore, run_again
from service.settings import Settings
from service.snapshots import SnapshotFolder
from service.supervise import Supervisor
from storage.alarms import AlarmStore
from storage.archive.duck import DuckArchive
from storage.catalogue.revisions import CatalogueStore
from storage.journal import SegmentJournal
from storage.keys import KeyStore
from storage.state import StateEngine

HTTP_STOP_TIMEOUT_S = 5

log = structlog.get_logger(__name__)


class StartError(Exception):
    """The service cannot start as it is told to; the message says what to change."""


@dataclass(slots=True)
class Parts:
    """The durable parts, opened."""

    state: StateEngine
    journal: SegmentJournal
    archive: DuckArchive
    snapshots: SnapshotFolder


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; raises ``StartError`` where it cannot start."""
    supervisor = Supervisor()
    supervisor.stop_on_signals()
    async with AsyncExitStack() as stack:
        parts = await _open(settings, stack)
        await _guard(settings, KeyStore(parts.state))
        clock = _clock(settings)

        catalogue_store = CatalogueStore(parts.state)
        store = AlarmStore(parts.state)
        committed_seq = await store.cursor()

        def stand_at(seq: int) -> Evaluator:
            load = catalogue_store.load
            return restore(parts.snapshots, load, seq, parts.journal.first_seq)

        archiver = Archiver(parts.archive, stand_at, parts.journal.read_span)
        stack.callback(archiver.close)
        evaluator = stand_at(min(committed_seq, parts.archive.cursor))
        judge_thread = stack.enter_context(ThreadPoolExecutor(1, "judge"))
        await asyncio.get_running_loop().run_in_executor(
            judge_thread, run_again, evaluator, parts.journal, committed_seq, archiver
        )

        broadcast = Broadcast()
        committer = Committer(store, broadcast, await store.accounts())
        keeper = SnapshotKeeper(
            parts.snapshots,
            parts.journal,
            lambda: min(committer.seq or committed_seq, archiver.cursor),
            settings.snapshot_interval_s,
        )
        stack.callback(keeper.close)
        outbox = OutboxConsumer(store, "log", log_delivery(lambda: evaluator.catalogue))
        committer.when_noticed(outbox.wake)
        catalogues = Catalogues(settings, catalogue_store, parts.journal, store, clock, evaluator)
        await catalogues.import_files()

        source = await stack.enter_async_context(
            Source(
                settings.mqtt_url.get_secret_value(),
                client_id=settings.mqtt_client_id,
                clock=clock.now_ns,
            )
        )
        supervisor.start("intake", pipeline.intake(source, parts.journal, clock))
        supervisor.start(
            "evaluate",
            pipeline.evaluate(parts.journal, evaluator, committer, archiver, keeper, judge_thread),
        )
        supervisor.start("archive", archiver.run())
        supervisor.start("outbox", outbox.run())
        if isinstance(clock, WallClock):
            connected = lambda: source.connected  # noqa: E731  a name for the reader
            supervisor.start("tick", pipeline.tick(parts.journal, clock, connected))

        view = StoreView(parts.state, evaluator, committer, archiver)
        registry = CollectorRegistry()
        registry.register(ServiceCollector(parts.journal, evaluator, committer, archiver))
        ports = Ports(
            live=LivePicture(evaluator, clock),
            store=view,
            archive=parts.archive,
            commands=Commands(parts.journal, committer, clock.now_ns),
            adoption=catalogues,
            stream=broadcast,
            health=ServiceHealth(
                lambda: source.connected,
                lambda: supervisor.failed,
                lambda: parts.journal.last_seq - evaluator.seq,
                archiver,
                store.cursor,
            ),
            keys=KeyStore(parts.state),
            alarm_text=alarm_text,
            registry=registry,
        )
        app = create_app(ports, ApiSettings(open_reads=settings.open_reads))
        server = _http_server(app, settings)
        supervisor.start("http", server.serve())
        try:
            await supervisor.wait()
        finally:
            await _stop(supervisor, server, app, archiver)


async def _open(settings: Settings, stack: AsyncExitStack) -> Parts:
    """Open the durable parts; each is closed when the stack ends, the last opened first."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    journal = await SegmentJournal.open(
        settings.journal_folder(),
        bytes_max=settings.journal_bytes_max,
        age_s_max=settings.journal_age_s_max,
    )
    stack.push_async_callback(journal.close)
    state = await StateEngine.open(settings.state_location())
    stack.push_async_callback(state.close)
    archive = DuckArchive.open(settings.archive_folder())
    stack.callback(archive.close)
    return Parts(state, journal, archive, SnapshotFolder(settings.data_dir / "snapshots"))


async def _guard(settings: Settings, keys: KeyStore) -> None:
    """Keep the key of the first start; refuse to listen beyond loopback without any key."""
    if settings.admin_key is not None:
        await keys.ensure_admin_key(settings.admin_key.get_secret_value())
    if not settings.open_reads and not await keys.keys():
        raise StartError(
            f"http_listen is {settings.http_listen}, beyond loopback, and there is no key: "
            "set LIFELINE_ADMIN_KEY, or listen on 127.0.0.1"
        )


def _clock(settings: Settings) -> Clock:
    return DataClock(newest_time_ns) if settings.clock == "data" else WallClock()


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the supervisor decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the supervisor."""
        yield


def _http_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=HTTP_STOP_TIMEOUT_S,
        )
    )


async def _stop(
    supervisor: Supervisor, server: uvicorn.Server, app: FastAPI, archiver: Archiver
) -> None:
    """Stop in the order of the data's way, and leave nothing half done that could be finished."""
    end_streams(app)
    server.should_exit = True
    await supervisor.cancel("intake")
    await supervisor.cancel("evaluate", "outbox")
    await supervisor.cancel("archive")
    await archiver.flush()
    await supervisor.cancel()
    log.info("stopped")
