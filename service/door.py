"""The door: the HTTP interface, in a process of its own (``service/interface.py``) that is started here.

What a crowd at it computes holds no interpreter's lock that an alarm on its way waits for. Where the process
dies, the service ends and begins anew, as with every task of its own.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from api.ports import Refused
from domain.alarm import Transition
from service.abreast import DOCUMENTS, Stamp
from service.line import Line, LineEndedError, Offer, connect
from service.opening import StartError
from service.precedence import Punctuality
from service.reception import AWAY_REMEDY, STOP_TIMEOUT_S, Reception, Setup
from service.settings import Settings
from service.supervise import Supervisor
from storage.catalogue.revisions import CatalogueStore
from storage.journal import JournalError
from storage.state import StateAway

PREPARE_TIMEOUT_S = 60.0
NEWS_INTERVAL_S = 0.05

log = structlog.get_logger(__name__)


def bind(settings: Settings) -> socket.socket:
    """Return the socket of the HTTP interface; raises ``StartError`` where it cannot be had."""
    host, port = settings.http_host, settings.http_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # The protocol by its number: only where it stands does asyncio turn off Nagle's algorithm, with
        # which each short answer and each event would wait up to 40 ms for an acknowledgement.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.http_listen} ({error.strerror}): "
            "choose another address with LIFELINE_HTTP_LISTEN"
        ) from None
    return listener


def as_answer(error: Exception) -> Exception:
    """Return what the interface is to say of an error: outages are answers, with a remedy."""
    if isinstance(error, StateAway):
        return Refused(503, f"{error}.", AWAY_REMEDY)
    if isinstance(error, JournalError):
        remedy = "It is not known to have happened. Look, and try again: in seconds, where another leads."
        return Refused(503, f"{error}.", remedy)
    return error


class Door:
    """The interface's process, as the supervised task ``http``."""

    def __init__(self, supervisor: Supervisor, listener: socket.socket, setup: Setup) -> None:
        self.reception = Reception(setup)
        self.punctuality = Punctuality()
        self.is_open = False
        self._supervisor = supervisor
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._preparing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start the process, which then makes itself ready while we do."""
        ours, theirs = zip(socket.socketpair(), socket.socketpair(), strict=True)
        handed = [*theirs, self._listener]
        descriptors = [*(each.fileno() for each in handed), self.punctuality.fileno()]
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220  our own program; it takes a millisecond
            [sys.executable, "-m", "service.interface", str(os.getpid()), *map(str, descriptors)],
            executable="/proc/self/exe",  # this very interpreter, also where its path is not ours to see
            stdin=subprocess.DEVNULL,
            pass_fds=descriptors,
        )
        for sock in theirs:
            sock.close()
        self._calls = await connect(Line({"reception": Offer(self.reception)}, as_answer), ours[0])
        self._events = await connect(Line(), ours[1])
        self._supervisor.start("http", self._until_ended(self._process))

    async def _until_ended(self, process: "subprocess.Popen[bytes]") -> None:
        lines = [self._calls.ended, self._events.ended]
        await asyncio.wait(lines, return_when=asyncio.FIRST_COMPLETED)
        if not self._closing:
            process.kill()  # where it has only hung up
            status = await asyncio.to_thread(process.wait)
            raise RuntimeError(f"the interface's process has ended: exit status {status}")

    async def open(self) -> None:
        """Have it answer; once is enough. Raises ``StartError`` where its process is gone."""
        if not self.is_open:
            await self._asked("open")
            self.is_open = True

    async def _asked(self, method: str) -> None:
        """Ask the interface while the service starts; raises ``StartError`` where it is gone."""
        try:
            await self._calls.ask("interface", method)
        except LineEndedError:
            why = (
                "the interface's process has ended while the service started; see what it said last"
            )
            raise StartError(why) from None

    def make_ready(self, catalogues: CatalogueStore) -> None:
        """Have the newest revision loaded there while we recover."""
        self._calls.offers[DOCUMENTS] = Offer(catalogues)

        async def prepare_newest() -> None:
            with suppress(StateAway):
                if revision := await catalogues.latest_revision():
                    await self.prepare(revision)

        self._preparing = asyncio.create_task(prepare_newest())

    async def prepare(self, revision: int) -> None:
        """Have a revision loaded there before it is in force here; where that fails, judgement goes on."""
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT_S):
                await self._calls.ask("interface", "prepare", revision)
        except Exception as error:
            log.warning("the interface is not ready for it", revision=revision, error=repr(error))

    async def show(self, offers: Mapping[str, Offer], stamp: Callable[[], Stamp]) -> None:
        """Have the interface shown over these ports, and its door open; raises as ``open`` does."""
        self._calls.offers.update(offers)
        self._calls.stamp = stamp
        await self._asked("show")
        await self.open()

    def tell(self, serial: int, written: Sequence[tuple[int, Transition]]) -> None:
        """Tell of a commit."""
        self._events.tell("abreast", "publish", serial, written)

    async def tell_of_news(self, stamp: Callable[[], Stamp]) -> None:
        """Tell of another catalogue or another time, for ever: who looks there may ask nothing here."""
        told = None
        while True:
            if (now := stamp()) != told:
                self._events.tell("abreast", "note", told := now)
            await asyncio.sleep(NEWS_INTERVAL_S)

    async def close(self) -> None:
        """Have it answer who has asked, and no one else; the listener is not used when it returns."""
        self._closing, self.is_open = True, False
        process = self._process
        if process is None:
            return
        with suppress(LineEndedError, TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S + 1):
                await self._calls.ask("interface", "close")
        self._calls.close()
        self._events.close()
        process.kill()  # whoever had asked is answered, and it keeps nothing
        await asyncio.to_thread(process.wait)
        self._listener.close()
