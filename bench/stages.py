"""Where the time goes: the same frames through each stage by itself, in one process, one after one."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alerting.book import Book
from analytics.core import Core
from bench.city import Load, make_catalogue
from bench.wire import publish_packet
from domain.catalogue import Catalogue
from domain.journal import CatalogueChange, Frame, Rows
from domain.readings import Readings
from ingest.assemble import Assembler
from ingest.groups import Gathered, Groups
from ingest.publish import parse_publish
from service.committing import Broadcast, Committer
from service.evaluator import Evaluator, Step
from storage.alarms import AlarmStore
from storage.archive.duck import DuckArchive
from storage.journal import SegmentJournal
from storage.state import StateEngine

_WRITE_READINGS = 1_000_000  # what a busy archiver writes at a time
_COMMITS = 20


@dataclass(slots=True)
class Stages:
    """Processor time by stage, microseconds a message."""

    load: Load
    us: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{name} {value:.2f}" for name, value in self.us.items()]
        return f"{', '.join(parts)}; in all {sum(self.us.values()):.1f} µs a message"


class _Clocks:
    def __init__(self) -> None:
        self.spent_s: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        began_s = time.process_time()  # not the wall's: others use this machine, too
        try:
            yield
        finally:
            self.spent_s[name] = self.spent_s.get(name, 0.0) + time.process_time() - began_s


def measure_stages(load: Load) -> Stages:
    """Pass a load through each stage; the first tenth of it warms up what is compiled."""
    catalogue = make_catalogue(load.channels, load.gateways)
    warm = Load(load.messages // 10, load.samples, load.channels, load.gateways, load.first_ns)
    main = Load(load.messages, load.samples, load.channels, load.gateways, warm.end_ns)
    clocks = _Clocks()
    with tempfile.TemporaryDirectory(prefix="lifeline-bench-") as folder:
        parts = _Parts(catalogue, Path(folder), _Clocks())
        parts.judge(parts.receive(warm))
        parts.clocks = clocks
        groups = parts.receive(main)
        asyncio.run(parts.journal(groups))
        steps = parts.judge(groups)
        parts.archive([readings for step in steps for readings in step.readings])
        asyncio.run(parts.commit(steps))
    us = {name: spent * 1e6 / load.messages for name, spent in clocks.spent_s.items()}
    # The evaluator's own work is what is left of it when its parts have been taken out.
    us["evaluator's glue"] = max(
        0.0, us.pop("evaluator") - sum(us[n] for n in ("assemble", "core"))
    )
    return Stages(load, us)


class _Parts:
    def __init__(self, catalogue: Catalogue, folder: Path, clocks: _Clocks) -> None:
        self.clocks = clocks
        self._folder = folder
        self._assembler, self._core, self._book = (
            Assembler(catalogue), Core(catalogue), Book(catalogue),
        )  # fmt: skip
        self._evaluator = Evaluator(lambda _revision: catalogue)
        self._evaluator.step(Rows(1, [CatalogueChange(1, 0)]))
        self._seq = 2

    def receive(self, load: Load) -> list[Gathered]:
        """Take packets from the bytes of the socket, and group them as the source does."""
        packets = [
            publish_packet(topic, data, n) for n, (topic, data) in enumerate(load.payloads())
        ]
        buffers = [b"".join(packets[at : at + 128]) for at in range(0, len(packets), 128)]
        groups = Groups(10**9, 10**12)
        with self.clocks.of("receive"):
            for buffer in buffers:
                at = 0
                while packet := parse_publish(buffer, at, has_properties=False):
                    at = packet.end
                    frame = Frame(
                        packet.topic.decode(errors="replace"), packet.payload, time.time_ns()
                    )
                    groups.add(1, frame, packet.packet_id)
        return [groups.pop() for _ in range(len(groups))]

    async def journal(self, groups: Sequence[Gathered]) -> None:
        journal = await SegmentJournal.open(self._folder / "journal")
        with self.clocks.of("journal append"):
            for group in groups:
                await journal.append(group.frames)
        await journal.close()

    def judge(self, groups: Sequence[Gathered]) -> list[Step]:
        steps = []
        for group in groups:
            with self.clocks.of("assemble"):
                batch, _ = self._assembler.step(self._seq, group.frames)
            with self.clocks.of("core"):
                judged = self._core.step(batch)
                self._book.apply(judged.changes)
            with self.clocks.of("evaluator"):
                steps.append(self._evaluator.step(Rows(self._seq, list(group.frames))))
            self._seq += len(group.frames)
        return steps

    def archive(self, readings: Sequence[Readings]) -> None:
        archive = DuckArchive.open(self._folder / "archive")
        waiting: list[Readings] = []
        for number, each in enumerate(readings, 1):
            waiting.append(each)
            if sum(map(len, waiting)) >= _WRITE_READINGS or number == len(readings):
                with self.clocks.of("archive write"):
                    archive.write(number, waiting)
                waiting = []
        with self.clocks.of("archive seal"):
            archive.seal_all()
        archive.close()

    async def commit(self, steps: Sequence[Step]) -> None:
        """Commit the load's counts, as often as twice a second would for it."""
        state = await StateEngine.open(f"sqlite:///{self._folder / 'state.db'}")
        committer = Committer(AlarmStore(state), Broadcast(), steps[0].accounts, 0)
        for step in steps[:_COMMITS]:
            with self.clocks.of("commit"):
                await committer.commit(step)
        await state.close()
        spent = self.clocks.spent_s
        spent["commit"] = spent["commit"] / min(_COMMITS, len(steps))
