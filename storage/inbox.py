"""The inbox of unregistered channels: names that gateways send and the catalogue does not know.

Bounded: when it is full, what was seen longest ago gives way to what is new.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounting import Sighting
from storage import tables
from storage.encoding import clean, clean_row, from_row
from storage.pages import Page, bounded, decode_cursor, page_of
from storage.state import StateEngine, count_rows
from storage.upsert import upsert

KEPT = 10_000

_rows = tables.inbox


@dataclass(frozen=True, slots=True)
class Inboxed:
    """A name waiting to be adopted: who sends it, since when, how often, and the last value."""

    gateway: str
    channel_name: str
    district: str
    count: int
    first_seen_ns: int
    last_seen_ns: int
    last_time_ns: int
    last_value: float


async def add_sightings(connection: AsyncConnection, sightings: Sequence[Sighting]) -> None:
    """Count ``sightings``, the later of one name standing for its last value."""
    if not sightings:
        return
    rows = [clean_row(sighting) for sighting in sightings]
    await upsert(connection, _rows, rows, adding=["count"], keeping=["first_seen_ns"])
    excess = await count_rows(connection, _rows) - KEPT
    if excess > 0:
        key = tuple_(_rows.c.gateway, _rows.c.channel_name)
        oldest = (
            select(_rows.c.gateway, _rows.c.channel_name)
            .order_by(_rows.c.last_seen_ns, _rows.c.gateway, _rows.c.channel_name)
            .limit(excess)
        )
        await connection.execute(delete(_rows).where(key.in_(oldest)))


async def page_of_inbox(engine: StateEngine, cursor: str | None, limit: int) -> Page[Inboxed]:
    """Return names by gateway and name; raises ``BadCursorError``."""
    limit = bounded(limit)
    wanted = select(_rows).order_by(_rows.c.gateway, _rows.c.channel_name).limit(limit + 1)
    if cursor is not None:
        place = tuple_(_rows.c.gateway, _rows.c.channel_name)
        wanted = wanted.where(place > decode_cursor(cursor, tuple[str, str]))
    found = await engine.fetch(wanted)
    return page_of(
        found,
        limit,
        lambda row: (row.gateway, row.channel_name),
        lambda row: from_row(row, Inboxed),
    )


async def forget_name(engine: StateEngine, gateway: str, channel_name: str) -> None:
    """Take a name out of the inbox; it comes back when it is sent again."""
    name_is = _rows.c.channel_name == clean(channel_name)
    statement = delete(_rows).where(_rows.c.gateway == clean(gateway), name_is)
    await engine.write(lambda connection: connection.execute(statement))
