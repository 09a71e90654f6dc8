"""The gateways' connection as last known."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.encoding import clean_row, from_row
from storage.state import StateEngine, upsert


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """A gateway's own word, and when anything came from it.

    ``online`` is ``None`` until it has said either; ``last_heard_ns`` is the received time of its
    newest frame (0: none); ``since_ns`` when ``online`` became what it is.
    """

    gateway: str
    online: bool | None
    last_heard_ns: int
    since_ns: int


async def write_statuses(connection: AsyncConnection, statuses: Sequence[GatewayStatus]) -> None:
    """Replace what was known of these gateways, the later of two standing."""
    rows = [clean_row(status) for status in statuses]
    await upsert(connection, tables.gateway_status, rows)


async def read_statuses(engine: StateEngine) -> list[GatewayStatus]:
    """Return all statuses by gateway."""
    rows = tables.gateway_status
    found = await engine.fetch(select(rows).order_by(rows.c.gateway))
    return [from_row(row, GatewayStatus) for row in found]
