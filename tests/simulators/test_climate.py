"""The weather: plausible over a year, the same for whoever asks, and smooth."""

import numpy as np
import pytest

from domain.time import NS_PER_S, parse_rfc3339
from simulators.climate import Weather, wander

HOUR_NS = 3_600 * NS_PER_S
YEAR = parse_rfc3339("2026-01-01T00:00:00+08:00") + np.arange(0, 365 * 24) * HOUR_NS


@pytest.fixture(scope="module", params=[1, 2, 3])
def weather(request):
    return Weather(request.param)


def test_a_year_is_warm_in_july_and_cold_in_january(weather):
    air = weather.air_c(YEAR)
    month = np.arange(len(YEAR)) // 730
    assert 25 < air[month == 6].mean() < 33
    assert 0 < air[month == 0].mean() < 9
    assert air.min() > -12
    assert air.max() < 42


def test_afternoons_are_warmer_than_the_hours_before_dawn(weather):
    air = weather.air_c(YEAR).reshape(-1, 24)
    assert 3 < (air[:, 15] - air[:, 3]).mean() < 9


def test_the_sun_shines_by_day_only_and_more_in_summer(weather):
    sun = weather.sun_w_m2(YEAR).reshape(-1, 24)
    assert sun[:, :4].max() < 1
    assert 500 < sun.max() < 1_100
    assert sun[172].sum() > 0
    assert sun[150:210].mean() > 1.3 * sun[:30].mean()


def test_a_year_brings_rain_of_the_place_in_spells(weather):
    every_minute = YEAR[0] + np.arange(0, 365 * 24 * 60) * 60 * NS_PER_S
    rain = weather.rain_mm_h(every_minute)
    assert 600 < rain.sum() / 60 < 1_900
    assert 0.06 < (rain > 0).mean() < 0.25


def test_the_wind_has_a_mean_and_gusts_about_it(weather):
    seconds = YEAR[3_000] + np.arange(0, 3_600) * NS_PER_S
    wind, mean = weather.wind_m_s(seconds), weather.mean_wind_m_s(seconds)
    assert 2 < weather.mean_wind_m_s(YEAR).mean() < 5
    assert 0.1 < (wind / mean).std() < 0.3
    assert wind.min() > 0


def test_a_value_does_not_depend_on_what_is_asked_beside_it(weather):
    for name in ("air_c", "sun_w_m2", "wind_m_s", "rain_mm_h", "wind_from_deg", "cloud"):
        course = getattr(weather, name)
        whole = course(YEAR[:500])
        assert whole[137:140].tolist() == course(YEAR[137:140]).tolist()


def test_a_wandering_course_is_smooth_and_of_its_deviation():
    course = wander(5, 2.0, 600.0)
    seconds = np.arange(0, 400_000, 10) * NS_PER_S
    value = course(seconds)
    assert np.abs(np.diff(value)).max() < 0.35
    assert 1.2 < value.std() < 2.0
    assert abs(value.mean()) < 0.3
