"""A bounded pool of threads for work that would hold up the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from api.errors import ApiError

T = TypeVar("T")


class Pool:
    """``threads`` at work and ``waiting_max`` in the queue; whoever comes then is turned away.

    Each thread calls ``begin`` first.

    A call that takes longer than ``timeout_s`` is answered with a problem. It keeps its thread until
    it ends, since a thread cannot be stopped, and so cannot pile up beyond the bounds.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        waiting_max: int,
        timeout_s: float,
        begin: Callable[[], None] | None = None,
    ) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=begin)
        self._room = threads + waiting_max
        self._timeout_s = timeout_s
        self.at_work = 0

    async def run(self, function: Callable[[], T]) -> T:
        """Return what ``function`` returns; raises :class:`ApiError` 503 or 504."""
        if self.at_work >= self._room:
            raise ApiError(
                503, "Too many queries at once.", "Try again shortly.", headers={"Retry-After": "2"}
            )
        self.at_work += 1
        future = asyncio.get_running_loop().run_in_executor(self._executor, function)
        future.add_done_callback(self._done)
        try:
            # Shielded: the caller's going must not free the room before the thread is free.
            return await asyncio.wait_for(asyncio.shield(future), self._timeout_s)
        except TimeoutError:
            raise ApiError(
                504, "The query took too long.", "Ask for a shorter span, or for buckets."
            ) from None

    def _done(self, future: asyncio.Future[T]) -> None:
        self.at_work -= 1
        if not future.cancelled():
            future.exception()  # seen, even where the caller has gone

    def close(self) -> None:
        """Let the threads go; does not wait for them."""
        self._executor.shutdown(wait=False, cancel_futures=True)
