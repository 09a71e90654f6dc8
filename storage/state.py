"""The state database: one engine for SQLite and PostgreSQL, opened on the newest schema.

Writes of this process go one after the other; readers never wait for them. On SQLite a write takes
its lock at once (``BEGIN IMMEDIATE``), since a transaction that reads first and asks for the lock later
is refused rather than kept waiting; so nobody ever sees "database is locked".
"""

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

T = TypeVar("T")

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
READERS_MAX = 8
AGAIN_S = 0.5
# Full, and what a quota (EDQUOT) or a limit on file sizes is to SQLite.
_DISK_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
_migrating = threading.Lock()
_log = structlog.get_logger(__name__)
SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout = 30000",  # first: the others may have to wait for another process
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class StateError(Exception):
    """The state database cannot be opened; the message says why and what to do."""


def parse_url(text: str) -> URL:
    """Return the URL with the driver that goes with its database.

    ``sqlite:///path`` (a fourth slash for an absolute path) and ``postgresql://…`` are known. Raises
    ``StateError`` for others, and for SQLite in memory, where every connection has its own database.
    """
    try:
        url = make_url(text)
        url = url.set(drivername=DRIVERS[url.get_backend_name()])
    except (ArgumentError, KeyError):
        kinds = " or ".join(f"{name}://" for name in DRIVERS)
        raise StateError(f"the state URL must begin with {kinds}") from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StateError("the state database needs a file: sqlite:///path/to/state.db")
    return url


def create_engine_for(url: URL, **options: Any) -> AsyncEngine:
    """Return an engine that opens connections as this module's first paragraph says.

    Raises ``StateError`` where the database's driver is not installed.
    """
    try:
        engine = create_async_engine(url, **options)
    except ModuleNotFoundError as error:
        raise StateError(f"{url.drivername} needs the package {error.name}: install it") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def upgrade_schema(connection: Connection) -> None:
    """Bring the schema to its newest revision, in the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_disk_full(error: DBAPIError) -> bool:
    """Whether SQLite had no room: nothing of the transaction was kept, and trying again may help."""
    cause = error.orig.__cause__ or error.orig if error.orig is not None else None
    return getattr(cause, "sqlite_errorcode", None) in _DISK_FULL


def migrate(url: URL) -> None:
    """Bring the database to the newest schema, making it and its folder where there is none.

    It blocks, and must not run in a thread with an event loop. Alembic keeps what it works on in
    globals, so one at a time.
    """
    if url.get_backend_name() == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    with _migrating:
        asyncio.run(_once(url, lambda connection: connection.run_sync(upgrade_schema), writes=True))


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database as of one moment, while others go on writing to it; blocks.

    Raises ``OSError`` where there is no room for it.
    """
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        try:
            reading.backup(writing)  # in one step: nobody waits, since readers see a past moment
        except sqlite3.OperationalError as error:
            raise OSError(errno.ENOSPC, str(error), str(target)) from error
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class StateEngine:
    """The state database, open: ``await StateEngine.open(url)``, and ``await close()`` at the end."""

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        self.url = url
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._writing = asyncio.Lock()
        self.problem = ""  # why writes wait

    @classmethod
    async def open(cls, url: str) -> "StateEngine":
        """Open the database, making it and its folder where they are not there yet.

        Raises ``StateError`` where it cannot be opened, or was written by a newer version.
        """
        parsed = parse_url(url)
        try:
            await asyncio.to_thread(migrate, parsed)
        except CommandError as error:
            raise StateError(
                f"{parsed!r} has the schema of a later version of Lifeline ({error}): start that "
                "version again, or restore a backup that was made before the upgrade"
            ) from error
        except (DBAPIError, OSError) as error:
            raise StateError(f"cannot open {parsed!r}: {error}") from error
        return cls(parsed, create_engine_for(parsed, pool_size=READERS_MAX, max_overflow=0))

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.dispose()

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do ``work`` in a transaction: committed at its end, rolled back where it raises.

        Once begun it is finished, even where the caller is cancelled. While there is no room on
        SQLite's disk it is tried again: what was refused so has been rolled back.
        """
        return await _finished(self._write(work))

    async def fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """Return all rows of ``statement``; finished even where the caller is cancelled."""
        return await _finished(self._fetch(statement))

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Enter a transaction that writes, where nobody cancels; elsewhere use ``write``."""
        async with self._writing, self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Enter a transaction that reads, where nobody cancels; elsewhere use ``fetch``.

        It shows one picture of the database throughout, whatever is committed meanwhile.
        """
        async with self._reader.connect() as connection:
            if connection.dialect.name == "postgresql":  # SQLite never shows anything else
                await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    async def _write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        while True:
            try:
                async with self.begin() as connection:
                    done = await work(connection)
            except DBAPIError as error:
                if not is_disk_full(error):
                    raise
                if not self.problem:
                    _log.error("state_disk_full", database=repr(self.url), error=str(error.orig))
                self.problem = f"there is no room: {error.orig}"
            else:
                self.problem = ""
                return done
            await asyncio.sleep(AGAIN_S)

    async def _fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        async with self._reader.connect() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return rows

    def read_from_thread(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """Return the rows of ``statement`` to a caller outside the event loop.

        It blocks. The connection is made for this once, in a thread with a loop of its own: what
        belongs to the service's loop must not be touched from another thread.
        """

        async def rows(connection: AsyncConnection) -> Sequence[Row[Any]]:
            found: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return found

        with ThreadPoolExecutor(1, "state-read") as threads:
            return threads.submit(asyncio.run, _once(self.url, rows, writes=False)).result()


async def _once(url: URL, work: Callable[[AsyncConnection], Awaitable[T]], *, writes: bool) -> T:
    """Do ``work`` in a transaction on a connection made for this once."""
    engine = create_engine_for(url, poolclass=NullPool)
    try:
        async with engine.execution_options(writes=writes).begin() as connection:
            return await work(connection)
    finally:
        await engine.dispose()


async def _finished(work: Coroutine[Any, Any, T]) -> T:
    """Await ``work`` to its end; a cancellation of the caller goes on only then.

    A connection that is cancelled in the middle of a statement is lost to the pool, and on SQLite takes
    the write lock with it: the next commit would wait in vain.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # seen, so that the loop does not complain of it
        raise


async def _read_once(url: URL, statement: Select[Any]) -> Sequence[Row[Any]]:
    engine = create_engine_for(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return rows
    finally:
        await engine.dispose()


async def upsert(
    connection: AsyncConnection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    adding: Iterable[str] = (),
    keeping: Iterable[str] = (),
    rising: str | None = None,
) -> None:
    """Insert ``rows``; where a primary key is there already, change that row instead.

    Columns in ``adding`` are added to what is there, those in ``keeping`` stay as they are, all
    others are replaced. With ``rising`` a row changes only where that column grows. The one place that
    knows the two databases' dialects.
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
    await connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changes, where=where),
        list(rows),
    )


async def count_rows(connection: AsyncConnection, table: Table) -> int:
    """Return how many rows ``table`` has."""
    return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
