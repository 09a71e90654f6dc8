"""What was written before is not written again: unique ids make a repeated row harmless."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select, Table, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

CHUNK = 500  # ids a query: old SQLite builds take 999 parameters


class HasId(Protocol):
    """Anything with a unique id."""

    @property
    def id(self) -> str:
        """The id."""


T = TypeVar("T", bound=HasId)


async def unknown_only(connection: AsyncConnection, table: Table, items: Iterable[T]) -> list[T]:
    """Return those ``items`` whose id ``table`` does not have, in order, each id once."""
    first: dict[str, T] = {}
    for item in items:
        first.setdefault(item.id, item)
    ids = list(first)
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        known = await connection.execute(_known(table), {"ids": chunk})
        for known_id in known.scalars():
            del first[known_id]
    return list(first.values())


@cache  # a list in a statement that each commit puts together anew is left to the collector
def _known(table: Table) -> Select[Any]:
    return select(table.c.id).where(table.c.id.in_(bindparam("ids", expanding=True)))
