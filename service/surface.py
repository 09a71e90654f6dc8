"""What a running service shows of itself, and is told through: interface, health, metrics."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector

from api.app import create_app
from api.errors import problem
from api.ports import Check, Ports
from api.settings import ApiSettings
from domain.texts import alarm_text
from ingest.limits import Limits
from ingest.source import Source
from service import row_text, sending
from service.across import BroadcastAcross, across
from service.auditing import Auditor
from service.backups import Backups
from service.catalogues import Catalogues
from service.clock import Clock
from service.committing import Commands
from service.disk import DiskWatch
from service.gate import Gate
from service.judgement import Judgement
from service.metrics import ServiceCollector
from service.opening import Stores
from service.ports import ArchiveView, LivePicture, ServiceHealth, StoreView
from service.precedence import AlarmsFirst, Punctuality
from service.push import PushIntake
from service.settings import Settings
from service.supervise import Supervisor
from service.watching import SelfCollector, Watch
from service.webhooks import Webhooks
from storage.alarms import AlarmStore
from storage.gateway_keys import GatewayKeyStore
from storage.journal import JournalError
from storage.keys import KeyStore
from storage.profiles import ProfileLog
from storage.state import StateAway

REQUEST_PATIENCE_S = 5.0  # of a request with a database that is away
LOG_CONSUMER = "log"


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


def make_app(parts: Parts, health: ServiceHealth, watch: Watch) -> FastAPI:
    """Return the HTTP interface; requests wait for a database that is away for a while only.

    It is to be run on another event loop than this one; see ``service.across``.
    """
    loop = asyncio.get_running_loop()
    stores, judgement, clock = parts.stores, parts.judgement, parts.clock
    state, evaluator = stores.state.hurried(REQUEST_PATIENCE_S), judgement.evaluator
    app = create_app(
        Ports(
            live=LivePicture(evaluator, clock),
            store=across(
                StoreView(state, evaluator, judgement.committer, judgement.archiver), loop
            ),
            archive=ArchiveView(stores.archive),
            commands=across(Commands(stores.journal, judgement.committer, clock.now_ns), loop),
            adoption=across(parts.catalogues, loop),
            stream=BroadcastAcross(judgement.broadcast),
            health=across(health, loop),
            keys=across(KeyStore(state), loop),
            gateway_keys=across(GatewayKeyStore(state), loop),
            intake=across(
                PushIntake(stores.journal, clock, parts.limits, parts.gate.holding), loop
            ),
            audit=across(Auditor(state), loop),
            alarm_text=alarm_text,
            revisions=across(parts.catalogues, loop),
            profile_log=across(ProfileLog(state), loop),
            webhooks=across(parts.webhooks, loop),
            registry=_registry(parts, watch),
            backups=across(parts.backups, loop),
            write_to_all=sending.write_to_all,
            write_rows=row_text.write_rows,
        ),
        ApiSettings(open_reads=parts.settings.open_reads),
    )
    sending.warm_up()
    row_text.warm_up()
    tell_of_outages(app)
    punctuality = Punctuality()
    parts.supervisor.start("punctuality", punctuality.beat())
    app.add_middleware(AlarmsFirst, punctuality=punctuality)
    return app


def tell_of_outages(app: FastAPI) -> None:
    """Have requests answered 503 while the database is away, or when this instance leads no more."""
    app.add_exception_handler(StateAway, _state_away)
    app.add_exception_handler(JournalError, _journal_ended)


async def _journal_ended(_request: Request, error: Exception) -> Response:
    remedy = (
        "It is not known to have happened. Look, and try again: in seconds, where another leads."
    )
    return problem(503, f"{error}.", remedy)


async def _state_away(_request: Request, error: Exception) -> Response:
    return problem(503, f"{error}.", "Try again when the database answers.")


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
