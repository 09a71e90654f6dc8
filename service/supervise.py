"""Tasks that must not die: named, watched, and the service with them.

A task that fails ends the service at once with its name and error: half a service that looks alive
is worse than one that is started again (by systemd or compose) and recovers.
"""

import asyncio
import faulthandler
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

EXIT_TIMEOUT_S = 45.0

log = structlog.get_logger(__name__)


def leave_within(timeout_s: float = EXIT_TIMEOUT_S) -> None:
    """End this process by then, even where a thread hangs: its stack goes to standard error.

    For when everything is kept that was to be kept. A service that is told to stop and lingers holds
    its port, its lock and its place in the lead.
    """
    faulthandler.dump_traceback_later(timeout_s, exit=True)


class Supervisor:
    """Runs named tasks until one fails or somebody asks for a stop."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def stopped(self) -> None:
        """Return when a stop was asked for, or a task has ended."""
        await self._stop.wait()

    def stop(self) -> None:
        """Ask for an orderly stop."""
        self._stop.set()

    def stop_on_signals(self) -> None:
        """Stop on SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what ``work`` returns; ``None``, and it is cancelled, where a stop is asked for."""
        task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for each in (task, stopped):
                each.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a named task."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(lambda _task: self._stop.set())
        self._tasks[name] = task
        return task

    def runs(self, name: str) -> bool:
        """Whether a task of this name was started."""
        return name in self._tasks

    @property
    def failed(self) -> list[str]:
        """Names of tasks that have ended though nobody asked."""
        return [name for name, task in self._tasks.items() if task.done()]

    async def wait(self) -> None:
        """Return when a stop was asked for; raises the error of a task that failed."""
        await self._stop.wait()
        for name, task in self._tasks.items():
            if task.done() and not task.cancelled() and (error := task.exception()):
                log.critical("task failed", task=name, error=repr(error))
                raise error

    async def finish(self, name: str, timeout_s: float) -> None:
        """Wait for the end of a task that was told to end; cancel it where it does not."""
        await asyncio.wait([self._tasks[name]], timeout=timeout_s)
        await self.cancel(name)

    async def cancel(self, *names: str) -> None:
        """Cancel tasks, all where none is named, and wait for their end."""
        tasks = [self._tasks.pop(name) for name in (names or tuple(self._tasks))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
