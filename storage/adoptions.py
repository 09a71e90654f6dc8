"""The names that people took into the catalogue, kept beside its files."""

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.catalogue.sites import Adoption
from storage.state import StateEngine
from storage.upsert import upsert

_rows = tables.adoptions


async def keep_adoption(connection: AsyncConnection, adoption: Adoption) -> None:
    """Keep an adoption; one of the same gateway and name is replaced."""
    row = {
        "gateway": adoption.gateway,
        "sent_as": adoption.sent_as,
        "document": msgspec.json.encode(adoption.to_plain()),
    }
    await upsert(connection, _rows, [row])


class AdoptionStore:
    """Adoptions in the state database; given again to every import of the files.

    They are written with the revisions that they make (``CatalogueStore.save``).
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def adoptions(self) -> list[Adoption]:
        """Return all adoptions, by gateway and name."""
        found = await self._engine.fetch(select(_rows).order_by(_rows.c.gateway, _rows.c.sent_as))
        return [Adoption.from_plain(msgspec.json.decode(row.document)) for row in found]
