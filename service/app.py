"""The wiring: one straight line from settings to a running service."""

import asyncio
from contextlib import AsyncExitStack

import structlog

from alerting.outbox import OutboxConsumer, log_delivery
from domain.time import seconds_to_ns
from ingest.limits import Limits
from ingest.newest import newest_time_ns
from ingest.source import Source
from service import notify, pipeline
from service.backup import BackupMaker
from service.backups import Backups
from service.catalogues import Catalogues
from service.clock import Clock, DataClock, WallClock, time_of
from service.disk import watch_disks
from service.door import Door, bind
from service.gate import Gate
from service.interpreter import tune
from service.judgement import Judgement, recover
from service.keeping import program_version
from service.offers import LOG_CONSUMER, Parts, Stamps, make_health, make_offers
from service.opening import StartError, Stores, open_stores
from service.ports import LivePicture
from service.reception import Setup
from service.retention import Retention
from service.settings import Settings
from service.standby import Standing, confirmed, take_the_lead
from service.supervise import Supervisor, leave_within
from service.watching import TimedThread, Watch
from service.webhooks import Webhooks, open_webhooks
from storage.alarms import AlarmStore
from storage.archive import ArchiveError
from storage.audit import AuditLog
from storage.collector import leave_what_is_there
from storage.journal import Journal, JournalError
from storage.keys import KeyStore
from storage.outbox import waiting_notices

FINISH_TIMEOUT_S = 10.0

log = structlog.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; raises ``StartError`` where it cannot start.

    Where the journal is shared it stands by first, until it leads.
    """
    tune()
    supervisor = Supervisor()
    supervisor.stop_on_signals()
    async with AsyncExitStack() as stack:
        door = Door(supervisor, stack.enter_context(bind(settings)), _setup(settings))
        stack.callback(door.punctuality.close)
        stack.push_async_callback(door.close)
        await door.begin()
        stores = await supervisor.unless_stopped(open_stores(settings, stack))
        if stores is None:
            return
        standing = _standing(settings, stores, stack)
        stack.push_async_callback(supervisor.cancel)
        door.make_ready(standing.catalogues)
        # A standby is a service that lives, too: its door is open.
        told = notify.keep_told(lambda: door.is_open, lambda: not supervisor.failed)
        supervisor.start("notify", told)
        if stores.shared is not None and not await take_the_lead(
            stores.shared,
            standing,
            door,
            supervisor,
            own_archive=not settings.archive_is_shared,
        ):
            leave_within()
            await supervisor.wait()
            return
        await _run(settings, stores, standing, door, supervisor, stack)


async def _run(
    settings: Settings,
    stores: Stores,
    standing: Standing,
    door: Door,
    supervisor: Supervisor,
    stack: AsyncExitStack,
) -> None:
    """Recover, and be the service until it is told to stop."""
    await _guard(settings, KeyStore(stores.state))
    clock = _clock(settings, stores.journal)
    judgement = await recover(settings, stores, standing, stack, clock)
    disks = watch_disks(settings, stores, gate := Gate())
    catalogues = _catalogues(settings, stores, judgement, clock, door)
    await catalogues.start()
    webhooks = _webhooks(settings, stores, stack, judgement)
    limits = settings.limits()
    source = await stack.enter_async_context(_source(settings, clock, stores, limits))
    parts = Parts(
        settings, stores, supervisor, clock, judgement, source, gate, disks, catalogues, webhooks,
        _backups(settings, stores, stack), limits,
    )  # fmt: skip
    _start_pipeline(parts)
    disks.start(supervisor)
    webhooks.start(supervisor)
    supervisor.start("retention", _retention(settings, stores, webhooks, clock).run())
    supervisor.start("catalogue", catalogues.watch())
    health = make_health(parts)
    watch = Watch(health, lambda: waiting_notices(stores.state))
    supervisor.start("watch", watch.run())
    live = LivePicture(judgement.evaluator)
    judgement.broadcast.subscribe(lambda written: door.tell(live.serial, written))
    supervisor.start("punctuality", door.punctuality.beat())
    offers = make_offers(parts, health, watch, live, stack)
    stamp = Stamps(live, clock, judgement.broadcast)
    await door.show(offers, stamp)
    supervisor.start("news", door.tell_of_news(stamp))
    leave_what_is_there()
    try:
        await supervisor.wait()
    finally:
        notify.tell("STOPPING=1", "STATUS=stopping")
        await _stop(supervisor, door, stores, judgement)


def _setup(settings: Settings) -> Setup:
    return Setup(
        log_level=settings.log_level,
        open_reads=settings.open_reads,
        state_url=settings.state_location(),
        wall_clock=settings.clock == "wall",
    )


def _standing(settings: Settings, stores: Stores, stack: AsyncExitStack) -> Standing:
    thread = TimedThread("judge")
    standing = Standing(stores, thread, archive_is_shared=settings.archive_is_shared)
    stack.callback(standing.archiver.close)
    stack.enter_context(thread)
    if stores.shared is not None:  # or a thread that waits for the server would not end
        stack.push_async_callback(stores.journal.close)
        stack.callback(stores.state.give_up)
    return standing


def _catalogues(
    settings: Settings, stores: Stores, judgement: Judgement, clock: Clock, door: Door
) -> Catalogues:
    return Catalogues(
        settings,
        judgement.catalogues,
        stores.state,
        stores.journal,
        AlarmStore(stores.state),
        clock.now_ns,
        judgement.evaluator,
        door.prepare,
    )


def _webhooks(
    settings: Settings, stores: Stores, stack: AsyncExitStack, judgement: Judgement
) -> Webhooks:
    evaluator = judgement.evaluator
    webhooks = open_webhooks(
        settings,
        stores.state,
        stack,
        lambda: evaluator.catalogue,
        WallClock().now_ns,
        None if stores.shared is None else stores.shared.leadership.confirm,
    )
    judgement.committer.when_noticed(webhooks.wake)
    return webhooks


def _backups(settings: Settings, stores: Stores, stack: AsyncExitStack) -> Backups:
    maker = BackupMaker(settings, stores, WallClock().now_ns)
    backups = Backups(maker, AuditLog(stores.state), program_version())
    stack.push_async_callback(backups.close)
    return backups


def _start_pipeline(parts: Parts) -> None:
    """Start the tasks between the broker and the outbox."""
    supervisor, stores, judgement, clock = (
        parts.supervisor, parts.stores, parts.judgement, parts.clock,
    )  # fmt: skip
    evaluator = judgement.evaluator
    deliver = log_delivery(lambda: evaluator.catalogue)
    if stores.shared is not None:
        leadership = stores.shared.leadership
        deliver = confirmed(leadership, deliver)
        supervisor.start("leadership", leadership.until_lost())
    outbox = OutboxConsumer(AlarmStore(stores.state), LOG_CONSUMER, deliver)
    judgement.committer.when_noticed(outbox.wake)
    evaluate = pipeline.evaluate(
        stores.journal,
        evaluator,
        judgement.committer,
        judgement.archiver,
        judgement.keeper,
        judgement.thread,
    )
    supervisor.start("intake", pipeline.intake(parts.source, stores.journal, clock, parts.gate))
    supervisor.start("evaluate", evaluate)
    supervisor.start("commit", judgement.committer.run())
    if not supervisor.runs("archive"):  # it does already where this instance stood by
        supervisor.start("archive", judgement.archiver.run())
    supervisor.start("outbox", outbox.run())
    if isinstance(clock, WallClock):
        tick = pipeline.tick(stores.journal, clock, lambda: parts.source.connected)
        supervisor.start("tick", tick)


def _retention(settings: Settings, stores: Stores, webhooks: Webhooks, clock: Clock) -> Retention:
    return Retention(
        stores.state, settings, lambda: [LOG_CONSUMER, *webhooks.consumers], clock.now_ns
    )


def _source(settings: Settings, clock: Clock, stores: Stores, limits: Limits) -> Source:
    shared = stores.shared
    return Source(
        settings.mqtt_url.get_secret_value(),
        client_id=settings.mqtt_client_id,
        clock=clock.now_ns,
        limits=limits,
        # A leader of before would throw the one of now out of the broker's session.
        may_connect=lambda: shared is None or shared.leadership.is_sure,
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


async def _stop(supervisor: Supervisor, door: Door, stores: Stores, judgement: Judgement) -> None:
    """Stop in the order of the data's way, and leave nothing half done that could be finished."""
    # First, so that whoever waits for a command's result is still answered.
    await door.close()
    await supervisor.cancel("intake")
    await supervisor.cancel("evaluate", "commit", "outbox")
    if stores.shared is None or stores.shared.leadership.is_sure:
        await _finish(supervisor, judgement)
    else:
        log.warning("not led to its end: the journal has what is not committed")
    await supervisor.cancel()
    log.info("stopped")
    leave_within()


async def _finish(supervisor: Supervisor, judgement: Judgement) -> None:
    """Commit and archive what is judged, and keep the state for a quick start."""
    try:
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            await judgement.committer.flush()
    except (TimeoutError, JournalError) as error:
        log.error("not committed; the journal has it for the next start", error=repr(error))
        return
    await supervisor.cancel("archive")
    try:
        await judgement.archiver.finish()
    except ArchiveError as error:
        log.error("not archived yet; the journal has it for the next start", error=str(error))
    # In the judging thread, because a step that was cut off there goes on to its end.
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(judgement.thread, judgement.keeper.take, judgement.evaluator)
