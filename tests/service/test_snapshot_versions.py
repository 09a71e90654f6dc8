"""Snapshots through the versions: each step once, in order, and never backwards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Catalogue
from service.evaluator import Evaluator
from service.recovery import RecoveryError, restore
from service.snapshot_versions import SNAPSHOT_VERSION, STEPS, NewerSnapshotError, migrate
from service.snapshots import SnapshotFolder


def stepper(number):
    return lambda snapshot: {**snapshot, "passed": [*snapshot["passed"], number]}


@given(st.integers(0, 5), st.data())
def test_a_snapshot_passes_every_step_after_its_version_in_order(count, data):
    steps = tuple(stepper(number) for number in range(count))
    version = data.draw(st.integers(1, count + 1))
    snapshot = {"version": version, "passed": []}
    moved = migrate(snapshot, steps)
    assert moved == {"version": count + 1, "passed": list(range(version - 1, count))}
    assert snapshot == {"version": version, "passed": []}


def test_the_version_is_the_number_of_steps_and_one():
    assert len(STEPS) + 1 == SNAPSHOT_VERSION
    assert Evaluator(lambda _: Catalogue(0)).snapshot()["version"] == SNAPSHOT_VERSION


@pytest.mark.parametrize("version", [None, "1", 0, -3, 1.0])
def test_what_never_was_a_version_is_refused(version):
    with pytest.raises(ValueError, match="a snapshot of version"):
        migrate({"version": version})


def test_a_later_versions_snapshot_is_refused_with_a_remedy():
    with pytest.raises(NewerSnapshotError, match="restore a backup"):
        migrate({"version": SNAPSHOT_VERSION + 1})


def test_a_later_versions_snapshot_ends_the_start_even_where_an_older_one_is_there(tmp_path):
    folder = SnapshotFolder(tmp_path)
    evaluator = Evaluator(lambda _: Catalogue(0))
    folder.write({**evaluator.snapshot(), "seq": 5})
    folder.write({**evaluator.snapshot(), "seq": 9, "version": SNAPSHOT_VERSION + 1})
    with pytest.raises(RecoveryError, match="later version of Lifeline"):
        restore(folder, lambda _: Catalogue(0), 10, 1)
    assert restore(folder, lambda _: Catalogue(0), 8, 1).seq == 5
