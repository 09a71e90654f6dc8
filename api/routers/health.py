"""Health and metrics, at the root: for supervisors, load balancers and Prometheus."""

import asyncio
from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.auth import Reader
from api.context import Here
from api.ports import Check
from api.schemas import CheckOut, LiveOut, ReadyOut

READY_TIMEOUT_S = 5.0

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="Tell whether the process lives")
async def show_live(here: Here, response: Response) -> LiveOut:
    """Return 200, or 503 where only a restart helps."""
    live = await here.ports.health.live()
    response.status_code = 200 if live else 503
    return LiveOut(live=live)


@router.get("/health/ready", summary="Tell whether the service is of use now")
async def show_ready(here: Here, response: Response) -> ReadyOut:
    """Return 200 where all checks are well, else 503; either way with the checks."""
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            checks: Sequence[Check] = await here.ports.health.ready()
    except TimeoutError:
        checks = [Check("checks", ok=False, detail=f"no answer within {READY_TIMEOUT_S:g} s")]
    ready = all(check.ok for check in checks if check.vital)
    response.status_code = 200 if ready else 503
    items = [
        CheckOut(name=check.name, ok=check.ok, detail=check.detail, vital=check.vital)
        for check in checks
    ]
    return ReadyOut(ready=ready, checks=items)


@router.get(
    "/metrics",
    summary="Show the metrics, for Prometheus",
    dependencies=[Reader],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_metrics(here: Here) -> Response:
    """Return the metrics in Prometheus' text format."""
    text = await here.live_pool.run(partial(generate_latest, here.ports.registry))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
