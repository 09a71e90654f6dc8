"""The outbox: notices in the order they were written, and how far each consumer has come."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alarm import Notice
from storage import tables
from storage.encoding import pack, unpack
from storage.known import unknown_only
from storage.state import StateEngine
from storage.upsert import upsert

_rows = tables.outbox
_cursors = tables.outbox_cursors


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A notice and its number; numbers rise in the order of writing and are never reused."""

    number: int
    notice: Notice


async def add_notices(
    connection: AsyncConnection, notices: Sequence[Notice], last_number: int
) -> int:
    """Write the notices whose id is not there yet; return the number of the last one."""
    new = await unknown_only(connection, _rows, notices)
    if new:
        rows = [
            {
                "number": number,
                "id": notice.id,
                "seq": notice.seq,
                "transition_id": notice.transition_id,
                "document": pack(notice),
            }
            for number, notice in enumerate(new, last_number + 1)
        ]
        await connection.execute(insert(_rows), rows)
    return last_number + len(new)


async def pending_notices(engine: StateEngine, consumer: str, limit: int) -> list[OutboxRow]:
    """Return the next rows that ``consumer`` has not done, oldest first."""
    done = select(_cursors.c.number).where(_cursors.c.consumer == consumer).scalar_subquery()
    found = await engine.fetch(
        select(_rows.c.number, _rows.c.document)
        .where(_rows.c.number > func.coalesce(done, 0))
        .order_by(_rows.c.number)
        .limit(limit),
    )
    return [OutboxRow(row.number, unpack(row.document, Notice)) for row in found]


async def mark_done(engine: StateEngine, consumer: str, number: int) -> None:
    """Note that ``consumer`` has done everything up to ``number``; it never goes back."""
    row = {"consumer": consumer, "number": number}
    await engine.write(lambda connection: upsert(connection, _cursors, [row], rising="number"))


async def waiting_notices(engine: StateEngine) -> dict[str, int]:
    """Return how many notices each consumer has still to deliver."""
    newest = select(func.coalesce(func.max(_rows.c.number), 0)).scalar_subquery()
    found = await engine.fetch(select(_cursors, newest.label("newest")))
    return {row.consumer: max(0, row.newest - row.number) for row in found}
