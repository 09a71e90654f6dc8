"""Restart: as if it had never stopped."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.accounting import PARTS, of_parts
from domain.journal import CatalogueChange, Command, Rows, Tick
from domain.time import NS_PER_S
from service.evaluator import Evaluator
from service.recovery import RecoveryError, SnapshotKeeper, restore, run_again
from service.snapshots import SnapshotFolder, decode, encode
from tests.service.load import Judgement, city, frames_of, make_load, told
from tests.service.test_snapshots import same

START_NS = 1_800_000_000 * NS_PER_S
STEPS = 120


class FakeJournal:
    """Rows in memory."""

    def __init__(self, records, first_seq=1):
        self.records, self.first_seq, self.advanced = records, first_seq, []

    @property
    def last_seq(self):
        return self.first_seq + len(self.records) - 1

    def read_span(self, after_seq, last_seq, size=97):
        while after_seq < last_seq:
            end_seq = min(after_seq + size, last_seq)
            begin = after_seq + 1 - self.first_seq
            yield Rows(after_seq + 1, self.records[begin : end_seq + 1 - self.first_seq])
            after_seq = end_seq

    def advance(self, consumer, seq):
        self.advanced.append((consumer, seq))


class Offered:
    """Takes steps and writes down what they hold."""

    def __init__(self):
        self.steps = []

    def offer(self, step):
        self.steps.append(step)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return replace(city(tmp_path_factory.mktemp("city")), revision=1)


@pytest.fixture(scope="module")
def records(catalogue):
    """All four kinds of row, with ticks between the frames and commands for alarms there are."""
    records = [CatalogueChange(1, START_NS)]
    evaluator = Evaluator(lambda _revision: catalogue)
    evaluator.step(Rows(1, records))
    for number, frame in enumerate(frames_of(make_load(7, START_NS, STEPS))):
        more = [frame]
        if number % 5 == 0:
            more.append(Tick(frame.received_ns, NS_PER_S, broker_connected=number % 3 > 0))
        if number % 7 == 0 and evaluator.open_alarms():
            alarm = evaluator.open_alarms()[number % len(evaluator.open_alarms())]
            arguments = {"alarm_id": alarm.id}
            now_ns = frame.received_ns
            more.append(Command(f"command-{number}", "acknowledge", arguments, "anna", now_ns))
        evaluator.step(Rows(len(records) + 1, more))
        records += more
    return records


@pytest.fixture(scope="module")
def unbroken(catalogue, records):
    """For each row what it says, and the snapshot after the last."""
    evaluator = Evaluator(lambda _revision: catalogue)
    steps = [evaluator.step(Rows(seq, [record])) for seq, record in enumerate(records, 1)]
    return steps, evaluator.snapshot()


def state_of(snapshot):
    """Return a snapshot without the rings of readings kept for evidence.

    Their unused places hold anything; what is in them is compared with the later transitions.
    """
    return {**snapshot, "core": {**snapshot["core"], "logs": None}}


def transitions_of(steps):
    return [transition for step in steps for transition in step.transitions]


def notices_of(steps):
    return [notice for step in steps for notice in step.notices]


cuts = given(st.data())
quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@cuts
def test_restored_at_any_row_it_stands_and_goes_on_as_if_it_had_never_stopped(
    catalogue, records, unbroken, data
):
    steps, end = unbroken
    cut = data.draw(st.integers(0, len(records)))
    before, after = Evaluator(lambda _: catalogue), Evaluator(lambda _: catalogue)
    for rows in FakeJournal(records).read_span(0, cut):
        before.step(rows)
    after.restore(decode(encode(before.snapshot())))
    assert same(after.snapshot(), before.snapshot())
    size = data.draw(st.integers(1, 200))
    later = [after.step(rows) for rows in FakeJournal(records).read_span(cut, len(records), size)]
    assert transitions_of(later) == transitions_of(steps[cut:])
    assert notices_of(later) == notices_of(steps[cut:])
    assert same(state_of(after.snapshot()), state_of(end))


@quick
@cuts
def test_a_snapshot_stays_as_it_was_taken_while_the_evaluator_goes_on(catalogue, records, data):
    cut = data.draw(st.integers(0, len(records)))
    evaluator = Evaluator(lambda _: catalogue)
    journal = FakeJournal(records)
    for rows in journal.read_span(0, cut):
        evaluator.step(rows)
    snapshot = evaluator.snapshot()
    encoded = encode(snapshot)
    for rows in journal.read_span(cut, len(records)):
        evaluator.step(rows)
    assert encode(snapshot) == encoded  # which another thread writes meanwhile


@quick
@cuts
def test_the_active_revision_made_active_again_changes_nothing(catalogue, records, data):
    """As by a restart between the row of a new revision and its evaluation."""
    rows = [record for record in records if not isinstance(record, Command)]  # they name ids
    cut = data.draw(st.integers(1, len(rows)))
    said = []
    for each in (rows, [*rows[:cut], rows[0], *rows[cut:]]):
        evaluator, judgement = Evaluator(lambda _: catalogue), Judgement()
        for some in FakeJournal(each).read_span(0, len(each)):
            judgement.take(evaluator.step(some))
        said.append(judgement)
    once, twice = said
    assert told(twice.transitions) == told(once.transitions)
    assert len(twice.notices) == len(once.notices)
    assert (twice.archived, twice.accounts) == (once.archived, once.accounts)


def saved(folder, catalogue, records, *seqs):
    """Write snapshots at these rows."""
    snapshots = SnapshotFolder(folder)
    evaluator = Evaluator(lambda _: catalogue)
    for seq in seqs:
        for rows in FakeJournal(records).read_span(evaluator.seq, seq):
            evaluator.step(rows)
        snapshots.write(evaluator.snapshot())
    return snapshots


def damage(folder, seq):
    path = folder / f"{seq:020d}.snapshot"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@quick
@cuts
def test_recovery_offers_the_archive_every_row_after_the_snapshot_and_says_nothing(
    catalogue, records, unbroken, tmp_path_factory, data
):
    folder = tmp_path_factory.mktemp("snapshots")
    committed = data.draw(st.integers(0, len(records)))
    one_of_few = st.sampled_from(
        data.draw(st.lists(st.integers(0, committed), min_size=1, max_size=3))
    )
    counted = data.draw(st.lists(one_of_few, min_size=PARTS, max_size=PARTS))
    seqs = data.draw(st.sets(st.integers(1, len(records)), max_size=3))
    snapshots = saved(folder, catalogue, records, *sorted(seqs))
    evaluator = restore(snapshots, lambda _: catalogue, min(counted), first_seq=1)
    assert evaluator.seq == max([seq for seq in seqs if seq <= min(counted)], default=0)
    archive, begin = Offered(), evaluator.seq
    uncounted = run_again(evaluator, FakeJournal(records), counted, committed, archive)
    assert evaluator.seq == committed
    steps, end = unbroken
    assert uncounted == sum(
        (
            of_parts(step.accounts, {part})
            for part, seq in enumerate(counted)
            for step in steps[seq:committed]
        ),
        Counter(),
    )
    count = sum(step.row_count for step in archive.steps)
    assert count == sum(step.row_count for step in steps[begin:committed])
    for rows in FakeJournal(records).read_span(committed, len(records)):
        evaluator.step(rows)
    assert same(state_of(evaluator.snapshot()), state_of(end))


def test_a_damaged_newest_snapshot_gives_way_to_the_one_before(catalogue, records, tmp_path):
    snapshots = saved(tmp_path, catalogue, records, 50, 100)
    damage(tmp_path, 100)
    assert restore(snapshots, lambda _: catalogue, 120, first_seq=40).seq == 50


def test_a_snapshot_of_no_known_version_gives_way_to_the_one_before(catalogue, records, tmp_path):
    snapshots = saved(tmp_path, catalogue, records, 50, 100)
    foreign = next(snapshots.newest(100))
    foreign["version"] = 0
    snapshots.write(foreign)
    assert restore(snapshots, lambda _: catalogue, 120, first_seq=40).seq == 50


def test_without_a_snapshot_it_begins_with_the_first_row(catalogue, tmp_path):
    snapshots = SnapshotFolder(tmp_path)
    assert restore(snapshots, lambda _: catalogue, 120, first_seq=1).seq == 0


def test_without_a_snapshot_and_with_the_first_rows_retired_it_refuses_and_says_what_to_do(
    catalogue, records, tmp_path
):
    snapshots = saved(tmp_path, catalogue, records, 50, 100)
    with pytest.raises(RecoveryError, match=r"at or before row 49.*begins with row 30.*backup"):
        restore(snapshots, lambda _: catalogue, 49, first_seq=30)


class FailingCatalogue:
    """The state database is away at the wrong moment."""

    def __init__(self, catalogue):
        self.catalogue, self.fails = catalogue, False

    def load(self, _revision):
        if self.fails:
            raise OSError("disk on fire")
        return self.catalogue


def test_a_step_that_was_broken_off_leaves_no_snapshot(catalogue, records, tmp_path):
    """Its frames would be known as duplicates, and their readings lost."""
    source = FailingCatalogue(catalogue)
    evaluator = Evaluator(source.load)
    evaluator.step(Rows(1, records[:20]))
    source.fails = True
    with pytest.raises(OSError, match="disk on fire"):
        evaluator.step(Rows(21, [*records[20:40], CatalogueChange(2, START_NS)]))
    snapshots = SnapshotFolder(tmp_path)
    keeper = SnapshotKeeper(snapshots, FakeJournal(records), lambda: 20, interval_s=1.0)
    keeper.take(evaluator)
    keeper.close()
    assert list(snapshots.newest(100)) == []


def test_a_snapshot_lets_the_journal_go_only_as_far_as_every_consumer_has_come(
    catalogue, records, tmp_path
):
    journal, evaluator = FakeJournal(records), Evaluator(lambda _: catalogue)
    cursors = {50: 0, 100: 60, 150: 100, 200: 200}
    keeper = SnapshotKeeper(
        SnapshotFolder(tmp_path), journal, lambda: cursors[evaluator.seq], interval_s=1.0
    )
    for seq in cursors:
        for rows in journal.read_span(evaluator.seq, seq):
            evaluator.step(rows)
        keeper.take(evaluator)
        keeper._thread.submit(lambda: None).result()  # the write before it has ended
    keeper.close()
    assert [seq for _, seq in journal.advanced] == [0, 0, 50, 150]
