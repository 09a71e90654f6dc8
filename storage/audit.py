"""The audit: who did what to what, and when, through the API or the command line."""

from dataclasses import dataclass

from sqlalchemy import insert, select

from storage import tables
from storage.encoding import clean, from_row
from storage.pages import Page, bounded, decode_cursor, page_of
from storage.state import StateEngine

_rows = tables.audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act: ``action`` is a word, ``target`` an id, ``detail`` whatever a person would ask next."""

    number: int
    at_ns: int
    author: str
    action: str
    target: str
    detail: str


class AuditLog:
    """The audit in the state database: only ever added to."""

    def __init__(self, engine: StateEngine) -> None:
        self._engine = engine

    async def record_audit(
        self, author: str, action: str, target: str, at_ns: int, detail: str = ""
    ) -> None:
        """Write down one act."""
        row = {"author": author, "action": action, "target": target, "detail": detail}
        cleaned = {name: clean(text) for name, text in row.items()}
        statement = insert(_rows).values(**cleaned, at_ns=at_ns)
        await self._engine.write(lambda connection: connection.execute(statement))

    async def audit(self, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]:
        """Return entries, newest first; raises ``BadCursorError``."""
        limit = bounded(limit)
        wanted = select(_rows).order_by(_rows.c.number.desc()).limit(limit + 1)
        if cursor is not None:
            wanted = wanted.where(_rows.c.number < decode_cursor(cursor, tuple[int])[0])
        found = await self._engine.fetch(wanted)
        return page_of(
            found, limit, lambda row: (row.number,), lambda row: from_row(row, AuditEntry)
        )
