"""The name of this installation: as old as its state, and unlike any other's."""

import uuid

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.state import StateEngine
from storage.upsert import upsert


async def installation_name(engine: StateEngine) -> str:
    """Return the name, given at the first call.

    It goes with the journal that the state belongs to: a cursor in an archive counts that journal's
    rows, and says nothing to one begun anew.
    """
    return await engine.write(_name)


async def _name(connection: AsyncConnection) -> str:
    given = select(tables.installation.c.name)
    found = (await connection.execute(given)).scalar_one_or_none()
    if found is None:  # two instances may begin at once: the name of the first holds for both
        row = {"id": 1, "name": uuid.uuid4().hex}
        await upsert(connection, tables.installation, [row], keeping=["name"])
        found = (await connection.execute(given)).scalar_one()
    return str(found)
