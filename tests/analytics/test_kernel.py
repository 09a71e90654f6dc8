"""The pass itself: compiled and as written, quality checks, late and future readings, restarts."""

from types import FunctionType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import core as core_module
from analytics import flat, kernel
from analytics.core import Core
from analytics.features import KINDS
from domain.catalogue import Checks
from domain.grade import Grade
from tests.analytics.worlds import (
    START,
    S,
    assert_same,
    batch,
    brief,
    catalogue,
    fault,
    feed,
    high,
    low,
    make_world,
    measured,
    run,
)


def as_written():
    """The pass and all that it calls, uncompiled."""
    names = dict(flat.extend_flat_run.py_func.__globals__)
    for name in ("_push_step", "_drop_steps"):
        names[name] = getattr(flat, name).py_func
    extend = FunctionType(flat.extend_flat_run.py_func.__code__, names)
    scope = kernel.judge_readings.py_func.__globals__ | {
        "extend_flat_run": extend,
        "prefetch": lambda records, index: None,  # a hint to the processor, and no more
    }
    return FunctionType(kernel.judge_readings.py_func.__code__, scope)


@pytest.mark.parametrize("seed", range(12))
def test_the_compiled_pass_says_what_the_pass_as_written_says(seed, monkeypatch):
    of, rows = make_world(seed, 100)
    compiled = run(Core(of), rows)
    monkeypatch.setattr(core_module, "judge_readings", as_written())
    written = Core(of)
    for level in written._house.levels:
        for bank in level.banks:
            monkeypatch.setattr(bank, "_advance", KINDS[bank.kind].advance.py_func)
    assert_same(compiled, run(written, rows))


def qualities(points, sample_interval_s=1.0, **checks):
    core = Core(catalogue(measured(sample_interval_s=sample_interval_s, checks=Checks(**checks))))
    return feed(core, list(points)).readings.quality.tolist()


def test_values_out_of_range_fail_and_values_out_of_the_usual_are_suspect():
    points = enumerate([-3, -2, -1, 0, 1, 2, 3])
    spans = {"fail_low": -2, "fail_high": 2, "suspect_low": -1, "suspect_high": 1}
    assert qualities(points, **spans) == [4, 3, 1, 1, 1, 3, 4]


def test_a_spike_fails_and_a_step_that_stays_is_real_from_its_second_reading():
    assert qualities(enumerate([0, 9, 0, 0]), spike=5) == [1, 4, 1, 1]
    assert qualities(enumerate([0, 9, 9, 9]), spike=5) == [1, 4, 1, 1]
    assert qualities(enumerate([0, 5, 10]), spike=5) == [1, 1, 1]


def test_a_spike_threshold_of_zero_is_a_threshold():
    assert qualities(enumerate([0, 0, 1, 0, 2, 2]), spike=0) == [1, 1, 4, 1, 4, 1]


def test_rates_are_exact_below_a_second():
    step = [(k / 50, k * 0.25) for k in range(10)]  # 12.5 a second
    assert qualities(step, 0.02, rate_per_s=12) == [1] + [3] * 9
    assert qualities(step, 0.02, rate_per_s=13) == [1] * 10
    assert qualities([(0, 0), (1.999, 1.5)], rate_per_s=0.8) == [1, 1]
    assert qualities([(0, 0), (1.999, 1.5)], rate_per_s=0.75) == [1, 3]


def test_a_frozen_value_is_found_at_50_hz_with_a_tolerance_of_zero():
    frozen = [(k / 50, 1.5) for k in range(120)]
    assert qualities(frozen, 0.02, flat_s=2) == [1] * 100 + [3] * 20
    alive = [(k / 50, 1.5 + (k % 40 == 0) * 1e-9) for k in range(400)]
    assert qualities(alive, 0.02, flat_s=2) == [1] * 400


def test_sparse_readings_are_not_flat_by_default():
    assert qualities([(0, 1), (60, 1), (120, 2)], 60, flat_s=30) == [1, 3, 1]


def test_a_gap_ends_a_flat_run():
    assert qualities([(0, 1), (1, 1), (9, 1), (10, 1), (11, 1)], flat_s=2) == [1, 1, 1, 1, 3]


@settings(max_examples=200, deadline=None)
@given(
    points=st.lists(st.tuples(st.integers(1, 3), st.integers(-3, 3)), min_size=1, max_size=80),
    tolerance=st.sampled_from((0.0, 1.0, 2.0, 4.0)),
    flat_s=st.sampled_from((1.0, 4.0, 9.0)),
)
def test_the_flat_run_is_the_longest_whatever_the_readings(points, tolerance, flat_s):
    times, now = [], 0
    for step, _ in points:
        now += step
        times.append(now)
    values = [value for _, value in points]
    expected = []
    for i in range(len(points)):
        first = i
        while (
            first and max(values[first - 1 : i + 1]) - min(values[first - 1 : i + 1]) <= tolerance
        ):
            first -= 1
        expected.append(3 if times[i] - times[first] >= flat_s else 1)
    got = qualities(zip(times, values, strict=True), flat_s=flat_s, flat_tolerance=tolerance)
    assert got == expected


def test_a_slow_climb_through_many_steps_is_never_called_flat_too_early():
    climb = [(k, k / 100) for k in range(300)]
    found = qualities(climb, flat_s=50, flat_tolerance=1)
    assert found[:50] == [1] * 50
    assert 3 in found  # within the tolerance for 100 s: found, if some steps later
    assert set(qualities(climb, flat_s=101, flat_tolerance=1)) == {1}


def test_a_reading_that_is_not_newer_changes_nothing():
    core = Core(catalogue(measured(limits=(high(10),))))
    judged = feed(core, [(5, 0), (4, 11), (5, 11), (6, 0)])
    assert judged.changes == []
    assert judged.stored.tolist() == [4]
    assert judged.late.tolist() == [2]
    assert core.newest_ns("a") == START + 6 * S
    assert len(judged.readings) == 4


CLOCK = (
    measured(limits=(high(10), high(5, Grade.BLUE)), checks=Checks(fail_high=100)),
    fault("a", "clock", *(high(g, Grade(g)) for g in (1, 2, 3, 4))),
)


def test_a_future_reading_is_not_stored_and_its_grade_becomes_a_clock_fault():
    core = Core(catalogue(*CLOCK))
    rows = [
        (1, 0, START, 0.0, START, 0),
        (2, 0, START + 900 * S, 6.0, START + S, 2),
        (3, 0, START + 900 * S, 12.0, START + 2 * S, 2),
        (4, 0, START + 900 * S, 500.0, START + 3 * S, 2),
        (5, 0, START + 4 * S, 0.0, START + 5 * S, 0),
    ]
    judged = core.step(batch(rows, heard=[0]))
    assert len(judged.readings) == judged.stored.sum() == 2
    assert judged.future.tolist() == [3]
    assert [(c.channel, c.grade.word, c.time_ns) for c in judged.changes] == [
        (1, "blue", START + S),
        (1, "red", START + 2 * S),
        (1, "blue", START + 3 * S),
        (1, "normal", START + 5 * S),
    ]


def set_back(seconds, first_s=100):
    """A clock that is set back by an hour at ``first_s``, for so many readings a second apart."""
    return [
        (2 + k, 0, START + (first_s + k - 3600) * S, 11.0, START + (first_s + k) * S, 0)
        for k in range(seconds)
    ]


def test_a_clock_set_back_restarts_the_watermark_after_three_intervals():
    core = Core(catalogue(*CLOCK))
    feed(core, [(99, 0)])
    assert core.step(batch(set_back(3))).changes == []
    judged = core.step(batch(set_back(1, 103)))
    assert judged.late.sum() == 0
    assert [(c.channel, c.grade.word) for c in judged.changes] == [(0, "red"), (1, "blue")]
    assert core.newest_ns("a") == START + (103 - 3600) * S
    judged = core.step(batch(set_back(1, 104)))
    assert [(c.channel, c.grade.word) for c in judged.changes] == [(1, "normal")]


def test_a_backlog_shorter_than_three_intervals_changes_nothing():
    core = Core(catalogue(*CLOCK))
    feed(core, [(99, 0)])
    backlog = [(2, 0, START + k * S, 11.0, START + 100 * S, 0) for k in range(90)]
    judged = core.step(batch(backlog))
    assert judged.changes == []
    assert judged.late.sum() == 90


def test_range_faults_rise_and_fall_with_the_readings():
    core = Core(
        catalogue(
            measured(checks=Checks(fail_high=9)),
            fault("a", "range", high(1, Grade.BLUE, n=2, m=3)),
        )
    )
    judged = feed(core, list(enumerate([0, 99, 0, 99, 0, 0])))
    assert brief(judged.changes) == [
        (3, "HIGH", "normal", "blue", 1),
        (4, "HIGH", "blue", "normal", 1),
    ]
    picture = core.latest(["a:range", "nobody"])
    assert list(picture) == ["a:range"]
    assert (picture["a:range"].value, picture["a:range"].grade) == (0.0, Grade.NORMAL)


def test_noise_is_the_share_of_unsteady_readings_among_the_last_32():
    core = Core(catalogue(measured(checks=Checks(rate_per_s=1)), fault("a", "noise", high(0.25))))
    judged = feed(core, [(k, 5 * (k % 2) if k < 20 else 0) for k in range(60)])
    # Readings 1 to 20 were suspect; the ninth-last of them leaves the 32 at reading 44.
    assert [c[0] for c in brief(judged.changes)] == [8, 45]


def test_a_stuck_fault_lasts_as_long_as_the_value_does():
    core = Core(catalogue(measured(checks=Checks(flat_s=3)), fault("a", "stuck", high(1))))
    judged = feed(core, [(k, 7) for k in range(6)] + [(6, 8)])
    assert [c[0] for c in brief(judged.changes)] == [3, 6]


def test_a_fault_value_of_zero_may_itself_exceed():
    core = Core(catalogue(measured(), fault("a", "range", low(0))))
    assert [c[0] for c in brief(feed(core, [(0, 1), (1, 1)]).changes)] == [0]
