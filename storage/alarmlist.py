"""The list of alarms: the current picture of each, filtered, newest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alarm import Alarm, Transition
from domain.grade import Condition, Grade
from storage import tables
from storage.encoding import clean_row, from_row
from storage.pages import Page, bounded, decode_cursor, page_of
from storage.state import StateEngine
from storage.upsert import upsert

_rows = tables.alarms
_columns = [column for column in _rows.columns if column.name != "changed_at_ns"]
_fault_conditions = [condition.value for condition in Condition if condition.is_fault]


class AlarmState(StrEnum):
    """Which part of their life alarms are in. All but ``ended`` and ``all`` are of open ones."""

    OPEN = "open"
    ACTIVE = "active"
    UNACKNOWLEDGED = "unacknowledged"
    ENDED = "ended"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """Which alarms are wanted: all that is given must hold; ``None`` and empty ask for nothing.

    ``grades``: the worst grade so far is among them, or, for an open alarm, the grade now.
    ``instrument``: the instrument is at fault (true), or the facility (false).
    ``since_ns``: the last transition happened, or was recorded, at this time or later.
    ``limit``: at most this many a page, 1 to 1000; ``cursor``: where the page before ended.
    """

    state: AlarmState = AlarmState.OPEN
    grades: frozenset[Grade] = frozenset()
    facility_kind: str | None = None
    facility: str | None = None
    channel: str | None = None
    condition: Condition | None = None
    instrument: bool | None = None
    since_ns: int | None = None
    cursor: str | None = None
    limit: int = 100


async def write_alarms(connection: AsyncConnection, transitions: Iterable[Transition]) -> None:
    """Bring the picture to what the alarms are after these transitions, which are in order."""
    last = {transition.alarm.id: transition for transition in transitions}
    rows = [
        {
            **clean_row(transition.alarm),
            "changed_at_ns": max(transition.time_ns, transition.recorded_ns),
        }
        for transition in last.values()
    ]
    await upsert(connection, _rows, rows)


async def read_alarm(engine: StateEngine, alarm_id: str) -> Alarm | None:
    """Return the alarm as it is now, or ``None``."""
    found = await engine.fetch(select(*_columns).where(_rows.c.id == alarm_id))
    return from_row(found[0], Alarm) if found else None


async def page_of_alarms(engine: StateEngine, wanted: AlarmFilter) -> Page[Alarm]:
    """Return alarms, newest first by (raised_at_ns, id); raises ``BadCursorError``."""
    limit = bounded(wanted.limit)
    found = await engine.fetch(_select(wanted).limit(limit + 1))
    return page_of(
        found,
        limit,
        lambda row: (row.raised_at_ns, row.id),
        lambda row: from_row(row, Alarm),
    )


def _select(wanted: AlarmFilter) -> Select[tuple[object, ...]]:
    place = tuple_(_rows.c.raised_at_ns, _rows.c.id)
    statement = select(*_columns).where(*_conditions(wanted))
    if wanted.cursor is not None:
        statement = statement.where(place < decode_cursor(wanted.cursor, tuple[int, str]))
    return statement.order_by(_rows.c.raised_at_ns.desc(), _rows.c.id.desc())


def _conditions(wanted: AlarmFilter) -> list[ColumnElement[bool]]:
    conditions = _conditions_of_state(AlarmState(wanted.state))
    for column, value in (
        (_rows.c.facility_kind, wanted.facility_kind),
        (_rows.c.facility, wanted.facility),
        (_rows.c.channel, wanted.channel),
        (_rows.c.condition, wanted.condition),
    ):
        if value is not None:
            conditions.append(column == str(value))
    if wanted.grades:
        grades = sorted(int(grade) for grade in wanted.grades)
        now = and_(_rows.c.ended.is_(False), _rows.c.grade.in_(grades))
        conditions.append(or_(_rows.c.peak_grade.in_(grades), now))
    if wanted.instrument is not None:
        is_fault = _rows.c.condition.in_(_fault_conditions)
        conditions.append(is_fault if wanted.instrument else ~is_fault)
    if wanted.since_ns is not None:
        conditions.append(_rows.c.changed_at_ns >= wanted.since_ns)
    return conditions


def _conditions_of_state(state: AlarmState) -> list[ColumnElement[bool]]:
    if state is AlarmState.ALL:
        return []
    if state is AlarmState.ENDED:
        return [_rows.c.ended.is_(True)]
    is_open = _rows.c.ended.is_(False)
    if state is AlarmState.ACTIVE:
        return [is_open, _rows.c.active.is_(True)]
    if state is AlarmState.UNACKNOWLEDGED:
        return [is_open, _rows.c.acknowledged.is_(False)]
    return [is_open]
