"""The interface's process: it serves HTTP, and asks the one that judges for what it needs.

``service/door.py`` starts it. It ends with its parent, however that ends.
"""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress

from fastapi import FastAPI

from service.abreast import Abreast
from service.front import Server
from service.interpreter import tune
from service.line import Line, LineEndedError, Offer, connect
from service.logs import configure
from service.precedence import Punctuality
from service.reception import Setup
from service.surface import make_app
from storage.collector import leave_what_is_there

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Interface:
    """What the process that judges asks of this one."""

    def __init__(self, calls: Line, abreast: Abreast, server: Server, late: Punctuality) -> None:
        self._calls = calls
        self._abreast = abreast
        self._server = server
        self._late = late
        self._serving: asyncio.Task[None] | None = None
        self._made: asyncio.Future[FastAPI] = asyncio.get_running_loop().create_future()
        server.front.state = self._state

    async def _state(self) -> str:
        _, words = await self._calls.ask("reception", "state")
        return str(words)

    async def prepare(self, revision: int) -> None:
        """Load a revision of the catalogue that will be in force."""
        await self._abreast.prepare(revision)

    async def make(self) -> None:
        """Make the interface, of the settings; nothing needs to be known of the service for that."""
        _, setup = await self._calls.ask("reception", "setup")
        assert isinstance(setup, Setup)  # noqa: S101  the same program
        configure(setup.log_level)
        self._made.set_result(make_app(self._calls, self._abreast, setup, self._late))

    async def show(self) -> None:
        """Let the interface answer from now on."""
        await self._abreast.begin()
        await self._server.show(await self._made)
        leave_what_is_there()

    async def open(self) -> None:
        """Return when the server answers."""
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.is_open:  # uvicorn has no event for it
            if self._serving.done():
                await self._serving
                raise RuntimeError("the server ended before it began")
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Answer who has asked, and no one else."""
        self._server.stop()
        if self._serving is not None:
            await self._serving


async def run(
    calls: socket.socket, events: socket.socket, server: Server, late: Punctuality
) -> None:
    """Serve until the other process hangs up, or is gone."""
    tune()
    line = Line()
    abreast = Abreast(line)
    interface = Interface(line, abreast, server, late)
    line.offers["interface"] = Offer(interface)
    await connect(line, calls)
    await connect(Line({"abreast": Offer(abreast)}), events)
    with suppress(LineEndedError):  # the service has ended before it began, and has said why
        await interface.make()
        await line.ended


def end_with(parent: int) -> None:
    """Have the kernel end this process when its parent dies; the parent alone says when to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(1)


def main(parent: int, calls: int, events: int, listener: int, late: int) -> None:
    """Run the process, of these descriptors."""
    end_with(parent)
    sockets = [socket.socket(fileno=each) for each in (calls, events, listener)]
    asyncio.run(run(sockets[0], sockets[1], Server(sockets[2]), Punctuality(late)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
