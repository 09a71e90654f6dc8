"""Readings that the archive refused for good: out of the books' stored, into the quarantine, once.

A crash between this and the archive's cursor has the same readings refused again; the keys kept here
tell. They are bounded: what is replayed lies within the newest of them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounting import Account, Accounts, Fate, Reason, Reject, Unit
from storage import tables
from storage.accounts import add_accounts
from storage.encoding import clean
from storage.quarantine import add_rejects
from storage.state import StateEngine

KEPT = 100_000
_AT_ONCE = 500

_keys = tables.refused_readings
_progress = tables.progress


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reading that was refused; ``gateway`` is empty for a derived one, which no book counts."""

    channel_id: str
    time_ns: int
    gateway: str
    reject: Reject


async def keep_refusals(engine: StateEngine, refusals: Sequence[Refusal]) -> Accounts:
    """Put what was never refused before into the quarantine; return how the books changed."""
    return await engine.write(lambda connection: _keep(connection, refusals))


async def _keep(connection: AsyncConnection, refusals: Sequence[Refusal]) -> Accounts:
    moved: Accounts = Counter()
    number = int((await connection.execute(select(_progress.c.reject_number))).scalar_one())
    latest = {(clean(each.channel_id), each.time_ns): each for each in refusals}
    entries = list(latest.items())
    for begin in range(0, len(entries), _AT_ONCE):
        part = dict(entries[begin : begin + _AT_ONCE])
        for key in await _known(connection, list(part)):
            part.pop(key, None)
        if part:
            rows = [
                {"channel": channel, "time_ns": time_ns, "number": number + place}
                for place, (channel, time_ns) in enumerate(part, 1)
            ]
            await connection.execute(insert(_keys), rows)
            number = await add_rejects(connection, [each.reject for each in part.values()], number)
            moved.update(_moved(list(part.values())))
    await connection.execute(update(_progress).values(reject_number=number))
    await add_accounts(connection, moved)
    await _trim(connection)
    return moved


async def _known(
    connection: AsyncConnection, keys: Sequence[tuple[str, int]]
) -> list[tuple[str, int]]:
    channels, times = {channel for channel, _ in keys}, {time_ns for _, time_ns in keys}
    found = await connection.execute(
        select(_keys.c.channel, _keys.c.time_ns).where(
            _keys.c.channel.in_(channels), _keys.c.time_ns.in_(times)
        )
    )
    return [(row.channel, row.time_ns) for row in found]


def _moved(refusals: Sequence[Refusal]) -> Accounts:
    moved: Accounts = Counter()
    for each in refusals:
        if each.gateway:
            moved[Account(each.gateway, Unit.READINGS, Fate.STORED)] -= 1
            moved[Account(each.gateway, Unit.READINGS, Fate.QUARANTINED, Reason.ARCHIVE)] += 1
    return moved


async def _trim(connection: AsyncConnection) -> None:
    newest = (await connection.execute(select(func.max(_keys.c.number)))).scalar_one_or_none()
    if newest is not None:
        await connection.execute(delete(_keys).where(_keys.c.number <= newest - KEPT))
