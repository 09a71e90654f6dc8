"""Marks: how a writer knows whether a commit whose answer never came was done.

Each engine has a row of its own in ``write_marks``; each of its writes puts the next number there, first
of all. Where the connection breaks at the commit, the same write is done again with the same number,
and finds it there already if the first was committed. A first one that the server is still busy with
holds the row's lock, so the second waits for its end. Nothing else needs to be safe to repeat.
"""

import time
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

KEPT = 1000  # rows of writers, the newest; each is needed only while its process lives

_rows = tables.write_marks
_new = postgresql.insert(_rows)
# Once: a statement of this kind that each write puts together anew is left to the collector.
_MARK = _new.on_conflict_do_update(
    index_elements=[_rows.c.writer],
    set_={"number": _new.excluded.number},
    where=_rows.c.number < _new.excluded.number,
).returning(_rows.c.number)


class Marks:
    """The marks of one engine. Its writes come one after the other."""

    def __init__(self) -> None:
        self._writer = uuid.uuid4().hex
        self._number = 0

    def once(self, work: Work[T], fence: Work[None] | None) -> Work[T]:
        """Return ``work`` as something that may be tried again until it is known to be committed."""
        self._number += 1
        number = self._number
        done: list[T] = []

        async def attempt(connection: AsyncConnection) -> T:
            if not await self._mark(connection, number):
                return done[-1]  # the attempt before was committed after all
            if fence is not None:
                await fence(connection)
            done.append(await work(connection))
            return done[-1]

        return attempt

    async def _mark(self, connection: AsyncConnection, number: int) -> bool:
        """Put the number there; False where it is there already."""
        row = {"writer": self._writer, "number": number, "since_ns": time.time_ns()}
        marked = await connection.execute(_MARK, row)
        if marked.one_or_none() is None:
            return False
        if number == 1:
            await _forget_old(connection)
        return True


async def _forget_old(connection: AsyncConnection) -> None:
    """Keep the newest writers' rows only."""
    kept = select(_rows.c.since_ns).order_by(_rows.c.since_ns.desc()).offset(KEPT - 1).limit(1)
    oldest = func.coalesce(kept.scalar_subquery(), 0)
    await connection.execute(delete(_rows).where(_rows.c.since_ns < oldest))
