"""Who leads, where two instances share one PostgreSQL: one at a time, and every write knows it.

The leader holds an advisory lock through a session of its own, and has an *epoch*: each who takes the
lead raises it. Two things keep a leader of before from writing. The server ends the session that has
said nothing for ``LEASE_S`` (a host that hangs or is cut off), or whose socket has closed (a kill),
and with it the lock. And every transaction that writes reads the epoch ``FOR SHARE``: the next leader's
raise waits for those under way, and those that come later find another epoch, however long their
process was asleep.
"""

import asyncio
import contextlib
import time
from concurrent.futures import Future
from typing import Any

import structlog
from asyncpg import InterfaceError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.journal.errors import JournalError
from storage.postgres import SERVER_ERRORS, LoopThread, connect, dsn_of, is_away, pauses_s

LOCK_NUMBER = 0x11FE_1EAD
LEASE_S = 5.0
RENEW_S = 1.0
RENEW_TIMEOUT_S = 2.0
LOOK_S = 0.25
HEAD_START_S = 2.0
GRACE_S = 1.0
VERSION_MIN = 140_000  # the first that ends idle sessions

_log = structlog.get_logger(__name__)
# The row's lock would outlive a process that falls asleep within its transaction, and nobody could
# raise the epoch; so the server ends such a transaction as soon as the lease.
_epoch = select(
    tables.leadership.c.epoch,
    func.set_config("idle_in_transaction_session_timeout", str(round(LEASE_S * 1000)), True),
).where(tables.leadership.c.id == 1)
_SEEN = "SELECT epoch, holder FROM leadership WHERE id = 1"
_RAISE = (
    "UPDATE leadership SET epoch = epoch + 1, holder = $1, since_ns = $2 WHERE id = 1 "
    "RETURNING epoch"
)

_END_WHO_BLOCKS = "SELECT pid, pg_terminate_backend(pid) FROM unnest(pg_blocking_pids($1)) AS pid"


class LeadershipLost(JournalError):  # noqa: N818  it says what has happened
    """Another instance leads now: this one must not write any more, and ends."""

    def __init__(self, holder: str = "") -> None:
        super().__init__(
            f"another instance leads now{f' ({holder})' if holder else ''}: this one wrote nothing "
            "since, and ends. Started again it stands by",
            permanent=True,
        )


class Leadership:
    """The lead of one instance: sought with ``take``, kept by itself, lost for good."""

    def __init__(self, url: str, holder: str, thread: LoopThread) -> None:
        self._dsn = dsn_of(url)
        self._holder = holder
        self._thread = thread
        self._session: Any = None
        self._held = False
        self._renewed_s = 0.0
        self._asking = asyncio.Lock()  # a session answers one question at a time
        self._keeping: asyncio.Task[None] | None = None
        self._over: Future[None] = Future()
        self.epoch = 0
        self.seen_holder = ""

    @property
    def is_sure(self) -> bool:
        """True where nobody else can have the lead: the lease was renewed a moment ago.

        A process that has slept finds this False the moment that it wakes.
        """
        return self._held and time.monotonic() - self._renewed_s < LEASE_S

    async def take(self) -> int:
        """Wait for the lead; return its epoch. Called from any loop; may be cancelled."""
        return await self._thread.run(self._take())

    def try_once(self) -> bool:
        """Take the lead if nobody has it; blocks. Raises where the server is away."""
        return self._thread.call(self._try())

    async def until_lost(self) -> None:
        """Wait for ever; raises ``LeadershipLost`` when another instance has the lead."""
        await asyncio.shield(asyncio.wrap_future(self._over))

    async def sure(self) -> None:
        """Return when the lead is held for sure; raises ``LeadershipLost``."""
        while not self.is_sure:
            if self._over.done():
                self._over.result()
            await asyncio.sleep(0.02)

    async def fence(self, connection: AsyncConnection) -> None:
        """Let a transaction of the state database go on only under our epoch.

        Where the lead stays unsure for a lease's time that counts as a server that is away.
        """
        async with asyncio.timeout(LEASE_S):
            await self.sure()
        found = (await connection.execute(_epoch.with_for_update(read=True))).one()
        if found.epoch != self.epoch:
            raise self.lose()

    async def confirm(self) -> None:
        """Return where we lead at this moment, as the server says; raises ``LeadershipLost``.

        For what leaves the house: a fence cannot take it back.
        """
        await self._thread.run(self._confirm())

    def lose(self, holder: str = "") -> LeadershipLost:
        """Note that the lead is lost, for good, and return the error that says so."""
        lost = LeadershipLost(holder)
        self._held = False
        if not self._over.done():
            self._over.set_exception(lost)
        return lost

    def close(self) -> None:
        """Let go of the lead, so that who stands by has it at once."""
        self._thread.call(self._close())

    async def _take(self) -> int:
        was_away = False
        for pause_s in pauses_s():
            try:
                if was_away:
                    # Who led goes on without a takeover: it tries as soon as the server is back.
                    await self._connected()
                    await asyncio.sleep(HEAD_START_S)
                while not await self._try():  # noqa: ASYNC110  the server tells nobody
                    await asyncio.sleep(LOOK_S)
            except SERVER_ERRORS as error:
                if not is_away(error):
                    raise
                await self._drop()
                was_away = True
                await asyncio.sleep(pause_s)
            else:
                break
        return self.epoch

    async def _try(self) -> bool:
        """Try the lock once; with it, raise the epoch."""
        session = await self._connected()
        asked_s = time.monotonic()
        if not await session.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_NUMBER):
            self.seen_holder = (await session.fetchrow(_SEEN))["holder"]
            return False
        self.epoch = await self._raise_the_epoch(session)
        self._held, self._renewed_s = True, asked_s
        _log.info("leading", epoch=self.epoch, holder=self._holder)
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep(), name="lead")
        return True

    async def _raise_the_epoch(self, session: Any) -> Any:
        """Return the new epoch, once the transactions of the leader before are at their end.

        One that is cut off, or asleep in the middle of a question, would hold the epoch's row for ever;
        the lock says that its lead is over, so after ``GRACE_S`` it is ended from here.
        """
        raising = asyncio.ensure_future(session.fetchval(_RAISE, self._holder, time.time_ns()))
        try:
            await asyncio.wait({raising}, timeout=GRACE_S)
            if not raising.done():
                await self._end_who_blocks(session.get_server_pid())
            return await raising
        finally:
            raising.cancel()
            await asyncio.gather(raising, return_exceptions=True)

    async def _end_who_blocks(self, server_pid: int) -> None:
        connection = await connect(self._dsn, application_name="lifeline takeover")
        try:
            ended = await connection.fetch(_END_WHO_BLOCKS, server_pid)
        finally:
            await connection.close()
        if ended:
            _log.warning("ended what the leader before left open", sessions=len(ended))

    async def _connected(self) -> Any:
        if self._session is None or self._session.is_closed():
            self._session = await connect(
                self._dsn,
                command_timeout_s=LEASE_S,
                application_name="lifeline lead",
                idle_session_timeout=str(round(LEASE_S * 1000)),
                tcp_keepalives_idle="2",
                tcp_keepalives_interval="1",
                tcp_keepalives_count="3",
            )
        return self._session

    async def _keep(self) -> None:
        """Renew the lease; where the session is lost, take the lock again under the same epoch."""
        try:
            while not self._over.done():
                await asyncio.sleep(RENEW_S if self._held else LOOK_S)
                await self._keep_once()
        except Exception as error:  # an instance that neither leads nor ends would say nothing
            self._held = False
            if not self._over.done():
                self._over.set_exception(error)

    async def _keep_once(self) -> None:
        async with self._asking:
            try:
                await (self._renew() if self._held else self._take_again())
            except SERVER_ERRORS as error:
                await self._part(error)

    async def _part(self, error: Exception) -> None:
        """Let the session go in which something went wrong; raises what is not the server's being away.

        One that gave no answer in time is still busy: whoever asks it next is refused by the driver.
        """
        if not is_away(error) and not isinstance(error, InterfaceError):
            raise error
        if self._held:
            why = str(error) or type(error).__name__
            _log.warning("lost the session of the lead; taking it again", error=why)
        self._held = False
        await self._drop()

    async def _renew(self) -> None:
        asked_s = time.monotonic()
        await self._session.fetchval("SELECT 1", timeout=RENEW_TIMEOUT_S)
        self._renewed_s = asked_s

    async def _take_again(self) -> None:
        session = await self._connected()
        asked_s = time.monotonic()
        locked = await session.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_NUMBER)
        seen = await session.fetchrow(_SEEN)
        if seen["epoch"] != self.epoch:
            self.lose(seen["holder"])
        elif locked:
            self._held, self._renewed_s = True, asked_s
            _log.info("leading again, nobody led meanwhile", epoch=self.epoch)

    async def _confirm(self) -> None:
        while True:
            await self.sure()
            async with self._asking:
                try:
                    session = await self._connected()
                    seen = await session.fetchrow(_SEEN, timeout=RENEW_TIMEOUT_S)
                except SERVER_ERRORS as error:
                    await self._part(error)  # it is taken again before we go on
                    continue
            if seen["epoch"] != self.epoch:
                raise self.lose(seen["holder"])
            if self._held:
                return

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.terminate()

    async def _close(self) -> None:
        self._held = False
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
        session, self._session = self._session, None
        if session is not None:
            try:
                await session.close(timeout=1.0)
            except SERVER_ERRORS:
                session.terminate()
