"""Room on the disks: below the floor something gives way, visibly, and then intake stops settling.

First go the journal's rows that nobody needs any more, then the oldest archive, a file at a time, and
when there is nothing left to give, frames are left unsettled with the broker. Ticks, commands and
alarms go on in what the floor has kept back for them. Everything resumes by itself.
"""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.time import NS_PER_S
from service.gate import Gate
from service.opening import Stores
from service.settings import Settings
from service.supervise import Supervisor
from storage.archive import ArchiveError, GivenUp
from storage.audit import AuditLog
from storage.journal import SegmentJournal

GIB = 1 << 30
FLOOR_BYTES = 2 * GIB
FLOOR_SHARE = 20  # of a small filesystem, this part is the floor
RESUME_SHARE = 4  # so much of the floor must be free beyond it before things are well again
LOOK_S = 2.0
GIVEN_A_LOOK_MAX = 8
AUTHOR = "lifeline"

log = structlog.get_logger(__name__)


class Archive(Protocol):
    """What can give way."""

    def give_way(self) -> GivenUp | None:
        """Give up the oldest readings that can go at once; ``None`` where there are none."""
        ...


class Audit(Protocol):
    """Where it is written down what was given up."""

    def record_audit(
        self, author: str, action: str, target: str, at_ns: int, detail: str = ""
    ) -> Coroutine[Any, Any, None]:
        """Write down one act."""
        ...


@dataclass(slots=True)
class Filesystem:
    """One filesystem that we write to, and how much of it is free for us."""

    path: Path
    uses: set[str] = field(default_factory=set)
    total_bytes: int = 0
    free_bytes: int = 0
    floor_bytes: int = 0
    short: bool = False
    shrunk: bool = False

    def measure(self, floor_bytes: int | None) -> None:
        """Look how much is free; ``floor_bytes`` where the settings say."""
        status = os.statvfs(self.path)
        self.total_bytes = status.f_blocks * status.f_frsize
        self.free_bytes = status.f_bavail * status.f_frsize
        default = min(FLOOR_BYTES, self.total_bytes // FLOOR_SHARE)
        self.floor_bytes = default if floor_bytes is None else floor_bytes
        if self.free_bytes < self.floor_bytes:
            self.short = True
        elif self.free_bytes >= self.floor_bytes + self.floor_bytes // RESUME_SHARE:
            self.short = self.shrunk = False

    @property
    def words(self) -> str:
        """How it stands, for people."""
        free, floor = _size(self.free_bytes), _size(self.floor_bytes)
        return f"{free} free at {self.path} ({', '.join(sorted(self.uses))}; floor {floor})"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def filesystems_of(folders: Mapping[str, Path]) -> list[Filesystem]:
    """Return the filesystems that ``folders`` (by what is in them) lie on; they must be there."""
    found: dict[int, Filesystem] = {}
    for use, folder in folders.items():
        device = folder.stat().st_dev
        found.setdefault(device, Filesystem(folder)).uses.add(use)
    return list(found.values())


class DiskWatch:
    """Looks at every filesystem every few seconds and does what its shortage asks for.

    ``shrink`` asks the journal to retire whatever no consumer needs, whatever its bounds say. The
    filesystem of the use ``archive`` is the one that giving up archive helps, ``journal`` likewise.
    """

    def __init__(
        self,
        filesystems: list[Filesystem],
        *,
        floor_bytes: int | None,
        gate: Gate,
        archive: Archive,
        audit: Audit,
        shrink: Callable[[], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.filesystems = filesystems
        self._floor_bytes = floor_bytes
        self._gate = gate
        self._archive = archive
        self._audit = audit
        self._shrink = shrink
        self._now_ns = now_ns
        self._unrecorded: asyncio.Queue[tuple[int, str, GivenUp]] = asyncio.Queue()
        self._holding = False
        self.given: list[GivenUp] = []

    @property
    def metrics(self) -> Collector:
        """The disks as metrics."""
        return DiskCollector(self, self._gate)

    def start(self, supervisor: Supervisor) -> None:
        """Start the tasks that look and write down."""
        supervisor.start("disk", self.run())
        supervisor.start("disk record", self.record())

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def record(self) -> None:
        """Write down what was given up, for ever; a full database is waited for."""
        while True:
            at_ns, place, given = await self._unrecorded.get()
            detail = (
                f"{given.readings} readings of {_time(given.first_ns)} to {_time(given.last_ns)} "
                f"({_size(given.bytes)}) were given up because room was short"
            )
            await self._audit.record_audit(AUTHOR, "archive gave way", place, at_ns, detail)

    async def look(self) -> None:
        """Measure, and give way where a filesystem is short."""
        exhausted = []
        for each in self.filesystems:
            await self._measure(each)
            if each.short and not await self._give_way(each):
                exhausted.append(each)
        if exhausted:
            self._hold(exhausted)
        elif not any(each.short for each in self.filesystems):
            self._resume()

    async def _measure(self, each: Filesystem) -> None:
        try:
            await asyncio.to_thread(each.measure, self._floor_bytes)
        except OSError as error:
            log.error("a filesystem cannot be looked at", path=str(each.path), error=str(error))

    async def _give_way(self, short: Filesystem) -> bool:
        """Make room; return whether it was made, or may yet come of what was done."""
        if "journal" in short.uses and not short.shrunk:
            short.shrunk = True
            self._shrink()
            return True  # seen at the next look
        if "archive" not in short.uses:
            return False
        for _ in range(GIVEN_A_LOOK_MAX):
            before = short.free_bytes
            if not await self._give_one(short):
                return False
            await self._measure(short)
            if not short.short or short.free_bytes <= before:
                break  # enough, or somebody still reads the file: it goes when they are done
        return True

    async def _give_one(self, short: Filesystem) -> bool:
        try:
            given = await asyncio.to_thread(self._archive.give_way)
        except ArchiveError as error:
            log.error("the archive cannot give way", error=str(error))
            return False
        if given is None:
            return False
        log.error(
            "the archive gave way: room is short",
            readings=given.readings,
            first=_time(given.first_ns),
            last=_time(given.last_ns),
            freed_bytes=given.bytes,
            disk=short.words,
        )
        self.given.append(given)
        self._unrecorded.put_nowait((self._now_ns(), str(short.path), given))
        return True

    def _hold(self, exhausted: list[Filesystem]) -> None:
        words = "; ".join(each.words for each in exhausted)
        if not self._holding:
            log.critical("nothing is settled until there is room", disk=words)
        self._holding = True
        self._gate.close("disk", f"room is short: {words}")

    def _resume(self) -> None:
        if self._holding:
            log.warning("there is room again")
        self._holding = False
        self._gate.open("disk")

    def health(self) -> tuple[bool, str]:
        """Return whether frames are settled, and how it stands in words."""
        words = "; ".join(each.words for each in self.filesystems)
        if self.given:
            first_ns = min(one.first_ns for one in self.given)
            last_ns = max(one.last_ns for one in self.given)
            count = sum(one.readings for one in self.given)
            words += f"; {count} readings of {_time(first_ns)} to {_time(last_ns)} were given up"
        return self._gate.is_open, f"{self._gate.holding()}; {words}".removeprefix("; ")


def watch_disks(settings: Settings, stores: Stores, gate: Gate) -> DiskWatch:
    """Return the watch over everything that the settings have us write to."""
    journal = stores.journal
    return DiskWatch(
        filesystems_of(settings.folders()),
        floor_bytes=settings.disk_free_bytes_min,
        gate=gate,
        archive=stores.archive,
        audit=AuditLog(stores.state),
        shrink=journal.shrink if isinstance(journal, SegmentJournal) else lambda: None,
    )


class DiskCollector(Collector):
    """The disks as metrics."""

    def __init__(self, watch: DiskWatch, gate: Gate) -> None:
        self._watch = watch
        self._gate = gate

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of this moment."""
        for name, meaning in (
            ("free", "What is free on a filesystem that we write to."),
            ("total", "Its size."),
            ("floor", "Below this the oldest archive gives way, then intake stops."),
        ):
            family = GaugeMetricFamily(f"lifeline_disk_{name}_bytes", meaning, labels=["path"])
            for each in self._watch.filesystems:
                family.add_metric([str(each.path)], getattr(each, f"{name}_bytes"))
            yield family
        given = self._watch.given
        yield CounterMetricFamily(
            "lifeline_archive_given_up_readings",
            "Readings given up because room was short.",
            value=sum(one.readings for one in given),
        )
        yield GaugeMetricFamily(
            "lifeline_intake_open", "1 while frames are settled.", value=float(self._gate.is_open)
        )


def _time(time_ns: int) -> str:
    with suppress(ValueError, OverflowError, OSError):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_ns // NS_PER_S))
    return str(time_ns)
