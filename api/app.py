"""The application: ports in, routes out. ``service/app.py`` calls :func:`create_app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from api.auth import Reader
from api.context import Context
from api.errors import install
from api.guard import BoundedBody, SecureHeaders
from api.metrics import MeasureRequests
from api.openapi import describe_api
from api.page import page_routes
from api.ports import Ports
from api.routers import (
    alarms,
    audit,
    backups,
    catalogue,
    channels,
    commissioning,
    events,
    facilities,
    frames,
    gateways,
    health,
    profiles,
    revisions,
    webhooks,
)
from api.routers import unregistered as inbox
from api.settings import ApiSettings

PREFIX = "/api/v1"
NOUNS = (
    facilities, channels, alarms, gateways, inbox, catalogue, revisions, commissioning, profiles,
    events, webhooks, audit, backups,
)  # fmt: skip


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    unsubscribe = context.ports.stream.subscribe(context.hub.publish)
    try:
        yield
    finally:
        unsubscribe()
        context.close()


def create_app(
    ports: Ports, settings: ApiSettings | None = None, version: str = "0.1.0"
) -> FastAPI:
    """Return the application over ``ports``.

    The server must run its lifespan. Before stopping the server call :func:`end_streams`: uvicorn
    waits for open answers before it ends the lifespan, and an event stream never ends by itself.
    """
    settings = settings or ApiSettings()
    app = FastAPI(
        title="Lifeline",
        version=version,
        lifespan=_lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # these pages load their scripts from elsewhere; a control room is offline
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    app.state.context = Context(ports, settings)
    install(app)
    api = APIRouter(prefix=PREFIX, dependencies=[Reader])
    for noun in NOUNS:
        api.include_router(noun.router)
    app.include_router(api)
    app.include_router(frames.router, prefix=PREFIX)  # gateways have keys of their own
    app.include_router(health.router)
    app.router.routes.extend(page_routes())
    _describe(app)
    app.add_middleware(
        BoundedBody,
        bytes_max=settings.body_bytes_max,
        timeout_s=settings.body_timeout_s,
        larger={f"{PREFIX}/catalogue/revisions": settings.document_bytes_max},
    )
    app.add_middleware(SecureHeaders)
    app.add_middleware(MeasureRequests, metrics=app.state.context.metrics)
    return app


def _describe(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe_api(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way


def end_streams(app: FastAPI) -> None:
    """End every event stream at once, and refuse new ones; listeners resume by number."""
    app.state.context.hub.close()
