"""What is left of a response once temperature is taken out, against numpy and by hand."""

import numpy as np
import pytest

from analytics.features import validate
from analytics.features.bank import Bank, Inputs
from tests.analytics.worlds import START, S, derived, measured


def bank(**parameters):
    channel = derived("d", "residual", "a", "b", **parameters)
    return Bank("residual", [(channel, [measured("a"), measured("b")])])


def advance(one, rows, restarted=()):
    """Rows are (second, port, value); port 0 is the response, 1 the temperature."""
    second, port, value = (np.array(column) for column in zip(*rows, strict=True))
    flags = np.zeros(len(rows), np.uint8)
    flags[list(restarted)] = 1
    out = one.advance(
        Inputs(
            np.zeros(len(rows), np.int32),
            port.astype(np.uint8),
            START + np.round(second * S).astype(np.int64),
            value.astype(np.float64),
            flags,
            np.zeros(len(rows), np.int64),
        )
    )
    return dict(zip(((out.time_ns - START) / S).tolist(), out.value.tolist(), strict=True))


def course(count, offset, slope, seed=1, noise=0.0):
    rng = np.random.default_rng(seed)
    warmth = 20 + 5 * np.sin(np.arange(count) / 30) + rng.normal(0, 0.1, count)
    response = offset + slope * warmth + rng.normal(0, noise, count)
    rows = []
    for k in range(count):
        rows += [(k - 0.5, 1, warmth[k]), (k, 0, response[k])]
    return rows, warmth, response


def test_given_coefficients_stand_from_the_first_reading():
    rows = [(0, 1, 10.0), (1, 0, 30.0), (2, 0, 31.0), (3, 1, 12.0), (4, 0, 30.0)]
    assert advance(bank(slope=2.0, offset=5.0), rows) == {1: 5.0, 2: 6.0, 4: 1.0}


def test_learnt_coefficients_are_numpys_line_over_the_span_and_stand_for_good():
    rows, warmth, response = course(300, 7.0, -1.5, noise=0.2)
    found = advance(bank(learn_s=200), rows)
    slope, offset = np.polyfit(warmth[:200], response[:200], 1)
    assert min(found) == 200
    for k in range(200, 300):
        assert found[k] == pytest.approx(response[k] - offset - slope * warmth[k], abs=1e-9)


def test_a_step_that_temperature_hides_stands_clear_in_the_residual():
    rows, _, _ = course(400, 7.0, 2.0, noise=0.05)
    rows = [(s, p, v + 1.0 if p == 0 and s >= 300 else v) for s, p, v in rows]
    found = advance(bank(learn_s=200), rows)
    assert max(abs(found[k]) for k in range(200, 300)) < 0.3
    assert min(found[k] for k in range(300, 400)) > 0.7


def test_a_slope_alone_leaves_the_offset_to_be_learnt():
    rows = [(0, 1, 10.0), *((k, 0, 25.0) for k in range(1, 12)), (12, 1, 11.0), (13, 0, 25.0)]
    found = advance(bank(slope=2.0, learn_s=8), rows)
    assert found == {9: 0.0, 10: 0.0, 11: 0.0, 13: -2.0}


def test_the_lag_is_the_first_order_answer_to_a_step():
    rows = [(0, 1, 0.0), *((k, 1, 1.0) for k in range(1, 100))]
    rows += [(99.5, 0, 0.0)]
    found = advance(bank(slope=1.0, offset=0.0, lag_s=20.0), rows)
    assert found[99.5] == pytest.approx(-(1 - np.exp(-99 / 20)), rel=1e-6)


def test_nothing_comes_before_three_lags_nor_from_a_stale_partner():
    rows = [(0, 1, 1.0), (10, 0, 1.0), (59, 1, 1.0), (60, 0, 1.0), (600, 0, 1.0)]
    assert set(advance(bank(slope=0.0, offset=0.0, lag_s=20.0), rows)) == {60}


def test_a_temperature_that_never_moves_teaches_no_slope():
    rows = [(0, 1, 20.0), *((k, 0, 3.0) for k in range(1, 12)), (12, 1, 25.0), (13, 0, 3.5)]
    assert advance(bank(learn_s=8), rows)[13] == 0.5


def test_a_clock_that_restarts_does_not_unlearn():
    one = bank(learn_s=8)
    advance(one, [(k / 2 - 1, k % 2, float(k % 2) * k) for k in range(1, 40)])
    before = (one.records["slope"][0], one.records["offset"][0])
    advance(one, [(5, 0, 1.0), (6, 1, 2.0), (7, 0, 1.0)], restarted=[0])
    assert (one.records["slope"][0], one.records["offset"][0]) == before
    assert one.records["learnt"][0] == 1


def test_an_offset_without_a_slope_is_refused():
    assert "give both" in validate("residual", {"offset": 1.0})[0]
