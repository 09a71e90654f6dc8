"""The books of ingest: where every frame and every reading went, added up."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounting import Account, Accounts, Fate, Reason, Unit
from storage import tables
from storage.encoding import clean
from storage.state import StateEngine
from storage.upsert import upsert


async def add_accounts(connection: AsyncConnection, changes: Accounts) -> None:
    """Add ``changes`` to the books."""
    rows = [
        {
            "gateway": clean(account.gateway),
            "unit": account.unit.value,
            "fate": account.fate.value,
            "reason": account.reason.value,
            "count": int(count),
        }
        for account, count in changes.items()
        if count
    ]
    await upsert(connection, tables.accounts, rows, adding=["count"], plain=True)


async def read_accounts(engine: StateEngine) -> Accounts:
    """Return the books."""
    return Accounts(
        {
            Account(row.gateway, Unit(row.unit), Fate(row.fate), Reason(row.reason)): row.count
            for row in await engine.fetch(select(tables.accounts))
        }
    )
