"""How the interface's process keeps abreast of the one that judges: catalogue, transitions, clock.

Every answer that comes over the line carries a stamp of what there was when it was given. Whoever asked
gets it only when this process has come as far: then a channel that an answer speaks of is in the catalogue
here, too, and a transition that a command brought about has been told to listeners and lists.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from api.ports import Written
from domain.catalogue import Catalogue
from service.line import Line
from storage.catalogue.packing import decode_catalogue

LIVE, DOCUMENTS = "live", "documents"  # ports


class Stamp(NamedTuple):
    """What there was: which catalogue in force (by serial), the last number told, and the service's time.

    The time is 0 where it is the wall's.
    """

    serial: int
    told: int
    now_ns: int


class Shown(NamedTuple):
    """A catalogue in force, and its serial."""

    serial: int
    catalogue: Catalogue


class Abreast:
    """What this process knows. Used on its event loop; ``shown`` and ``now_ns`` are read from anywhere."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.shown = Shown(-1, Catalogue(revision=0))
        self.now_ns = 0
        self._bases = {0: Catalogue(revision=0)}  # as saved: the one in force, and one made ready
        self._loading = asyncio.Lock()
        self._following = asyncio.Lock()
        self._told = 0
        self._moved = asyncio.Event()
        self._untold: deque[tuple[int, Written]] = deque()
        self._telling: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[Written], None]] = []

    async def keep(self, stamp: Stamp) -> None:
        """Return when this process is as far as that."""
        self.now_ns = max(self.now_ns, stamp.now_ns)
        if stamp.serial > self.shown.serial:
            await self._follow(stamp.serial)
        while self._told < stamp.told:
            await self._moved.wait()

    async def begin(self) -> None:
        """Come to where the service is, as one to which nothing was told before."""
        stamp, _ = await self._line.ask(LIVE, "described")
        self._tell_of(stamp.told)
        await self.keep(stamp)

    async def prepare(self, revision: int) -> None:
        """Load a revision before it is in force."""
        await self._base(revision)

    async def _follow(self, serial: int) -> None:
        async with self._following:
            while self.shown.serial < serial:
                stamp, (there, revision, in_force) = await self._line.ask(LIVE, "described")
                base = await self._base(revision)
                catalogue = await asyncio.to_thread(base.with_profiles, in_force)
                self.shown = Shown(there, catalogue)
                self.now_ns = max(self.now_ns, stamp.now_ns)
                self._bases = {
                    number: kept for number, kept in self._bases.items() if number >= revision
                }

    async def _base(self, revision: int) -> Catalogue:
        async with self._loading:
            if revision not in self._bases:
                _, document = await self._line.ask(DOCUMENTS, "document", revision)
                before = self._bases[max(self._bases)]
                self._bases[revision] = await asyncio.to_thread(_decode, document, revision, before)
            return self._bases[revision]

    def subscribe(self, listener: Callable[[Written], None]) -> Callable[[], None]:
        """Call ``listener`` with each commit; see ``api.ports.Stream``."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, serial: int, written: Written) -> None:
        """Take a commit, as the line brings it; it is told when the catalogue is that of its time."""
        self._untold.append((serial, written))
        if self._telling is None:
            self._tell_all_in_force()
            if self._untold:
                self._telling = asyncio.create_task(self._tell_when_in_force())

    def _tell_all_in_force(self) -> None:
        while self._untold and self._untold[0][0] <= self.shown.serial:
            _, written = self._untold.popleft()
            for listener in list(self._listeners):
                listener(written)
            self._tell_of(written[-1][0])

    async def _tell_when_in_force(self) -> None:
        try:
            while self._untold:
                await self._follow(self._untold[0][0])
                self._tell_all_in_force()
        finally:
            self._telling = None

    def _tell_of(self, number: int) -> None:
        self._told = max(self._told, number)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def note(self, stamp: Stamp) -> None:
        """Take what there is, as the line brings it where nobody here has asked for anything."""
        self.now_ns = max(self.now_ns, stamp.now_ns)
        if stamp.serial > self.shown.serial and self._noting is None:
            self._noting = asyncio.create_task(self._note(stamp.serial))

    async def _note(self, serial: int) -> None:
        try:
            await self._follow(serial)
        finally:
            self._noting = None


def _decode(document: bytes, revision: int, before: Catalogue) -> Catalogue:
    return replace(decode_catalogue(document), revision=revision).sharing(before)
