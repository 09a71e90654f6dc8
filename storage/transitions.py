"""The transitions of alarms: append-only, numbered in the order of commits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alarm import Transition
from domain.readings import Evidence
from storage import tables
from storage.encoding import pack, unpack
from storage.known import unknown_only
from storage.pages import bounded
from storage.state import StateEngine

_rows = tables.transitions


async def add_transitions(
    connection: AsyncConnection, new: Sequence[Transition], last_number: int
) -> list[tuple[int, Transition]]:
    """Write transitions that are not there yet; return them with their numbers."""
    numbered = list(enumerate(new, last_number + 1))
    if numbered:
        rows = [_row(number, transition) for number, transition in numbered]
        await connection.execute(insert(_rows), rows)
    return numbered


async def unknown_transitions(
    connection: AsyncConnection, transitions: Sequence[Transition]
) -> list[Transition]:
    """Return those that were not written before, each id once."""
    return await unknown_only(connection, _rows, transitions)


def _row(number: int, transition: Transition) -> dict[str, Any]:
    evidence = transition.evidence
    return {
        "number": number,
        "id": transition.id,
        "seq": transition.seq,
        "alarm_id": transition.alarm.id,
        "kind": transition.kind.value,
        "time_ns": transition.time_ns,
        "recorded_ns": transition.recorded_ns,
        "document": pack(transition if evidence is None else replace(transition, evidence=None)),
        "evidence": None if evidence is None else pack(evidence),
    }


def _read(row: Row[Any]) -> tuple[int, Transition]:
    return row.number, unpack(row.document, Transition)


def _read_with_evidence(row: Row[Any]) -> tuple[int, Transition]:
    number, transition = _read(row)
    if row.evidence is None:
        return number, transition
    return number, replace(transition, evidence=unpack(row.evidence, Evidence))


async def transitions_after(
    engine: StateEngine, after: int, limit: int
) -> list[tuple[int, Transition]]:
    """Return the transitions numbered above ``after``, in order, without their evidence."""
    found = await engine.fetch(
        select(_rows.c.number, _rows.c.document)
        .where(_rows.c.number > after)
        .order_by(_rows.c.number)
        .limit(bounded(limit)),
    )
    return [_read(row) for row in found]


async def transitions_of(engine: StateEngine, alarm_id: str) -> list[tuple[int, Transition]]:
    """Return the whole life of one alarm, in order, with evidence."""
    found = await engine.fetch(
        select(_rows.c.number, _rows.c.document, _rows.c.evidence)
        .where(_rows.c.alarm_id == alarm_id)
        .order_by(_rows.c.number),
    )
    return [_read_with_evidence(row) for row in found]
