"""The name of this installation: as old as its state, and unlike any other's."""

import uuid

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.state import StateEngine


async def installation_name(engine: StateEngine) -> str:
    """Return the name, given at the first call.

    It goes with the journal that the state belongs to: a cursor in an archive counts that journal's
    rows, and says nothing to one begun anew.
    """
    return await engine.write(_name)


async def _name(connection: AsyncConnection) -> str:
    found = (await connection.execute(select(tables.installation.c.name))).scalar_one_or_none()
    if found is not None:
        return str(found)
    name = uuid.uuid4().hex
    await connection.execute(insert(tables.installation).values(id=1, name=name))
    return name
