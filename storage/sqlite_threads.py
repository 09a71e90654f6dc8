"""SQLite's transactions in threads, each in one piece: the event loop does other things meanwhile.

A commit of a city's half second is a dozen statements and thousands of rows. Statement by statement
through the event loop each would wait there for its turn, and hold up whatever else is to be done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Dialect, Engine, Result, Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")


class OfThread:
    """A connection that is awaited like an asynchronous one, and never waits for an event loop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        return self._connection.dialect

    async def execute(self, *given: Any, **named: Any) -> Result[Any]:
        """Execute a statement."""
        return self._connection.execute(*given, **named)

    async def exec_driver_sql(self, *given: Any, **named: Any) -> Result[Any]:
        """Execute a statement in the driver's own words."""
        return self._connection.exec_driver_sql(*given, **named)


class SqliteThreads:
    """One thread that writes and some that read, each with a transaction at a time."""

    def __init__(self, engine: Engine, readers: int) -> None:
        self._engine = engine
        self._writer = ThreadPoolExecutor(1, "state-writer")
        self._readers = ThreadPoolExecutor(readers, "state-reader")

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do ``work`` in a transaction: committed at its end, rolled back where it raises."""

        def whole() -> T:
            with self._engine.execution_options(writes=True).begin() as connection:
                return _driven(work(cast("AsyncConnection", OfThread(connection))))

        return await asyncio.get_running_loop().run_in_executor(self._writer, whole)

    async def fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """Return all rows of ``statement``."""

        def whole() -> Sequence[Row[Any]]:
            with self._engine.connect() as connection:
                return connection.execute(statement).all()

        return await asyncio.get_running_loop().run_in_executor(self._readers, whole)

    def close(self) -> None:
        """Let the threads come to their end, and close every connection; blocks."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()


def _driven(work: Awaitable[T]) -> T:
    """Return what ``work`` comes to, where all that it awaits is there at once."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as done:
        return cast("T", done.value)
    raise RuntimeError("a transaction of SQLite waits for something else than the database")
