"""Readings on their way to the archive: nothing is lost where it is slow, full or refuses."""

import asyncio
import shutil
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from domain.accounting import Fate, Unit
from domain.time import NS_PER_S
from service import archiving
from service.archiving import Archiver
from service.committing import books
from service.evaluator import Evaluator
from service.recovery import restore
from service.snapshots import SnapshotFolder
from storage.archive import ArchiveError
from storage.archive.duck import DuckArchive
from storage.archive.influx import InfluxArchive
from tests.service.load import city, judge_undisturbed, make_load, rows_of

START_NS = 1_800_000_000 * NS_PER_S
EVER = (0, 2**62)


class Gate:
    """A real archive whose writes wait for leave, and fail where they are told to."""

    def __init__(self, archive):
        self.archive, self.open, self.failures = archive, threading.Event(), []
        self.waiting = threading.Event()
        self.writes = 0

    @property
    def cursor(self):
        return self.archive.cursor

    ready = True
    write_rows_max = 983_040

    def connect(self):
        pass

    def write(self, last_seq, readings, refused):
        self.waiting.set()
        assert self.open.wait(30)
        if self.failures:
            raise self.failures.pop()
        self.writes += 1
        self.archive.write(last_seq, readings, refused)

    def maintain(self):
        return self.archive.maintain()


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return replace(city(tmp_path_factory.mktemp("city")), revision=1)


@pytest.fixture(scope="module")
def rows():
    return rows_of(make_load(3, START_NS, 200), size=20)


@pytest.fixture(scope="module")
def expected(catalogue):
    return judge_undisturbed(catalogue, make_load(3, START_NS, 200)).archived


@pytest.fixture
def gate(tmp_path):
    archive = DuckArchive.open(tmp_path / "archive", slice_rows=5_000)
    yield Gate(archive)
    archive.close()


@pytest.fixture
def archiver_for(gate, catalogue, rows, tmp_path, monkeypatch):
    """Make an archiver over the gate; snapshots are looked for in ``snapshots``."""
    monkeypatch.setattr(archiving, "FLUSH_INTERVAL_S", 0.0)
    monkeypatch.setattr(archiving, "RETRY_S", 0.0)
    made = []

    def read_span(after_seq, last_seq):
        for some in rows:
            if some.last_seq > after_seq and some.first_seq <= last_seq:
                begin = max(0, after_seq + 1 - some.first_seq)
                end = min(len(some.records), last_seq + 1 - some.first_seq)
                yield replace(
                    some, first_seq=some.first_seq + begin, records=some.records[begin:end]
                )

    def shadow(seq):
        return restore(SnapshotFolder(tmp_path / "snapshots"), lambda _: catalogue, seq, 1)

    def make(**options):
        made.append(Archiver(gate, shadow, read_span, **options))
        return made[-1]

    yield make
    gate.open.set()
    for archiver in made:
        archiver.close()


def assert_holds(archive, expected):
    """The archive holds just this, each reading once."""
    for channel, readings in expected.items():
        series = archive.read(channel, *EVER, 1_000_000)
        columns = (series.time_ns.tolist(), series.value.tolist(), series.quality.tolist())
        found = [(at, (value, quality)) for at, value, quality in zip(*columns, strict=True)]
        assert found == sorted(readings.items()), channel
    assert archive.count() == sum(map(len, expected.values()))


def offer_all(archiver, catalogue, rows, snapshots=None):
    evaluator = Evaluator(lambda _: catalogue)
    for some in rows:
        archiver.offer(evaluator.step(some))
        if snapshots is not None:
            snapshots.write(evaluator.snapshot())


async def until(condition):
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.005)


async def run_until_archived(archiver, last_seq):
    task = asyncio.create_task(archiver.run())
    try:
        await until(lambda: archiver.cursor >= last_seq or task.done())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_is_offered_is_archived_in_order(archiver_for, gate, catalogue, rows, expected):
    archiver = archiver_for()
    gate.open.set()
    offer_all(archiver, catalogue, rows)
    await run_until_archived(archiver, rows[-1].last_seq)
    assert_holds(gate.archive, expected)
    assert archiver.overflows == 0


@pytest.mark.parametrize("queue_rows_max", [100, 1_000, 7_000])
@pytest.mark.parametrize("with_snapshots", [False, True])
async def test_a_queue_that_ran_over_leaves_the_archive_as_if_it_had_not(
    archiver_for, gate, catalogue, rows, expected, tmp_path, queue_rows_max, with_snapshots
):
    archiver = archiver_for(queue_rows_max=queue_rows_max)
    snapshots = SnapshotFolder(tmp_path / "snapshots") if with_snapshots else None
    task = asyncio.create_task(archiver.run())
    evaluator = Evaluator(lambda _: catalogue)
    for number, some in enumerate(rows):
        archiver.offer(evaluator.step(some))
        if snapshots is not None and number % 3 == 0:
            snapshots.write(evaluator.snapshot())
        if number == 0:
            # The first write holds the archive up, so that the others have to wait.
            await until(gate.waiting.is_set)
    assert archiver.overflows > 0
    assert archiver.behind
    assert archiver.queued_rows <= queue_rows_max
    gate.open.set()
    await until(lambda: archiver.cursor == rows[-1].last_seq or task.done())
    await until(lambda: not archiver.pending(rows[-1].last_seq) or task.done())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert_holds(gate.archive, expected)
    assert not archiver.behind


async def test_it_runs_over_again_while_it_catches_up(
    archiver_for, gate, catalogue, rows, expected
):
    archiver = archiver_for(queue_rows_max=200)
    task = asyncio.create_task(archiver.run())
    evaluator = Evaluator(lambda _: catalogue)
    half = len(rows) // 2
    for some in rows[:half]:
        archiver.offer(evaluator.step(some))
    await until(gate.waiting.is_set)  # of the catch-up, which has read its span by now
    before = archiver.overflows
    for some in rows[half:]:
        archiver.offer(evaluator.step(some))
    assert archiver.overflows > before > 0
    gate.open.set()
    await until(lambda: archiver.cursor == rows[-1].last_seq or task.done())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert_holds(gate.archive, expected)


@pytest.mark.parametrize("queue_rows_max", [100, 1_000_000])
async def test_what_the_archive_refuses_is_tried_again(
    archiver_for, gate, catalogue, rows, expected, queue_rows_max
):
    archiver = archiver_for(queue_rows_max=queue_rows_max)
    gate.failures = [ArchiveError("no space left", permanent=False) for _ in range(3)]
    gate.open.set()
    offer_all(archiver, catalogue, rows)
    await run_until_archived(archiver, rows[-1].last_seq)
    assert not gate.failures
    assert_holds(gate.archive, expected)


async def test_what_is_offered_again_after_a_restart_changes_nothing(
    archiver_for, gate, catalogue, rows, expected
):
    """The evaluator begins at a snapshot before the archive's cursor, in other portions."""
    gate.open.set()
    first = archiver_for()
    offer_all(first, catalogue, rows[: len(rows) // 2])
    await first.flush()
    second = archiver_for()
    records = [record for some in rows for record in some.records]
    portions = [
        replace(rows[0], first_seq=1 + at, records=records[at : at + 33])
        for at in range(0, len(records), 33)
    ]
    offer_all(second, catalogue, portions)
    await second.flush()
    assert_holds(gate.archive, expected)


async def test_a_flush_cut_off_and_begun_again_writes_everything_once(
    archiver_for, gate, catalogue, rows, expected
):
    """As at an orderly stop, while a write is under way."""
    archiver = archiver_for()
    task = asyncio.create_task(archiver.run())
    offer_all(archiver, catalogue, rows)
    await until(gate.waiting.is_set)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.open.set()
    await archiver.flush()
    assert_holds(gate.archive, expected)


async def test_the_books_balance_whatever_is_offered_committed_and_archived(
    archiver_for, gate, catalogue, rows
):
    """What is offered and not committed yet is in the books neither as stored nor as pending."""
    archiver, evaluator, ledger = archiver_for(), Evaluator(lambda _: catalogue), Counter()
    gate.open.set()
    committed = 0
    for number, some in enumerate(rows):
        step = evaluator.step(some)
        archiver.offer(step)
        if number % 3 != 1:
            ledger, committed = ledger_after(rows, number, catalogue), some.last_seq
        if number % 4 == 3:
            await archiver.flush()
        shown = books(ledger, archiver.pending(committed))
        assert all(count >= 0 for count in shown.values())
        assert total(shown, Fate.STORED, Fate.PENDING) == total(ledger, Fate.STORED)


def ledger_after(rows, number, catalogue):
    evaluator, ledger = Evaluator(lambda _: catalogue), Counter()
    for some in rows[: number + 1]:
        ledger.update(evaluator.step(some).accounts)
    return ledger


def total(accounts, *fates):
    return sum(n for a, n in accounts.items() if a.unit is Unit.READINGS and a.fate in fates)


async def test_a_catch_up_goes_on_where_it_broke_off_and_restores_once(
    archiver_for, gate, catalogue, rows, expected, monkeypatch
):
    monkeypatch.setattr(archiving, "FLUSH_ROWS", 500)
    archiver = archiver_for(queue_rows_max=100)
    restored, shadow = [], archiver._shadow
    archiver._shadow = lambda seq: restored.append(seq) or shadow(seq)
    gate.failures = [ArchiveError("away", permanent=False, retry_after_s=0.01) for _ in range(5)]
    gate.open.set()
    offer_all(archiver, catalogue, rows)
    await run_until_archived(archiver, rows[-1].last_seq)
    assert_holds(gate.archive, expected)
    assert len(restored) == 1
    assert (archiver.errors, archiver.failures, archiver.away_since_s) == (5, 0, None)


async def test_what_waits_for_an_absent_archive_is_bounded_in_bytes(
    archiver_for, gate, catalogue, rows, expected
):
    archiver = archiver_for(queue_bytes_max=100_000)
    evaluator = Evaluator(lambda _: catalogue)
    for some in rows:
        archiver.offer(evaluator.step(some))
        assert archiver._queued_bytes <= 100_000
    assert archiver.overflows > 0
    gate.open.set()
    await run_until_archived(archiver, rows[-1].last_seq)
    assert_holds(gate.archive, expected)


async def test_an_archive_first_reached_later_gets_everything_from_the_journal(
    archiver_for, gate, catalogue, rows, expected
):
    gate.ready, gate.away = False, 3

    def connect():
        gate.away -= 1
        if gate.away:
            raise ArchiveError("nobody there", permanent=False)
        gate.ready = True

    gate.connect = connect
    committed = rows[len(rows) // 2]
    archiver = archiver_for(committed_seq=committed.last_seq)
    gate.open.set()
    evaluator = Evaluator(lambda _: catalogue)
    for some in rows:
        step = evaluator.step(some)
        if some.last_seq > committed.last_seq:
            archiver.offer(step)
    await run_until_archived(archiver, rows[-1].last_seq)
    assert_holds(gate.archive, expected)


async def test_an_orderly_stop_does_not_wait_for_an_archive_that_is_away(
    archiver_for, gate, catalogue, rows
):
    archiver = archiver_for()
    gate.failures = [ArchiveError("away", permanent=False) for _ in range(99)]
    gate.open.set()
    offer_all(archiver, catalogue, rows)
    task = asyncio.create_task(archiver.run())
    await until(lambda: archiver.away_since_s is not None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await archiver.finish()
    assert archiver.cursor == 0


async def test_a_server_that_comes_back_without_what_it_took_gets_it_again(
    archiver_for, gate, catalogue, rows, expected, private_influx, tmp_path
):
    """As InfluxDB 1.x does that was killed twice: it cuts its log off where the first kill tore it."""
    server = private_influx()
    gate.archive = InfluxArchive.open(server.url("city"))
    gate.open.set()
    archiver, evaluator = archiver_for(), Evaluator(lambda _: catalogue)
    third = len(rows) // 3
    for part in (rows[:third], rows[third : 2 * third], rows[2 * third :]):
        for some in part:
            archiver.offer(evaluator.step(some))
        if part[-1] is rows[-1]:
            server.kill()
            shutil.rmtree(server.folder)
            (tmp_path / "before").rename(server.folder)
            server.start()
        await run_until_archived(archiver, part[-1].last_seq)
        if part[0] is rows[0]:
            server.stop()
            shutil.copytree(server.folder, tmp_path / "before")
            server.start()
    assert_holds(gate.archive, expected)
    gate.archive.close()
