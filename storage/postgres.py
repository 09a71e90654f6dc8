"""Connections to PostgreSQL, and what it means when they break.

A server that is restarted, killed or cut off is *away*: whoever needs it waits and tries again. Any
other error is a fault of the statement, and raised.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.engine import URL, make_url

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 30.0
PAUSE_S_MIN = 0.05
PAUSE_S_MAX = 1.0
SERVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # A server that ends in the middle of an answer leaves asyncpg's connection in a state of its own.
    asyncpg.InternalClientError,
    OSError,
)
"""What asking a server may raise; ``is_away`` says whether it is to be asked again."""
_CONNECTION_EXCEPTION = "08"  # the class of SQLSTATE
_AWAY = {
    "25P03",  # idle in transaction timeout
    "53300",  # too many connections: they end when who had them has ended
    "57P01",  # admin shutdown
    "57P02",  # crash shutdown
    "57P03",  # cannot connect now: starting up, or recovering
    "57P05",  # idle session timeout
}


def dsn_of(url: URL | str) -> str:
    """Return the URL as libpq and asyncpg take it, with its password: never to be shown."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def shown(url: URL | str) -> str:
    """Return the URL without its password."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=True)


async def connect(
    dsn: str, *, command_timeout_s: float = COMMAND_TIMEOUT_S, **server_settings: str
) -> "asyncpg.Connection[Any]":
    """Return a connection that gives up on a server that does not answer; raises as asyncpg."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        server_settings={"application_name": "lifeline", **server_settings},
    )


def is_away(error: BaseException) -> bool:
    """Tell whether ``error`` says that the server is away, or the connection to it broken."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError | asyncpg.InternalClientError):
            return True
        if isinstance(seen, asyncpg.InterfaceError) and "closed" in str(seen):
            return True
        state = getattr(seen, "sqlstate", None)
        if isinstance(state, str) and (state[:2] == _CONNECTION_EXCEPTION or state in _AWAY):
            return True
        if getattr(seen, "connection_invalidated", False):
            return True
        seen = getattr(seen, "orig", None) or seen.__cause__
    return False


def pauses_s() -> Iterator[float]:
    """Yield how long to wait before each new attempt: growing, at most a second."""
    pause_s = PAUSE_S_MIN
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, PAUSE_S_MAX)


class LoopThread:
    """An event loop in a thread of its own: what runs there can be called from anywhere else.

    The journal and the leadership live in one, so that a busy service does not keep the leader from
    renewing its lease, and so that threads may read without the service's own loop.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start ``work`` in the thread's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what ``work`` returns; blocks, so never from the thread itself."""
        return self.submit(work).result()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what ``work`` returns, to a caller on another loop."""
        return await asyncio.wrap_future(self.submit(work))

    def close(self) -> None:
        """End the loop and what still runs in it, and wait for the thread."""
        if not self._thread.is_alive():
            return
        self.submit(self._cancel_all()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_default_executor()
