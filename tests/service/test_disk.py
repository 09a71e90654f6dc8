"""Room on the disks: what gives way in which order, what waits, and that nothing settled is lost."""

import asyncio
import errno
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert

from domain.journal import Frame, Tick
from domain.readings import Readings
from service import disk as disk_module
from service import pipeline
from service.clock import WallClock
from service.disk import DiskWatch, Filesystem, filesystems_of
from service.gate import Gate
from service.snapshots import SnapshotFolder
from storage import tables
from storage.archive import ArchiveError, GivenUp
from storage.archive.duck import DuckArchive
from storage.audit import AuditLog
from storage.journal import Disk, SegmentJournal
from storage.state import StateEngine

MIB = 1 << 20


class Room(Filesystem):
    """A filesystem with as much room as the test says."""

    __slots__ = ("room",)

    def measure(self, floor_bytes):
        status = os.statvfs_result((1, 1, 1000, self.room[0], self.room[0], 0, 0, 0, 0, 0))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "statvfs", lambda _path: status)
            super().measure(floor_bytes)


class Files:
    """An archive of files of 10 bytes on that filesystem."""

    def __init__(self, room, count, told):
        self.room, self.count, self.told = room, count, told
        self.broken = False

    def give_way(self):
        if self.broken:
            raise ArchiveError("broken", permanent=False)
        if not self.count:
            return None
        self.count -= 1
        self.room[0] += 10
        self.told.append("archive")
        return GivenUp(5, 100, 200, 10)


class Written:
    def __init__(self):
        self.acts = []

    async def record_audit(self, *act):
        self.acts.append(act)


def watched(room, files=3, floor=100, uses=("journal", "archive")):
    told, gate, audit = [], Gate(), Written()
    filesystem = Room(Path("/"), set(uses))
    filesystem.room = room
    archive = Files(room, files, told)
    watch = DiskWatch(
        [filesystem], floor_bytes=floor, gate=gate, archive=archive, audit=audit,
        shrink=lambda: told.append("journal"), now_ns=lambda: 7,
    )  # fmt: skip
    return watch, gate, told, archive, audit


async def test_above_the_floor_nothing_gives_way():
    watch, gate, told, *_ = watched([100])
    await watch.look()
    assert (gate.is_open, told) == (True, [])
    assert watch.health()[0]


async def test_first_the_journals_spare_rows_then_the_archive_until_well_above_the_floor():
    watch, gate, told, archive, audit = watched(room := [95], files=9)
    await watch.look()
    assert told == ["journal"]
    await watch.look()
    assert told == ["journal", "archive", "archive", "archive"]  # to 125: the floor and a quarter
    assert (gate.is_open, archive.count, room) == (True, 6, [125])
    await watch.look()
    assert len(told) == 4
    recording = asyncio.create_task(watch.record())
    await until(lambda: len(audit.acts) == 3)
    recording.cancel()
    assert audit.acts[0][:4] == ("lifeline", "archive gave way", "/", 7)
    assert "5 readings" in audit.acts[0][4]
    assert "15 readings" in watch.health()[1]


async def test_with_nothing_left_to_give_intake_holds_and_resumes_by_itself():
    watch, gate, _, archive, _ = watched(room := [50], files=2)
    await watch.look()
    await watch.look()
    await watch.look()
    assert (gate.is_open, archive.count) == (False, 0)
    assert "room is short" in gate.holding()
    assert not watch.health()[0]
    room[0] = 110  # above the floor, but not well above it
    await watch.look()
    assert not gate.is_open
    room[0] = 125
    await watch.look()
    assert gate.is_open


async def test_an_archive_on_another_disk_is_left_alone():
    watch, gate, told, archive, _ = watched([50], uses=("journal", "state"))
    for _ in range(3):
        await watch.look()
    assert (told, archive.count, gate.is_open) == (["journal"], 3, False)


async def test_an_archive_that_cannot_give_way_is_asked_again():
    watch, gate, _, archive, _ = watched(room := [95], uses=("archive",))
    archive.broken = True
    await watch.look()
    assert not gate.is_open
    archive.broken = False
    await watch.look()
    await watch.look()
    assert gate.is_open
    assert room[0] >= 125


def test_the_floor_is_two_gib_or_a_twentieth_of_a_small_disk(tmp_path):
    found = filesystems_of({"journal": tmp_path, "archive": tmp_path})
    assert [each.uses for each in found] == [{"journal", "archive"}]
    found[0].measure(None)
    assert found[0].floor_bytes == min(2 << 30, found[0].total_bytes // 20)
    assert 0 < found[0].free_bytes <= found[0].total_bytes


class Source:
    connected = True

    def __init__(self):
        self.settled = []
        self.more = asyncio.Queue()

    async def gathered(self):
        while True:
            yield await self.more.get()

    async def settle(self, gathered):
        self.settled.append(gathered.frames[0].payload)


class Gathered:
    refusals = ()

    def __init__(self, number):
        self.frames = [Frame("t", b"%d" % number, number)]


class FullDisk(Disk):
    full = None

    def write(self, descriptor, data, offset):
        if self.full:
            raise OSError(self.full, os.strerror(self.full))
        return super().write(descriptor, data, offset)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  many things are waited for
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_what_a_full_journal_refuses_is_settled_once_it_is_in(tmp_path, monkeypatch, number):
    monkeypatch.setattr(pipeline, "APPEND_AGAIN_S", 0.01)
    source, gate, disk = Source(), Gate(), FullDisk()
    journal = await SegmentJournal.open(tmp_path, disk=disk)
    task = asyncio.create_task(pipeline.intake(source, journal, WallClock(), gate))
    source.more.put_nowait(Gathered(1))
    await until(lambda: source.settled == [b"1"])
    disk.full = number
    source.more.put_nowait(Gathered(2))
    await until(lambda: not gate.is_open)
    assert source.settled == [b"1"]
    disk.full = None
    await until(lambda: source.settled == [b"1", b"2"])
    assert gate.is_open
    rows = [record for rows in journal.read_span(0, journal.last_seq) for record in rows.records]
    assert [row.payload for row in rows] == [b"1", b"2"]
    task.cancel()
    await journal.close()


async def test_below_the_floor_frames_wait_while_ticks_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "TICK_INTERVAL_S", 0.02)
    source, gate = Source(), Gate()
    gate.close("disk", "no room")
    journal = await SegmentJournal.open(tmp_path)
    clock = WallClock()
    tasks = [
        asyncio.create_task(pipeline.intake(source, journal, clock, gate)),
        asyncio.create_task(pipeline.tick(journal, clock, lambda: True)),
    ]
    source.more.put_nowait(Gathered(1))
    await until(lambda: journal.last_seq >= 3)
    rows = [record for rows in journal.read_span(0, journal.last_seq) for record in rows.records]
    assert all(isinstance(row, Tick) for row in rows)
    assert source.settled == []
    gate.open("disk")
    await until(lambda: source.settled == [b"1"])
    for task in tasks:
        task.cancel()
    await journal.close()


async def test_a_tick_that_a_full_disk_refuses_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "TICK_INTERVAL_S", 0.02)
    disk = FullDisk()
    journal = await SegmentJournal.open(tmp_path, disk=disk)
    task = asyncio.create_task(pipeline.tick(journal, WallClock(), lambda: True))
    await until(lambda: journal.last_seq >= 1)
    disk.full = errno.ENOSPC
    seq = journal.last_seq
    await asyncio.sleep(0.1)
    assert not task.done()
    disk.full = None
    await until(lambda: journal.last_seq > seq + 1)
    task.cancel()
    await journal.close()


@pytest.fixture
def small_disk(tmp_path):
    """A filesystem of 16 MiB, and how to change its size."""
    folder = tmp_path / "small"
    folder.mkdir()

    def mount(option):
        command = ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if os.geteuid() != 0 or not mount("size=16m"):
        pytest.skip("a filesystem of a given size needs the right to mount one")
    yield folder, lambda size: mount(f"remount,size={size}")
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Leave no room at all."""
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


async def test_a_commit_that_finds_the_disk_full_is_done_when_there_is_room(small_disk):
    folder, _ = small_disk
    engine = await StateEngine.open(f"sqlite:///{folder}/state.db")
    fill(folder)

    async def work(connection):
        rows = [{"consumer": f"{'c' * 2000}-{n}", "number": n} for n in range(200)]
        await connection.execute(insert(tables.outbox_cursors), rows)

    writing = asyncio.create_task(engine.write(work))
    await until(lambda: engine.problem)
    assert not writing.done()
    (folder / "ballast").unlink()
    await writing
    assert engine.problem == ""
    assert len(await engine.fetch(tables.outbox_cursors.select())) == 200
    assert len((await AuditLog(engine).audit()).items) == 0
    await engine.close()


def readings(seq, count=60_000):
    time_ns = np.arange(seq * count, (seq + 1) * count, dtype=np.int64)
    value = np.random.default_rng(seq).normal(size=count)
    return Readings(("a",), np.zeros(count, np.int32), time_ns, value, np.ones(count, np.uint8))


def test_an_archive_on_a_full_disk_refuses_and_takes_it_later(small_disk):
    folder, resize = small_disk
    archive = DuckArchive.open(folder / "archive", slice_rows=120_000)
    seq, refused, permanent = 0, 0, []
    while refused < 3:
        try:
            archive.write(seq + 1, [readings(seq)])
            seq += 1
            archive.maintain()
        except ArchiveError as error:
            permanent.append(error.permanent)
            refused += 1
            assert archive.count() == seq * 60_000
    assert not list((folder / "archive" / "sealed").glob("*.tmp"))
    assert not any(permanent)
    assert archive.give_way() is not None or resize("64m")
    resize("64m")
    archive.write(seq + 1, [readings(seq)])
    while archive.maintain():
        pass
    kept = archive.count()
    archive.close()
    again = DuckArchive.open(folder / "archive", slice_rows=120_000)
    assert (again.cursor, again.count()) == (seq + 1, kept)
    again.close()


def test_a_snapshot_on_a_full_disk_leaves_nothing_behind_and_the_ones_before(small_disk):
    folder, _ = small_disk
    snapshots = SnapshotFolder(folder / "snapshots")
    snapshots.write({"seq": 1, "data": b"1"})
    fill(folder)
    with pytest.raises(OSError, match="No space"):
        snapshots.write({"seq": 2, "data": b"2" * MIB})
    assert [path.name for path in (folder / "snapshots").iterdir()] == [f"{1:020d}.snapshot"]
    (folder / "ballast").unlink()
    snapshots.write({"seq": 2, "data": b"2" * MIB})
    assert [one["seq"] for one in snapshots.newest(9)] == [2, 1]


async def test_a_journal_asked_to_shrink_keeps_what_a_consumer_needs(tmp_path):
    journal = await SegmentJournal.open(tmp_path, segment_bytes=2000)
    for number in range(40):
        await journal.append([Frame("t", b"x" * 500, number)])
    journal.advance("evaluator", 20)
    journal.shrink()
    await until(lambda: journal.first_seq > 1)
    assert journal.first_seq <= 21
    rows = [record for rows in journal.read_span(20, 40) for record in rows.records]
    assert len(rows) == 20
    await journal.close()


def test_the_looks_are_a_few_seconds_apart():
    assert 1 <= disk_module.LOOK_S <= 5
