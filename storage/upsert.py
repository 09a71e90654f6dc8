"""Rows that are there or not: the one place that knows the two databases' dialects."""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Table
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
    others are replaced. With ``rising`` a row changes only where that column grows. Rows of ``plain`` values (text, integers, floats) for all
    columns go to the driver as they are: thousands of them would hold up the event loop otherwise.
    """
    if not rows:
        return
    on_sqlite = connection.dialect.name == "sqlite"
    statement = sqlite.insert(table) if on_sqlite else postgresql.insert(table)
    keys = [column.name for column in table.primary_key]
    left = {*keys, *keeping}
    changes: dict[str, ColumnElement[Any]] = {}
    for column in table.columns:
        new = statement.excluded[column.name]
        if column.name in adding:
            changes[column.name] = column + new
        elif column.name not in left:
            changes[column.name] = new
    where = None if rising is None else table.c[rising] < statement.excluded[rising]
    if changes:
        whole = statement.on_conflict_do_update(index_elements=keys, set_=changes, where=where)
    else:
        whole = statement.on_conflict_do_nothing(index_elements=keys)
    if plain:
        compiled = whole.compile(dialect=connection.dialect)
        given = itemgetter(*(compiled.positiontup or ()))
        await connection.exec_driver_sql(str(compiled), [given(row) for row in rows])
    else:
        await connection.execute(whole, list(rows))
