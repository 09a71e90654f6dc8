"""What each feature computes, against numpy or by hand."""

import numpy as np
import pytest

from analytics.core import Core
from analytics.features import validate
from tests.analytics.worlds import START, S, batch, catalogue, derived, feed, high, measured


def series(kind, points, index=1, core=None, **parameters):
    """What a feature of ``a`` makes of (seconds, value) points, as (seconds, value)."""
    core = core or Core(catalogue(measured(), derived("d", kind, "a", **parameters)))
    readings = feed(core, points).readings
    own = np.flatnonzero(readings.channel == index)
    pairs = zip(readings.time_ns[own].tolist(), readings.value[own].tolist(), strict=True)
    return [((time_ns - START) / S, value) for time_ns, value in pairs]


def test_scale_makes_a_level_of_a_range():
    assert series("scale", [(0, 2), (1, 5)], offset=10, factor=-1) == [(0, 8), (1, 5)]


def test_code_90_is_somebody_trapped():
    codes = {"90": "red", 2: "yellow", "0": "normal"}
    points = list(enumerate([0, 90, 2, 57, 90.5]))
    found = series("code", points, codes=codes, default="blue")
    assert [value for _, value in found] == [0, 4, 2, 1, 1]


def test_a_rate_is_the_slope_of_numpys_line_at_any_spacing():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.choice([0.02, 0.5, 1.0], 300))
    values = 1e6 + 0.3 * times + rng.normal(0, 0.1, 300)
    points = list(zip(times.tolist(), values.tolist(), strict=True))
    found = dict(series("rate", points, window_s=20, per_s=60))
    assert len(found) > 200
    for second, slope in found.items():
        cell = 20 / 64
        cells = np.floor((times + START / S) / cell)
        now = np.floor((second + START / S) / cell)
        inside = (cells >= now - 64) & (times <= second + 1e-9)
        line = np.polyfit(times[inside] - second, values[inside] - 1e6, 1)
        assert slope == pytest.approx(60 * line[0], rel=1e-5, abs=1e-6)


def test_a_rate_waits_for_half_its_window_and_never_for_ever():
    assert [s for s, _ in series("rate", [(k, k) for k in range(9)], window_s=8)] == [4, 5, 6, 7, 8]
    assert series("rate", [(0, 0), (1, 3)], window_s=0.5) == [(1, 3)]  # two intervals at least


@pytest.mark.parametrize(
    ("statistic", "figure"),
    [
        ("mean", np.mean),
        ("min", np.min),
        ("max", np.max),
        ("sum", np.sum),
        ("rms", lambda x: np.sqrt(np.mean(np.square(x)))),
    ],
)
def test_a_rolling_value_is_that_of_its_window_at_each_boundary(statistic, figure):
    values = np.random.default_rng(2).normal(0, 3, 60)
    points = list(enumerate(values.tolist()))
    found = series("rolling", points, window_s=10, step_s=5, statistic=statistic)
    assert [s for s, _ in found] == [*range(5, 60, 5)]
    for second, value in found:
        window = values[max(0, round(second) - 10) : round(second)]
        assert value == pytest.approx(figure(window))


def test_a_rolling_cell_before_a_gap_is_told_behind_it():
    points = [(0, 1), (1, 3), (100, 9), (105, 0)]
    found = series("rolling", points, window_s=10, step_s=5, statistic="sum")
    assert found == [(5, 4), (105, 9)]


def test_a_sum_over_a_window_holds_at_any_spacing_and_over_holes():
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.choice([1.0, 7.0, 15.0, 400.0], 300, p=[0.5, 0.3, 0.15, 0.05]))
    values = rng.choice([0.0, 0.2, 1.0], 300)
    points = list(zip(times.tolist(), values.tolist(), strict=True))
    found = series("rolling", points, window_s=60, step_s=15, statistic="sum")
    assert len(found) > 100
    for second, total in found:
        inside = (times < second) & (times >= second - 60)
        assert total == pytest.approx(values[inside].sum(), abs=1e-9)


def test_a_difference_takes_the_partner_as_it_stands_in_the_journal():
    core = Core(
        catalogue(
            measured("a"),
            measured("b"),
            derived("d", "difference", "a", "b", scale=2, age_s_max=3),
        )
    )
    rows = [(0, 0, 5), (0, 1, 1), (1, 0, 5), (4, 0, 5), (3, 0, 9), (5, 0, 7), (6, 1, 2), (6, 0, 7)]
    at = [(k + 1, index, START + s * S, v, START, 0) for k, (s, index, v) in enumerate(rows)]
    readings = core.step(batch(at)).readings
    own = np.flatnonzero(readings.channel == 2)
    assert readings.value[own].tolist() == [3.0, 3.0]
    assert ((readings.time_ns[own] - START) // S).tolist() == [1, 6]


def test_an_enhancement_stands_above_the_percentile_of_the_finished_means():
    values = np.abs(np.random.default_rng(3).normal(2, 1, 80))
    values[70:] += 30
    points = list(enumerate(values.tolist()))
    found = dict(series("background", points, window_s=40, step_s=4, percentile=25))
    assert min(found) == 12  # a quarter of the window, in whole cells
    for second, value in found.items():
        done = int(second) // 4
        means = [values[4 * k : 4 * k + 4].mean() for k in range(max(0, done - 10), done)]
        assert value == pytest.approx(values[int(second)] - np.percentile(means, 25))


def test_features_of_features_are_graded_behind_their_inputs():
    core = Core(
        catalogue(
            derived("d2", "scale", "d1", factor=2, limits=(high(8),)),
            derived("d1", "scale", "a", factor=2, limits=(high(4),)),
            measured(limits=(high(2),)),
        )
    )
    changes = feed(core, [(0, 0), (1, 2)], index=2).changes
    assert [c.channel for c in changes] == [2, 1, 0]
    assert {c.seq for c in changes} == {2}


def test_a_restart_of_the_watermark_restarts_the_features_too():
    core = Core(catalogue(measured(), derived("d", "rate", "a", window_s=4)))
    feed(core, [(100 + k, k) for k in range(6)])
    back = [(9 + k, 0, START + k * S, 2.0 * k, START + (106 + k) * S, 0) for k in range(12)]
    readings = core.step(batch(back)).readings
    own = np.flatnonzero(readings.channel == 1)
    assert readings.value[own].tolist() == pytest.approx([2.0] * len(own))
    assert ((readings.time_ns[own] - START) // S).tolist() == list(range(5, 12))


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ([derived("d", "scale", "d")], "made of one another: d"),
        ([derived("d", "scale", "nobody")], "no channel 'nobody'"),
        ([measured(), derived("d", "scale", "a", factor="x")], "d: factor must be a number"),
        ([measured(), derived("d", "difference", "a")], r"2 input\(s\), not 1"),
        ([measured(), derived("d", "magic", "a")], "there is no feature 'magic'"),
    ],
)
def test_a_catalogue_with_a_wrong_feature_is_refused(channels, says):
    with pytest.raises(ValueError, match=says):
        Core(catalogue(*channels))


def conditions(rows, **parameters):
    """What ``together`` of three inputs makes of (row, input, seconds, value)."""
    inputs = [measured(name) for name in "abc"]
    core = Core(catalogue(*inputs, derived("d", "together", *"abc", **parameters)))
    ready = [
        (row, index, START + round(second * S), value, START, 0)
        for row, index, second, value in rows
    ]
    readings = core.step(batch(ready)).readings
    own = np.flatnonzero(readings.channel == 3)
    times = ((readings.time_ns[own] - START) / S).tolist()
    return list(zip(times, readings.value[own].tolist(), strict=True))


ONES = [[1, 1], [0, 0], [-0.05, 0.05]]


def test_together_is_1_while_every_input_lies_within_its_range():
    rows = [(1, 0, 0, 1), (2, 1, 1, 0), (3, 2, 2, 0.01), (4, 2, 3, -0.5), (5, 2, 4, 0.05)]
    assert conditions(rows, within=ONES) == [(2, 1), (3, 0), (4, 1)]
    assert conditions([*rows, (6, 1, 5, 1)], within=ONES)[-1] == (5, 0)


def test_together_takes_the_readings_of_one_row_and_time_as_one():
    told = [(1, 0, 0, 1), (1, 1, 0, 0), (1, 2, 0, 0)]
    changed = [(2, 0, 5, 0), (2, 1, 5, 1), (2, 2, 5, 0)]
    assert conditions([*told, *changed], within=ONES) == [(0, 1), (5, 0)]


def test_together_keeps_a_flickering_input_only_while_the_others_stay():
    begin = [(1, 0, 0, 1), (1, 1, 0, 0), (1, 2, 0, 0)]
    flicker = [(2, 0, 5, 0), (3, 0, 8, 1), (4, 0, 9, 0)]
    gone = [(5, 1, 20, 1), (6, 1, 30, 0)]
    found = conditions([*begin, *flicker, *gone], within=ONES, kept=1)
    assert found == [(0, 1), (5, 1), (8, 1), (9, 1), (20, 0), (30, 0)]
    assert (5, 0) in conditions([*begin, *flicker], within=ONES)


def test_together_does_not_keep_what_went_before_the_others_came():
    rows = [(1, 0, 0, 1), (1, 1, 0, 1), (1, 2, 0, 0), (2, 0, 3, 0), (3, 1, 5, 0)]
    assert conditions(rows, within=ONES, kept=1)[-1] == (5, 0)


def test_together_wants_a_range_for_each_input_and_one_that_is_not_kept():
    assert validate("together", {"within": ONES}, 3) == []
    assert "each of 2 inputs" in validate("together", {"within": ONES}, 2)[0]
    assert "kept" in validate("together", {"within": ONES, "kept": 3}, 3)[0]
    assert "kept" in validate("together", {"within": ONES, "kept": 0.5}, 3)[0]
    assert "range" in validate("together", {"within": [[1, 0], [0, 1]]}, 2)[0]
