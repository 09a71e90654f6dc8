"""When which limit profile was in force, where, and by whose word."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.profiles import ProfileChange
from storage import tables
from storage.encoding import pack, unpack
from storage.state import StateEngine
from storage.upsert import upsert

_rows = tables.profile_changes


async def add_profile_changes(
    connection: AsyncConnection, changes: Sequence[ProfileChange]
) -> None:
    """Write changes down; one that stands there already is the same."""
    rows = [
        {"seq": one.seq, "ordinal": one.ordinal, "at_ns": one.at_ns, "document": pack(one)}
        for one in changes
    ]
    if rows:
        await upsert(connection, _rows, rows)


class ProfileLog:
    """The changes of profiles in the state database: only ever added to."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def profile_changes(self, limit: int = 100) -> list[ProfileChange]:
        """Return the newest changes, the newest first."""
        newest = select(_rows).order_by(_rows.c.seq.desc(), _rows.c.ordinal.desc()).limit(limit)
        found = await self._engine.fetch(newest)
        return [unpack(row.document, ProfileChange) for row in found]
