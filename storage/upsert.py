"""Rows that are there or not: the one place that knows the two databases' dialects."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    ColumnElement,
    Executable,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


async def upsert(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    adding: Iterable[str] = (),
    keeping: Iterable[str] = (),
    rising: str | None = None,
    plain: bool = False,
) -> None:
    """Insert ``rows``; where a primary key is there already, change that row instead.

    Columns in ``adding`` are added to what is there, those in ``keeping`` stay as they are, all
    others are replaced. With ``rising`` a row changes only where that column grows. Rows of ``plain``
    values (text, integers, finite floats) for all columns, each key once, go as one parameter of one
    statement: row by row thousands of them would ask for the interpreter thousands of times.
    """
    if not rows:
        return
    on_sqlite = connection.dialect.name == "sqlite"
    whole = _whole(on_sqlite, table, frozenset(adding), frozenset(keeping), rising, plain)
    await connection.execute(whole, {"given": _in_json(table, rows)} if plain else list(rows))


@cache  # or each commit would put the same few statements together anew
def _whole(
    on_sqlite: bool,
    table: Table,
    adding: frozenset[str],
    keeping: frozenset[str],
    rising: str | None,
    plain: bool,
) -> Executable:
    statement = sqlite.insert(table) if on_sqlite else postgresql.insert(table)
    if plain:
        names = [column.name for column in table.columns]
        listed = _listed_in_sqlite(table) if on_sqlite else _listed_in_postgresql(table)
        statement = statement.from_select(names, listed)
    keys = [column.name for column in table.primary_key]
    changes: dict[str, ColumnElement[Any]] = {}
    for column in table.columns:
        new = statement.excluded[column.name]
        if column.name in adding:
            changes[column.name] = column + new
        elif column.name not in keeping | set(keys):
            changes[column.name] = new
    where = None if rising is None else table.c[rising] < statement.excluded[rising]
    if not changes:
        return statement.on_conflict_do_nothing(index_elements=keys)
    return statement.on_conflict_do_update(index_elements=keys, set_=changes, where=where)


def _in_json(table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    given = itemgetter(*(column.name for column in table.columns))
    return msgspec.json.encode([given(row) for row in rows]).decode()


def _listed_in_sqlite(table: Table) -> Select[Any]:
    """Return the rows of a JSON list of lists, as a table."""
    row = func.json_each(bindparam("given", type_=Text)).table_valued("value").c.value
    columns = [
        func.json_extract(row, f"$[{place}]", type_=column.type)
        for place, column in enumerate(table.columns)
    ]
    return select(*columns).where(true())  # without it SQLite takes ON CONFLICT for a join's


def _listed_in_postgresql(table: Table) -> Select[Any]:
    row = func.json_array_elements(cast(bindparam("given", type_=Text), JSON)).column_valued("row")
    columns = [
        cast(row.op("->>")(place), column.type) for place, column in enumerate(table.columns)
    ]
    return select(*columns)
