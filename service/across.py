"""Between two event loops: the service's own, and that of the HTTP interface in its thread.

The way of an alarm runs on the service's loop. The interface has a loop of its own, so that a
request that takes ten milliseconds of Python delays nobody's alarm: the loops share the interpreter
by half milliseconds. What stands on the other loop is asked there and awaited here.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from domain.alarm import Transition
from service.committing import Broadcast

T = TypeVar("T")
Written = Sequence[tuple[int, Transition]]


async def ask(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns on ``loop``; where we are cancelled, it is cancelled there."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


class Across:
    """A port whose coroutines run on ``loop``, whichever loop they are awaited on.

    Everything else of it is called where the caller is, and must bear that.
    """

    def __init__(self, port: object, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        """Return what the port has of this name."""
        found = getattr(self._port, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def asked(*given: Any, **named: Any) -> Any:
            return await ask(self._loop, found(*given, **named))

        self.__dict__[name] = asked
        return asked


def across(port: T, loop: asyncio.AbstractEventLoop) -> T:
    """Return the port as it is used from another loop."""
    return cast("T", Across(port, loop))


class BroadcastAcross:
    """A broadcast whose listeners are called on the loop on which they subscribed."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast

    def subscribe(self, listener: Callable[[Written], None]) -> Callable[[], None]:
        """Call ``listener`` on this loop with each commit; returns how to stop that."""
        loop = asyncio.get_running_loop()

        def hand_over(written: Written) -> None:
            with suppress(RuntimeError):  # the loop has ended, and everybody on it has gone
                loop.call_soon_threadsafe(listener, written)

        return self._broadcast.subscribe(hand_over)
