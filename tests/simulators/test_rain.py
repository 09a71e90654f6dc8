"""Design storms: what falls is what the city's formula has, in every stretch about the crest."""

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.climate import Weather
from simulators.course import once
from simulators.rain import SHANGHAI, TIP_MM, Storm, rain_mm, tipped_mm

GRID = np.arange(0, 4 * 3_600, 10) * NS_PER_S


@pytest.mark.parametrize("years", [0.5, 3.0, 50.0])
def test_a_storm_brings_the_formulas_depth_in_its_worst_minutes(years):
    storm = Storm(once(600 * NS_PER_S), years)
    rain = storm.rain_mm(GRID, 10.0)
    assert rain.min() >= -1e-12
    assert rain.sum() == pytest.approx(SHANGHAI.depth_mm(years, 120.0))
    for minutes in (5, 10, 30, 60):
        steps = minutes * 6
        worst = np.convolve(rain, np.ones(steps), "valid").max()
        assert worst == pytest.approx(SHANGHAI.depth_mm(years, minutes), rel=0.02)


def test_its_crest_stands_where_it_should():
    storm = Storm(once(600 * NS_PER_S), 5.0)
    crest_s = float(np.argmax(storm.rain_mm(GRID, 10.0))) * 10.0
    assert abs(crest_s - 600.0 - storm.crest_s()) <= 10.0


def test_rarer_storms_are_heavier():
    assert SHANGHAI.mean_l_s_ha(50, 10) > SHANGHAI.mean_l_s_ha(5, 10) > SHANGHAI.mean_l_s_ha(5, 60)


def test_a_bucket_tips_whole_and_loses_nothing_but_what_is_in_it():
    rain = rain_mm((Storm(once(0), 2.0),), Weather(3), GRID, 10.0)
    told = tipped_mm(rain, 6)[::6]
    assert np.allclose(told / TIP_MM, np.round(told / TIP_MM))
    assert 0.0 <= rain[: -5 or None].sum() - told.sum() < 0.11 + rain[-6:].sum()
