"""What webhooks need of the state database: the outbox by number, dead letters, who is gone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Row, Select, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.alarm import Notice, Transition
from storage import tables
from storage.encoding import clean, unpack
from storage.outbox import OutboxRow
from storage.pages import Page, bounded, decode_cursor, page_of
from storage.state import StateEngine
from storage.upsert import upsert

_outbox = tables.outbox
_cursors = tables.outbox_cursors
_transitions = tables.transitions
_letters = tables.dead_letters
_disabled = tables.disabled_webhooks


class GivenUp(Protocol):
    """A notice that an endpoint does not take."""

    @property
    def number(self) -> int:
        """The notice's place in the outbox."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        ...

    @property
    def error(self) -> str:
        """What was wrong the last time."""
        ...

    @property
    def first_tried_ns(self) -> int:
        """When it was tried first."""
        ...

    @property
    def last_tried_ns(self) -> int:
        """When it was tried last."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """A notice with its number in the outbox, and its transition with its own, where still kept."""

    number: int
    notice: Notice
    transition_number: int | None = None
    transition: Transition | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A notice that an endpoint did not take while it took others."""

    consumer: str
    told: Told
    attempts: int
    error: str
    first_tried_ns: int
    last_tried_ns: int


class WebhookStore:
    """See ``alerting.webhook.WebhookStore``; and the dead letters, for people."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def begin(self, consumer: str) -> int:
        """Return the consumer's cursor; a new one begins at the newest row."""
        return await self._engine.write(lambda connection: _begin(connection, consumer))

    async def newest(self) -> int:
        """Return the number of the newest notice; 0 before the first."""
        return int((await self._engine.fetch(select(tables.progress.c.notice_number)))[0][0])

    async def rows_after(self, number: int, limit: int) -> list[OutboxRow]:
        """Return the outbox's rows after ``number``, in order."""
        found = await self._engine.fetch(
            select(_outbox.c.number, _outbox.c.document)
            .where(_outbox.c.number > number)
            .order_by(_outbox.c.number)
            .limit(limit)
        )
        return [OutboxRow(row.number, unpack(row.document, Notice)) for row in found]

    async def told(self, number: int) -> Told | None:
        """Return one row with its transition; ``None`` where it is no longer there."""
        found = await self._engine.fetch(
            select(
                _outbox.c.number,
                _outbox.c.document,
                _transitions.c.number.label("transition_number"),
                _transitions.c.document.label("transition"),
            )
            .select_from(
                _outbox.outerjoin(_transitions, _transitions.c.id == _outbox.c.transition_id)
            )
            .where(_outbox.c.number == number)
        )
        return _told(found[0]) if found else None

    async def mark(self, consumer: str, number: int, given_up: Sequence[GivenUp]) -> None:
        """Keep those given up, and mark all rows up to ``number`` done, in one transaction."""
        await self._engine.write(lambda connection: _mark(connection, consumer, number, given_up))

    async def is_disabled(self, name: str, url: str) -> bool:
        """Return whether the endpoint said at this address that it is gone."""
        found = await self._engine.fetch(
            select(_disabled.c.name).where(
                _disabled.c.name == name, _disabled.c.url_digest == _digest(url)
            )
        )
        return bool(found)

    async def disable(self, name: str, url: str, now_ns: int) -> None:
        """Keep that the endpoint is gone."""
        row = {"name": name, "url_digest": _digest(url), "at_ns": now_ns}
        await self._engine.write(lambda connection: upsert(connection, _disabled, [row]))

    async def enable(self, name: str) -> None:
        """Forget that the endpoint was gone."""
        statement = delete(_disabled).where(_disabled.c.name == name)
        await self._engine.write(lambda connection: connection.execute(statement))

    async def count_dead_letters(self, consumer: str) -> int:
        """Return how many dead letters there are."""
        wanted = select(func.count()).where(_letters.c.consumer == consumer)
        return int((await self._engine.fetch(wanted))[0][0])

    async def dead_letters(
        self, consumer: str, cursor: str | None = None, limit: int = 100
    ) -> Page[DeadLetter]:
        """Return dead letters, newest first; raises ``BadCursorError``."""
        limit = bounded(limit)
        wanted = _select_letters(consumer).order_by(_letters.c.number.desc()).limit(limit + 1)
        if cursor is not None:
            wanted = wanted.where(_letters.c.number < decode_cursor(cursor, tuple[int])[0])
        return page_of(await self._engine.fetch(wanted), limit, lambda row: (row.number,), _letter)

    async def dead_letter(self, consumer: str, notice_id: str) -> DeadLetter | None:
        """Return one dead letter."""
        wanted = _select_letters(consumer).where(_letters.c.notice_id == notice_id)
        found = await self._engine.fetch(wanted)
        return _letter(found[0]) if found else None

    async def forget_letter(self, consumer: str, notice_id: str) -> None:
        """Take away a dead letter that was delivered after all."""
        statement = delete(_letters).where(
            _letters.c.consumer == consumer, _letters.c.notice_id == notice_id
        )
        await self._engine.write(lambda connection: connection.execute(statement))

    async def note_attempt(self, consumer: str, notice_id: str, error: str, now_ns: int) -> None:
        """Keep that sending a dead letter again failed."""
        statement = (
            _letters.update()
            .where(_letters.c.consumer == consumer, _letters.c.notice_id == notice_id)
            .values(attempts=_letters.c.attempts + 1, error=clean(error), last_tried_ns=now_ns)
        )
        await self._engine.write(lambda connection: connection.execute(statement))


async def _begin(connection: AsyncConnection, consumer: str) -> int:
    mine = select(_cursors.c.number).where(_cursors.c.consumer == consumer)
    found = (await connection.execute(mine)).scalar_one_or_none()
    if found is not None:
        return int(found)
    newest = (await connection.execute(select(tables.progress.c.notice_number))).scalar_one()
    await connection.execute(insert(_cursors).values(consumer=consumer, number=newest))
    return int(newest)


async def _mark(
    connection: AsyncConnection, consumer: str, number: int, given_up: Sequence[GivenUp]
) -> None:
    for one in given_up:
        row = (
            await connection.execute(select(_outbox).where(_outbox.c.number == one.number))
        ).one_or_none()
        if row is None:
            continue
        letter = {
            "consumer": consumer,
            "notice_id": row.id,
            "number": one.number,
            "document": row.document,
            "attempts": one.attempts,
            "error": clean(one.error),
            "first_tried_ns": one.first_tried_ns,
            "last_tried_ns": one.last_tried_ns,
        }
        await upsert(connection, _letters, [letter])
    cursor = {"consumer": consumer, "number": number}
    await upsert(connection, _cursors, [cursor], rising="number")


def _select_letters(consumer: str) -> Select[Any]:
    notice = _outbox.c.id == _letters.c.notice_id
    transition = _transitions.c.id == _outbox.c.transition_id
    return (
        select(
            _letters,
            _transitions.c.number.label("transition_number"),
            _transitions.c.document.label("transition"),
        )
        .select_from(_letters.outerjoin(_outbox, notice).outerjoin(_transitions, transition))
        .where(_letters.c.consumer == consumer)
    )


def _told(row: Row[Any]) -> Told:
    transition = unpack(row.transition, Transition) if row.transition is not None else None
    return Told(row.number, unpack(row.document, Notice), row.transition_number, transition)


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        row.consumer, _told(row), row.attempts, row.error, row.first_tried_ns, row.last_tried_ns
    )


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
