"""The lag behind the weather, against the differential equation that it stands for."""

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.thermal import lagged

HOUR_NS = 3600 * NS_PER_S
TIMES = 500_000 * HOUR_NS + np.arange(0, 48 * HOUR_NS, HOUR_NS // 4)


def wave(time_ns):
    return 20.0 + 5.0 * np.cos(2 * np.pi * (time_ns % (24 * HOUR_NS)) / (24 * HOUR_NS))


@pytest.mark.parametrize("lag_h", [1.0, 3.0, 6.0])
def test_a_daily_wave_comes_smaller_and_later_as_the_equation_has_it(lag_h):
    turn = 2 * np.pi / 24 * lag_h
    expected = 20 + 5 / np.hypot(1, turn) * np.cos(
        2 * np.pi * (TIMES % (24 * HOUR_NS)) / (24 * HOUR_NS) - np.arctan(turn)
    )
    assert lagged(wave, lag_h * 3600)(TIMES) == pytest.approx(expected, abs=0.25)


def test_a_constant_stays_what_it_is():
    assert lagged(lambda t: np.full(len(t), 7.0), 7_200)(TIMES) == pytest.approx(7.0)


def test_it_is_the_same_however_a_span_is_cut():
    whole = lagged(wave, 7_200)(TIMES)
    other = lagged(wave, 7_200)
    assert [other(TIMES[k : k + 1])[0] for k in range(len(TIMES))] == whole.tolist()
