"""The store of alarms: what each step of judgement says, written whole or not at all.

Begin reading at ``AlarmStore.commit``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounting import Accounts, Reject, Sighting
from domain.alarm import Alarm, Notice, Transition
from domain.profiles import ProfileChange
from storage import tables
from storage.accounts import add_accounts, read_accounts
from storage.alarmlist import AlarmFilter, page_of_alarms, read_alarm, write_alarms
from storage.inbox import Inboxed, add_sightings, forget_name, page_of_inbox
from storage.outbox import OutboxRow, add_notices, mark_done, pending_notices
from storage.pages import Page
from storage.profiles import add_profile_changes
from storage.quarantine import add_rejects, page_of_quarantine
from storage.state import StateEngine
from storage.transitions import (
    add_transitions,
    transitions_after,
    transitions_of,
    unknown_transitions,
)

_progress, _counted = tables.progress, tables.counted

# Once: a list in a statement that each commit puts together anew is left to the collector.
_COUNT = (
    update(_counted)
    .where(_counted.c.part.in_(bindparam("parts", expanding=True)))
    .where(_counted.c.seq < bindparam("until_seq"))
    .values(seq=bindparam("until_seq"))
    .returning(_counted.c.part)
)


@dataclass(slots=True)
class Commit:
    """Everything that the rows of the journal up to ``seq`` have changed.

    ``accounts`` are those of some parts of the books (``domain.accounting.part_of``), by part, since each
    was counted last; the other parts are left for later.
    """

    seq: int
    transitions: Sequence[Transition] = ()
    notices: Sequence[Notice] = ()
    accounts: Mapping[int, Accounts] = field(default_factory=dict)
    rejects: Sequence[Reject] = ()
    sightings: Sequence[Sighting] = ()
    profiles: Sequence[ProfileChange] = ()


@dataclass(slots=True)
class Numbers:
    """The last number given of each kind; kept apart from the rows, so that none is given twice."""

    transition: int
    notice: int
    reject: int


class AlarmStore:
    """Alarms, their transitions and the books of ingest, at one place in the journal.

    One task commits; any number read at the same time.
    """

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def cursor(self) -> int:
        """Return the number of the last journal row that is committed; 0 before the first."""
        return int((await self._engine.fetch(select(_progress.c.seq)))[0].seq)

    async def counted(self) -> list[int]:
        """Return up to which journal row each part of the books is counted; never after ``cursor``."""
        rows = await self._engine.fetch(select(_counted.c.seq).order_by(_counted.c.part))
        return [int(row.seq) for row in rows]

    async def last_number(self) -> int:
        """Return the number of the newest transition; 0 before the first."""
        return int((await self._engine.fetch(select(_progress.c.transition_number)))[0][0])

    async def commit(self, commit: Commit) -> list[tuple[int, Transition]]:
        """Write everything in one transaction; return the transitions written, numbered.

        A commit at or before the cursor changes nothing at all, and a transition or notice whose id is
        there already is passed over; so a journal judged again leaves the store as it was. Numbers rise
        in the order of commits, without gaps.
        """
        return await self._engine.write(lambda connection: _commit(connection, commit))

    async def count(self, seq: int, accounts: Mapping[int, Accounts]) -> None:
        """Write accounts of committed rows up to ``seq``, by part, since each was counted last.

        Where a part is counted already it changes nothing.
        """
        await self._engine.write(lambda connection: _count(connection, seq, accounts))

    async def alarms(self, wanted: AlarmFilter) -> Page[Alarm]:
        """Return alarms, newest first by (raised_at_ns, id); raises ``BadCursorError``."""
        return await page_of_alarms(self._engine, wanted)

    async def alarm(self, alarm_id: str) -> Alarm | None:
        """Return the alarm as it is now, or ``None``."""
        return await read_alarm(self._engine, alarm_id)

    async def alarm_transitions(self, alarm_id: str) -> list[tuple[int, Transition]]:
        """Return the whole life of one alarm, in order, with evidence."""
        return await transitions_of(self._engine, alarm_id)

    async def transitions(self, after: int, limit: int) -> list[tuple[int, Transition]]:
        """Return up to ``limit`` (1..1000) transitions numbered above ``after``, in order.

        They come without evidence, which ``alarm_transitions`` has.
        """
        return await transitions_after(self._engine, after, limit)

    async def accounts(self) -> Accounts:
        """Return the books of ingest."""
        return await read_accounts(self._engine)

    async def quarantine(
        self, gateway: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Page[Reject]:
        """Return what was refused, newest first; raises ``BadCursorError``."""
        return await page_of_quarantine(self._engine, gateway, cursor, limit)

    async def unregistered(self, cursor: str | None = None, limit: int = 100) -> Page[Inboxed]:
        """Return the inbox by gateway and name; raises ``BadCursorError``."""
        return await page_of_inbox(self._engine, cursor, limit)

    async def forget_unregistered(self, gateway: str, name: str) -> None:
        """Take a name out of the inbox; it comes back when it is sent again."""
        await forget_name(self._engine, gateway, name)

    async def outbox(self, consumer: str, limit: int) -> list[OutboxRow]:
        """Return the next notices that ``consumer`` has not done, oldest first."""
        return await pending_notices(self._engine, consumer, limit)

    async def outbox_done(self, consumer: str, number: int) -> None:
        """Note that ``consumer`` has done everything up to ``number``; it never goes back."""
        await mark_done(self._engine, consumer, number)


async def _commit(connection: AsyncConnection, commit: Commit) -> list[tuple[int, Transition]]:
    numbers = await _advance(connection, commit.seq)
    if numbers is None:
        return []
    before = replace(numbers)
    written = await _write(connection, commit, numbers)
    if numbers != before:
        await _keep(connection, numbers)
    return written


async def _advance(connection: AsyncConnection, seq: int) -> Numbers | None:
    """Move the cursor on to ``seq``; ``None`` where it stands there or further already."""
    moved = await connection.execute(
        update(_progress)
        .where(_progress.c.seq < seq)
        .values(seq=seq)
        .returning(
            _progress.c.transition_number, _progress.c.notice_number, _progress.c.reject_number
        )
    )
    row = moved.one_or_none()
    return None if row is None else Numbers(*row)


async def _write(
    connection: AsyncConnection, commit: Commit, numbers: Numbers
) -> list[tuple[int, Transition]]:
    new = await unknown_transitions(connection, commit.transitions)
    await write_alarms(connection, new)  # first: transitions refer to them
    written = await add_transitions(connection, new, numbers.transition)
    numbers.transition += len(written)
    numbers.notice = await add_notices(connection, commit.notices, numbers.notice)
    numbers.reject = await add_rejects(connection, commit.rejects, numbers.reject)
    await _count(connection, commit.seq, commit.accounts)
    await add_sightings(connection, commit.sightings)
    await add_profile_changes(connection, commit.profiles)
    return written


async def _count(connection: AsyncConnection, seq: int, accounts: Mapping[int, Accounts]) -> None:
    if not accounts:
        return
    behind = await connection.execute(_COUNT, {"parts": list(accounts), "until_seq": seq})
    for row in behind.all():
        await add_accounts(connection, accounts[row.part])


async def _keep(connection: AsyncConnection, numbers: Numbers) -> None:
    await connection.execute(
        update(_progress).values(
            transition_number=numbers.transition,
            notice_number=numbers.notice,
            reject_number=numbers.reject,
        )
    )
