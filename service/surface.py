"""The interface over ports that are in another process: what ``service/interface.py`` shows."""

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector

from api.app import create_app
from api.errors import problem
from api.ports import Ports
from api.settings import ApiSettings
from domain.texts import alarm_text
from service import row_text, sending
from service.abreast import LIVE, Abreast
from service.distant import (
    Distant,
    DistantArchive,
    DistantIntake,
    DistantLive,
    DistantMetrics,
    DistantStore,
)
from service.line import Line, LineEndedError
from service.precedence import AlarmsFirst, Punctuality
from service.reception import AWAY_REMEDY, REQUEST_PATIENCE_S, Setup
from service.threads import be_patient
from storage.gateway_keys import GatewayKeyStore
from storage.keys import KeyStore
from storage.profiles import ProfileLog
from storage.state import StateAway, StateEngine


def make_app(line: Line, abreast: Abreast, setup: Setup, punctuality: Punctuality) -> FastAPI:
    """Return the HTTP interface, on the event loop on which it is to run."""

    def distant(name: str) -> Distant:
        return Distant(line, abreast, name)

    state = StateEngine.join(setup.state_url).hurried(REQUEST_PATIENCE_S)
    catalogues = distant("catalogues")
    app = create_app(
        Ports(
            live=DistantLive(distant(LIVE), abreast, wall_clock=setup.wall_clock),
            store=DistantStore(state, distant("books")),
            archive=DistantArchive(distant("archive")),
            commands=distant("commands"),
            adoption=catalogues,
            stream=abreast,
            health=distant("health"),
            keys=KeyStore(state),
            gateway_keys=GatewayKeyStore(state),
            intake=DistantIntake(line, abreast, "intake"),
            audit=distant("audit"),
            alarm_text=alarm_text,
            revisions=catalogues,
            profile_log=ProfileLog(state),
            webhooks=distant("webhooks"),
            registry=_registry(distant("metrics")),
            backups=distant("backups"),
            write_to_all=sending.write_to_all,
            write_rows=row_text.write_rows,
            begin_thread=be_patient,
        ),
        ApiSettings(open_reads=setup.open_reads),
    )
    sending.warm_up()
    row_text.warm_up()
    tell_of_outages(app)
    app.add_middleware(AlarmsFirst, punctuality=punctuality)
    return app


def tell_of_outages(app: FastAPI) -> None:
    """Have requests answered 503 while the database is away, or when the service is ending."""
    app.add_exception_handler(LineEndedError, _ending)
    app.add_exception_handler(StateAway, _state_away)


async def _ending(_request: Request, _error: Exception) -> Response:
    return problem(503, "The service is ending.", "Try again when it runs again.")


async def _state_away(_request: Request, error: Exception) -> Response:
    return problem(503, f"{error}.", AWAY_REMEDY)


def _registry(metrics: Distant) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(DistantMetrics(metrics))
    ProcessCollector(namespace="lifeline_interface", registry=registry)
    return registry
