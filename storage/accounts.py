"""The books of ingest: where every frame and every reading went, added up.

What nearly every message counts stands in one row a gateway (``traffic``), since a city writes thousands
of them a second; whatever else there is has a row for each account.
"""

from collections import Counter, defaultdict

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounting import Account, Accounts, Fate, Reason, Unit
from storage import tables
from storage.encoding import clean
from storage.state import StateEngine
from storage.upsert import upsert

_TRAFFIC = {
    (Unit.FRAMES, Fate.RECEIVED, Reason.NONE): "frames_received",
    (Unit.FRAMES, Fate.DECODED, Reason.NONE): "frames_decoded",
    (Unit.READINGS, Fate.RECEIVED, Reason.NONE): "readings_received",
    (Unit.READINGS, Fate.STORED, Reason.NONE): "readings_stored",
}
_COLUMNS = tuple(_TRAFFIC.values())
_KEY = tuple(column.name for column in tables.accounts.primary_key)


async def add_accounts(connection: AsyncConnection, changes: Accounts) -> None:
    """Add ``changes`` to the books."""
    traffic: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_COLUMNS, 0))
    others: Counter[tuple[str, ...]] = Counter()
    for account, count in changes.items():
        if not count:
            continue
        gateway, kind = clean(account.gateway), (account.unit, account.fate, account.reason)
        if kind in _TRAFFIC:
            traffic[gateway][_TRAFFIC[kind]] += int(count)
        else:
            others[gateway, *(word.value for word in kind)] += int(count)
    rows = [{"gateway": gateway, **counts} for gateway, counts in traffic.items()]
    await upsert(connection, tables.traffic, rows, adding=_COLUMNS, plain=True)
    rare = [dict(zip(_KEY, key, strict=True), count=count) for key, count in others.items()]
    await upsert(connection, tables.accounts, rare, adding=["count"], plain=True)


async def read_accounts(engine: StateEngine) -> Accounts:
    """Return the books."""
    books = Accounts(
        {
            Account(row.gateway, Unit(row.unit), Fate(row.fate), Reason(row.reason)): row.count
            for row in await engine.fetch(select(tables.accounts))
        }
    )
    for row in await engine.fetch(select(tables.traffic)):
        for kind, column in _TRAFFIC.items():
            if count := getattr(row, column):
                books[Account(row.gateway, *kind)] += count  # from before there was this table
    return books
