"""The core as its users see it: pictures, catalogue changes, and reading while it works."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from analytics.core import Core
from analytics.kernel import judge_readings
from domain.catalogue import Checks
from domain.grade import Grade
from domain.readings import Batch
from tests.analytics.worlds import (
    START,
    S,
    batch,
    brief,
    catalogue,
    derived,
    fault,
    feed,
    high,
    low,
    measured,
    ticks,
)

COLUMNS = ("seq", "channel", "time_ns", "value", "received_ns", "flags")
TWO = (high(5, Grade.BLUE, on_delay_s=3), high(10))


def test_the_picture_of_a_channel_that_never_had_a_reading():
    latest = Core(catalogue(measured())).latest()["a"]
    assert (latest.time_ns, latest.quality, latest.grade) == (0, 9, Grade.NORMAL)


def test_the_picture_shows_the_newest_reading_with_its_quality_and_the_worst_grade():
    core = Core(catalogue(measured(limits=TWO, checks=Checks(fail_high=50)), fault("a", "range")))
    feed(core, [(0, 11), (1, 99)])
    assert list(core.latest()) == ["a"]
    picture = core.latest()["a"]
    revision, times, grades = core.newest()
    number = revision.channel_index["a"]
    assert (times[number], grades[number]) == (picture.time_ns, picture.grade.value)
    assert (picture.time_ns, picture.value, picture.quality) == (START + S, 99.0, 4)
    assert picture.grade is Grade.RED
    assert core.newest_ns("a") == START + S
    assert core.newest_ns("nobody") == 0


def test_an_empty_step_says_nothing():
    judged = Core(catalogue(measured())).step(Batch.empty())
    assert judged.changes == []
    assert len(judged.readings) == 0


def test_columns_of_any_form_are_judged_by_the_one_compiled_pass():
    core = Core(catalogue(measured(limits=TWO)))
    form = len(judge_readings.signatures)
    rows = batch([(1, 0, START + k * S, 11.0, START, 0) for k in range(8)])
    strided = Batch(*(getattr(rows, name)[::2] for name in COLUMNS))
    for name in COLUMNS:
        getattr(strided, name).flags.writeable = False
    assert [c.grade.word for c in core.step(strided).changes] == ["red"]
    assert len(judge_readings.signatures) == form


def test_counts_are_by_gateway():
    of = catalogue(measured("a"), measured("b", gateway="h"), gateways=("g", "h", "i"))
    core = Core(of)
    rows = [(1, 1, START, 0, START, 0), (1, 1, START, 0, START, 0), (1, 0, START, 0, START, 2)]
    judged = core.step(batch(rows))
    assert judged.stored.tolist() == [0, 2, 0]
    assert judged.late.tolist() == [0, 1, 0]
    assert judged.future.tolist() == [1, 0, 0]


def test_more_changes_than_one_run_of_the_pass_can_tell_are_all_told():
    channels = [measured(f"c{k}", limits=(high(1), low(-1))) for k in range(3000)]
    core = Core(catalogue(*channels))
    rows = [
        (n + 1, k, START + n * S, (2.0, -2.0, 0.0)[n % 3], START, 0)
        for n in range(4)
        for k in range(3000)
    ]
    judged = core.step(batch(rows))
    assert len(judged.changes) == 3000 * (1 + 2 + 1 + 1)
    assert all((c.evidence is not None) == (c.grade > c.previous) for c in judged.changes)
    again = Core(catalogue(*channels))
    found = [
        c for k in range(0, len(rows), 777) for c in again.step(batch(rows[k : k + 777])).changes
    ]
    assert found == judged.changes


def changed(before, after, points=((0, 11), (1, 11))):
    core = Core(before)
    feed(core, list(points), index=before.channel_index["a"])
    return core, core.change_catalogue(9, after, START + 7 * S)


def test_an_unchanged_channel_keeps_its_state_at_another_place():
    before = catalogue(measured(limits=TWO))
    after = catalogue(measured("z"), measured(limits=TWO), revision=2)
    core, changes = changed(before, after)
    assert changes == []
    assert core.newest_ns("a") == START + S
    assert core.latest()["a"].grade is Grade.RED
    later = feed(core, [(2, 6), (3, 6), (4, 0)], index=1, seq=10).changes
    assert brief(later) == [
        (2, "HIGH", "red", "normal", 10),
        (3, "HIGH", "normal", "blue", 5),  # the on-delay ran on from the first revision
        (4, "HIGH", "blue", "normal", 5),
    ]
    evidence = later[1].evidence
    assert evidence.revision == 2
    assert evidence.first_seq == 10


def test_a_limit_that_is_gone_lets_go():
    points = [(k, 11) for k in range(5)]
    core, changes = changed(
        catalogue(measured(limits=TWO)), catalogue(measured(limits=TWO[:1]), revision=2), points
    )
    assert brief(changes) == [(7, "HIGH", "red", "blue", 5)]
    changes = core.change_catalogue(10, catalogue(measured(), revision=3), START + 8 * S)
    assert brief(changes) == [(8, "HIGH", "blue", "normal", 5)]
    assert changes[0].seq == 10


def test_a_limit_with_a_new_value_stays_held_until_the_next_reading_judges_it():
    after = catalogue(measured(limits=(high(20), TWO[0])), revision=2)
    core, changes = changed(catalogue(measured(limits=TWO)), after)
    assert changes == []
    assert core.latest()["a"].grade is Grade.RED
    assert brief(feed(core, [(2, 11)]).changes) == [(2, "HIGH", "red", "normal", 20)]


def test_a_feature_with_other_parameters_begins_anew_and_one_with_the_same_goes_on():
    mean = derived("d", "rolling", "a", window_s=4, step_s=2, statistic="mean", limits=(high(1),))
    before = catalogue(measured(), mean)
    same = catalogue(measured(limits=TWO), mean, revision=2)
    core, changes = changed(before, same, [(k, 3) for k in range(5)])
    assert changes == []
    assert core.latest()["d"].grade is Grade.RED
    other = replace(
        mean,
        feature=replace(mean.feature, parameters={"window_s": 4, "step_s": 2, "statistic": "max"}),
    )
    changes = core.change_catalogue(9, catalogue(measured(), other, revision=3), START)
    assert [(c.channel, c.grade.word) for c in changes] == [(1, "normal")]
    assert core.latest()["d"].time_ns == 0


def test_a_wrong_catalogue_changes_nothing():
    core = Core(catalogue(measured(limits=TWO)))
    feed(core, [(0, 11)])
    with pytest.raises(ValueError, match="no channel"):
        core.change_catalogue(2, catalogue(derived("d", "scale", "nobody")), START)
    assert core.latest()["a"].grade is Grade.RED


def test_pending_silence_survives_a_new_catalogue():
    of = catalogue(measured(sample_interval_s=5), fault("a", "silent", high(1)), measured("b"))
    core = Core(of)
    for k in range(4):
        feed(core, [(k, 0)], index=2, seq=k + 1)
        assert ticks(core, 1, start_s=k) == []
    core.change_catalogue(50, replace(of, revision=2), START)
    found = []
    for k in range(4, 7):
        feed(core, [(k, 0)], index=2, seq=k + 1)
        found += [k] * len(ticks(core, 1, start_s=k))
    assert found == [5]


def test_the_picture_may_be_read_while_the_core_works_and_changes_its_catalogue():
    of = catalogue(*(measured(f"c{k}", limits=TWO) for k in range(50)))
    core, done, faults = Core(of), threading.Event(), []

    def look():
        while not done.is_set():
            try:
                assert len(core.latest()) == 50
                core.newest_ns("c7")
            except Exception as error:
                faults.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for n in range(60):
            rows = [(n + 1, k, START + n * S, float(n % 12), START, 0) for k in range(50)]
            core.step(batch(rows))
            if n % 10 == 0:
                core.change_catalogue(n, replace(of, revision=n), START)
    finally:
        done.set()
        watcher.join()
    assert faults == []


def test_an_extreme_value_is_judged_like_any_other():
    core = Core(catalogue(measured(limits=TWO, checks=Checks(spike=1, rate_per_s=1, flat_s=1))))
    judged = feed(core, [(0, 1.7e308), (1, -1.7e308), (2, -1.7e308)])
    assert judged.readings.quality.tolist() == [1, 4, 3]
    assert np.isfinite(judged.readings.value).all()
