"""What is old and done is removed, in small steps: a long delete would hold up the commits.

Each function removes at most ``limit`` rows in one transaction and returns how many it removed.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Delete, Select, Table, and_, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.state import StateEngine

_outbox = tables.outbox
_cursors = tables.outbox_cursors
_transitions = tables.transitions
_alarms = tables.alarms
_audit = tables.audit


async def remove_notices(
    engine: StateEngine, consumers: Sequence[str], before_ns: int, before_ns_max: int, limit: int
) -> int:
    """Remove notices recorded before ``before_ns`` that all ``consumers`` have done.

    Those recorded before ``before_ns_max`` go even where somebody has not.
    """
    return await engine.write(
        lambda connection: _remove_notices(connection, consumers, before_ns, before_ns_max, limit)
    )


async def _remove_notices(
    connection: AsyncConnection,
    consumers: Sequence[str],
    before_ns: int,
    before_ns_max: int,
    limit: int,
) -> int:
    done = await _done_by_all(connection, consumers)
    # A notice's transition is at most a day older than the notice; one without is older than it.
    recorded_ns = func.coalesce(_transitions.c.recorded_ns, 0)
    wanted = (
        select(_outbox.c.number)
        .select_from(_outbox.outerjoin(_transitions, _transitions.c.id == _outbox.c.transition_id))
        .where(
            or_(
                and_(_outbox.c.number <= done, recorded_ns < before_ns),
                and_(_transitions.c.recorded_ns.is_not(None), recorded_ns < before_ns_max),
            )
        )
        .order_by(_outbox.c.number)
        .limit(limit)
    )
    return await _delete(connection, _outbox, _outbox.c.number, wanted)


async def _done_by_all(connection: AsyncConnection, consumers: Sequence[str]) -> int:
    found = await connection.execute(
        select(_cursors.c.consumer, _cursors.c.number).where(_cursors.c.consumer.in_(consumers))
    )
    cursors = {row.consumer: int(row.number) for row in found}
    return min((cursors.get(consumer, 0) for consumer in consumers), default=0)


async def remove_alarms(engine: StateEngine, before_ns: int, limit: int) -> int:
    """Remove transitions of alarms that ended before ``before_ns``, and then those alarms."""

    async def work(connection: AsyncConnection) -> int:
        old = and_(_alarms.c.ended, _alarms.c.ended_at_ns < before_ns)
        transitions = (
            select(_transitions.c.number)
            .join(_alarms, _alarms.c.id == _transitions.c.alarm_id)
            .where(old)
            .order_by(_transitions.c.number)
            .limit(limit)
        )
        removed = await _delete(connection, _transitions, _transitions.c.number, transitions)
        if removed:
            return removed
        kept = exists().where(_transitions.c.alarm_id == _alarms.c.id)
        alarms = select(_alarms.c.id).where(old, ~kept).limit(limit)
        return await _delete(connection, _alarms, _alarms.c.id, alarms)

    return await engine.write(work)


async def remove_audit(engine: StateEngine, before_ns: int, limit: int) -> int:
    """Remove entries of the audit made before ``before_ns``."""
    wanted = select(_audit.c.number).where(_audit.c.at_ns < before_ns).limit(limit)
    return await engine.write(
        lambda connection: _delete(connection, _audit, _audit.c.number, wanted)
    )


async def _delete(
    connection: AsyncConnection, table: Table, key: ColumnElement[Any], wanted: Select[Any]
) -> int:
    keys = list((await connection.execute(wanted)).scalars())
    if not keys:
        return 0
    statement: Delete = delete(table).where(key.in_(keys))
    await connection.execute(statement)
    return len(keys)
