"""The state database: one engine for SQLite and PostgreSQL, opened on the newest schema.

Writes of this process go one after the other; readers never wait for them. On SQLite a write takes
its lock at once (``BEGIN IMMEDIATE``), since a transaction that reads first and asks for the lock later
is refused rather than kept waiting; so nobody ever sees "database is locked".

A PostgreSQL that is away is waited for. A write whose outcome is unknown, because the connection broke
at its commit, is told by its mark (``storage/marks.py``): it is done once, whoever wrote it.
"""

import asyncio
import copy
import threading
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Select,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from storage.marks import Marks
from storage.postgres import COMMAND_TIMEOUT_S, SERVER_ERRORS, connect, dsn_of, is_away, pauses_s
from storage.sqlite import is_disk_full
from storage.sqlite_threads import SqliteThreads

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
READERS_MAX = 8
AGAIN_S = 0.5
MIGRATION_TIMEOUT_S = 600.0
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


class StateAway(StateError):  # noqa: N818  it says what is the matter
    """The server did not come back for as long as this caller would wait."""


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
    connecting = options.pop("connecting", {})
    on_sqlite = url.get_backend_name() == "sqlite"
    if not on_sqlite:  # by a function of ours, because the dialect reads libpq's options otherwise
        options["async_creator"] = partial(connect, dsn_of(url), **connecting)
    try:
        engine = create_async_engine(url.set(query={}) if not on_sqlite else url, **options)
    except ModuleNotFoundError as error:
        raise StateError(f"{url.drivername} needs the package {error.name}: install it") from error
    if on_sqlite:
        _begin_as_sqlite_does(engine.sync_engine)
    return engine


def _threads_for(url: URL) -> SqliteThreads:
    engine = create_engine(url.set(drivername="sqlite"), pool_size=READERS_MAX + 1, max_overflow=0)
    _begin_as_sqlite_does(engine)
    return SqliteThreads(engine, READERS_MAX)


def _begin_as_sqlite_does(engine: Engine) -> None:
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)


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


def migrate(url: URL) -> None:
    """Bring the database to the newest schema, making it and its folder where there is none.

    It blocks, and must not run in a thread with an event loop. Alembic keeps what it works on in
    globals, so one at a time.
    """
    if url.get_backend_name() == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)

    async def upgrade(connection: AsyncConnection) -> None:
        await connection.run_sync(upgrade_schema)

    with _migrating:
        asyncio.run(_once(url, upgrade, writes=True, timeout_s=MIGRATION_TIMEOUT_S))


class Outage:
    """Since when the server is away, and why; seen from any thread."""

    def __init__(self) -> None:
        self._since_s = 0.0
        self._reason = ""
        self.waited_out = True  # False: whoever waits is told instead

    @property
    def now(self) -> str:
        """What there is to say of it now; empty where the server answers."""
        if not self._reason:
            return ""
        return f"PostgreSQL is away since {time.monotonic() - self._since_s:.0f} s: {self._reason}"

    def begin(self, error: BaseException) -> None:
        """Note that the server did not answer; said once."""
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if not self._reason:
            self._since_s = time.monotonic()
            _log.warning("the state database is away; waiting for it", reason=reason)
        self._reason = reason

    def end(self) -> None:
        """Note that it answers."""
        if self._reason:
            away_s = round(time.monotonic() - self._since_s, 1)
            _log.info("the state database answers again", away_s=away_s)
        self._reason = ""


class StateEngine:
    """The state database, open: ``await StateEngine.open(url)``, and ``await close()`` at the end.

    ``outage`` says whether the server is away.
    """

    def __init__(self, url: URL, engine: AsyncEngine) -> None:
        self.url = url
        self.outage = Outage()
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._writing = asyncio.Lock()
        self.problem = ""  # why writes wait
        self._marks = None if url.get_backend_name() == "sqlite" else Marks()
        self._fence: Work[None] | None = None
        self._patience_s: float | None = None
        self._threads = _threads_for(url) if self._marks is None else None

    @classmethod
    async def open(cls, url: str, *, patience_s: float = 0.0) -> "StateEngine":
        """Open the database, making it and its folder where they are not there yet.

        A server that is away is waited for up to ``patience_s``. Raises ``StateError`` where it
        cannot be opened, or was written by a newer version.
        """
        parsed = parse_url(url)
        deadline_s = time.monotonic() + patience_s
        for pause_s in pauses_s():
            try:
                await asyncio.to_thread(migrate, parsed)
                break
            except CommandError as error:
                raise StateError(
                    f"{parsed!r} has the schema of a later version of Lifeline ({error}): start "
                    "that version again, or restore a backup that was made before the upgrade"
                ) from error
            except (DBAPIError, *SERVER_ERRORS) as error:
                if is_away(error) and time.monotonic() < deadline_s:
                    reason = f"{type(error).__name__}: {error}".splitlines()[0]
                    _log.warning(
                        "waiting for the state database", database=repr(parsed), why=reason
                    )
                    await asyncio.sleep(pause_s)
                    continue
                raise StateError(f"cannot open {parsed!r}: {error}") from error
        return cls._of(parsed)

    @classmethod
    def join(cls, url: str) -> "StateEngine":
        """Use a database that another process has opened; connections are made as they are needed."""
        return cls._of(parse_url(url))

    @classmethod
    def _of(cls, url: URL) -> "StateEngine":
        return cls(url, create_engine_for(url, pool_size=READERS_MAX, max_overflow=0))

    def fence(self, check: Work[None]) -> None:
        """Have ``check`` called in every transaction that writes; it raises where none may."""
        self._fence = check

    def hurried(self, patience_s: float) -> "StateEngine":
        """Return this engine for callers who would rather have ``StateAway`` than wait longer."""
        engine = copy.copy(self)
        engine._patience_s = patience_s  # noqa: SLF001  ours
        return engine

    def give_up(self) -> None:
        """Have nobody wait for a server that is away any more: the service stops."""
        self.outage.waited_out = False

    async def close(self) -> None:
        """Close every connection."""
        await self._reader.dispose()
        if self._threads is not None:
            await asyncio.to_thread(self._threads.close)

    async def write(self, work: Work[T]) -> T:
        """Do ``work`` in a transaction: committed at its end, rolled back where it raises.

        Once begun it is finished, even where the caller is cancelled. While there is no room on
        SQLite's disk it is tried again: what was refused so has been rolled back.
        Where the server goes away it is done again, but never twice: so ``work`` changes nothing but
        the database.
        """
        if self._threads is not None:
            return await _finished(self._write(work, self._threads))
        assert self._marks is not None  # noqa: S101  of PostgreSQL
        try:
            async with asyncio.timeout(self._patience_s):
                await self._writing.acquire()
        except TimeoutError:
            why = self.outage.now or "the write before this one does not come to its end"
            raise StateAway(why) from None
        try:
            attempt = self._marks.once(work, self._fence)
            return await self._answered(lambda: self._begin_and(attempt))
        finally:
            self._writing.release()

    async def fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """Return all rows of ``statement``; finished even where the caller is cancelled."""
        return await self._answered(lambda: self._fetch(statement))

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

    async def _write(self, work: Work[T], threads: SqliteThreads) -> T:
        while True:
            try:
                async with self._writing:
                    done = await threads.write(work)
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

    async def _begin_and(self, work: Work[T]) -> T:
        async with self._writer.begin() as connection:
            return await work(connection)

    async def _fetch(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        if self._threads is not None:
            return await self._threads.fetch(statement)
        async with self._reader.connect() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return rows

    async def _answered(self, attempt: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what ``attempt`` does, tried again while the server is away.

        An attempt is finished once begun; the pauses between them can be cancelled.
        """
        began_s = time.monotonic()
        for pause_s in pauses_s():
            try:
                done = await _finished(attempt())
            except (DBAPIError, *SERVER_ERRORS) as error:
                self._note(error, began_s)
                await asyncio.sleep(pause_s)
            else:
                self.outage.end()
                return done
        raise AssertionError("pauses do not end")

    def _note(self, error: Exception, began_s: float) -> None:
        """Note that the server is away; raises where it is not that, or patience is at its end."""
        if self._marks is None or not is_away(error):
            raise error
        self.outage.begin(error)
        patience_s = self._patience_s if self.outage.waited_out else 0.0
        if patience_s is not None and time.monotonic() - began_s >= patience_s:
            raise StateAway(self.outage.now) from error

    def read_from_thread(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        """Return the rows of ``statement`` to a caller outside the event loop."""

        async def rows(connection: AsyncConnection) -> Sequence[Row[Any]]:
            found: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return found

        return self.do_from_thread(rows, writes=False)

    def do_from_thread(self, work: Work[T], *, writes: bool) -> T:
        """Do ``work`` in a transaction for a caller outside the event loop, and block meanwhile.

        The connection is made for this once, in a thread with a loop of its own: what belongs to the
        service's loop must not be touched from another thread. ``work`` may be done twice where the
        server goes away at its commit.
        """

        async def fenced(connection: AsyncConnection) -> T:
            if writes and self._fence is not None:
                await self._fence(connection)
            return await work(connection)

        began_s = time.monotonic()
        with ThreadPoolExecutor(1, "state") as threads:
            for pause_s in pauses_s():
                attempt = threads.submit(asyncio.run, _once(self.url, fenced, writes=writes))
                try:
                    done = attempt.result()
                except (DBAPIError, *SERVER_ERRORS) as error:
                    self._note(error, began_s)
                    time.sleep(pause_s)
                else:
                    self.outage.end()
                    return done
        raise AssertionError("pauses do not end")


async def _once(
    url: URL, work: Work[T], *, writes: bool, timeout_s: float = COMMAND_TIMEOUT_S
) -> T:
    """Do ``work`` in a transaction on a connection made for this once."""
    options = {} if url.get_backend_name() == "sqlite" else {"command_timeout_s": timeout_s}
    engine = create_engine_for(url, poolclass=NullPool, connecting=options)
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


async def count_rows(connection: AsyncConnection, table: Table) -> int:
    """Return how many rows ``table`` has."""
    return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())
