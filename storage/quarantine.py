"""The quarantine: the newest of what was refused, for a person to look at.

It is bounded, a gateway's share and the whole, so that one gateway that sends nonsense neither fills
the disk nor pushes out what others had refused. How much was refused altogether stands in the accounts.
"""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounting import Reject
from storage import tables
from storage.encoding import clean, clean_row, from_row
from storage.pages import Page, bounded, decode_cursor, page_of
from storage.state import StateEngine, count_rows

KEPT_PER_GATEWAY = 1_000
KEPT_IN_ALL = 20_000
# A whole topic may be 64 KiB, and 20,000 of them are kept.
LENGTHS_MAX = {"topic": 512, "detail": 1024, "channel_name": 128, "excerpt": 256}

_rows = tables.quarantine

# Once: a list in a statement that each commit puts together anew is left to the collector.
_TOO_MANY = (
    select(_rows.c.gateway, func.count().label("share"))
    .where(_rows.c.gateway.in_(bindparam("gateways", expanding=True)))
    .group_by(_rows.c.gateway)
    .having(func.count() > bindparam("kept"))
)


async def add_rejects(
    connection: AsyncConnection, rejects: Sequence[Reject], last_number: int
) -> int:
    """Put ``rejects`` in and the oldest out; return the number of the last one.

    A reject that this very call would push out again is numbered, and not written.
    """
    if not rejects:
        return last_number
    newest = _newest(list(enumerate(rejects, last_number + 1)))
    await connection.execute(insert(_rows), [_row(number, reject) for number, reject in newest])
    await _trim(connection, sorted({clean(reject.gateway) for _, reject in newest}))
    return last_number + len(rejects)


def _newest(numbered: list[tuple[int, Reject]]) -> list[tuple[int, Reject]]:
    """Return the entries that stay where nothing newer comes, oldest first."""
    kept: list[tuple[int, Reject]] = []
    share: Counter[str] = Counter()
    for number, reject in reversed(numbered):
        share[reject.gateway] += 1
        if share[reject.gateway] <= KEPT_PER_GATEWAY and len(kept) < KEPT_IN_ALL:
            kept.append((number, reject))
    return kept[::-1]


def _row(number: int, reject: Reject) -> dict[str, object]:
    row = clean_row(reject)
    return {
        **row,
        **{name: row[name][:length] for name, length in LENGTHS_MAX.items()},
        "number": number,
    }


async def _trim(connection: AsyncConnection, gateways: Sequence[str]) -> None:
    given = {"gateways": gateways, "kept": KEPT_PER_GATEWAY}
    too_many = await connection.execute(_TOO_MANY, given)
    for gateway, share in too_many.all():
        oldest = select(_rows.c.number).where(_rows.c.gateway == gateway)
        oldest = oldest.order_by(_rows.c.number).limit(share - KEPT_PER_GATEWAY)
        await connection.execute(delete(_rows).where(_rows.c.number.in_(oldest)))
    excess = await count_rows(connection, _rows) - KEPT_IN_ALL
    if excess > 0:
        oldest = select(_rows.c.number).order_by(_rows.c.number).limit(excess)
        await connection.execute(delete(_rows).where(_rows.c.number.in_(oldest)))


async def page_of_quarantine(
    engine: StateEngine, gateway: str | None, cursor: str | None, limit: int
) -> Page[Reject]:
    """Return rejects, newest first, of one gateway or of all; raises ``BadCursorError``."""
    limit = bounded(limit)
    wanted = select(_rows).order_by(_rows.c.number.desc()).limit(limit + 1)
    if gateway is not None:
        wanted = wanted.where(_rows.c.gateway == clean(gateway))
    if cursor is not None:
        wanted = wanted.where(_rows.c.number < decode_cursor(cursor, tuple[int])[0])
    found = await engine.fetch(wanted)
    return page_of(found, limit, lambda row: (row.number,), lambda row: from_row(row, Reject))
