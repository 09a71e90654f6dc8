"""Courses and the occasions that set them off."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.time import NS_PER_S
from simulators.course import NEVER, Occasion, daily, drift, once, swell, traffic
from simulators.noise import bell, uniform


def at(*seconds):
    return np.array([round(second * NS_PER_S) for second in seconds], np.int64)


REPEATED = Occasion(once_ns=(10, 40), first_ns=100, period_ns=50)


def test_an_occasion_tells_how_long_ago_it_last_began():
    moments = np.array([0, 10, 39, 40, 99, 100, 149, 150, 1_000])
    assert REPEATED.since_ns(moments).tolist() == [NEVER, 0, 29, 0, 59, 0, 49, 0, 0]


@given(st.integers(-1_000, 10_000))
def test_the_latest_beginning_and_the_time_since_it_agree(moment):
    latest = REPEATED.latest(moment)
    since = REPEATED.since_ns(np.array([moment]))[0]
    assert since == (NEVER if latest is None else moment - latest)


def test_an_occasion_without_a_period_comes_once():
    assert Occasion(first_ns=5).since_ns(np.array([4, 5, 500])).tolist() == [NEVER, 0, 495]
    assert Occasion(first_ns=5).latest(500) == 5


def test_a_swell_is_nothing_before_full_while_it_holds_and_nothing_after():
    course = swell(once(10 * NS_PER_S), 10, 20, 10, 8.0)
    assert course(at(0, 10, 15, 20, 40, 45, 50, 500)).tolist() == [0, 0, 4, 8, 8, 4, 0, 0]


def test_a_drift_rises_steadily_and_then_stays():
    assert drift(0, 86_400.0, 100.0)(at(-5, 0, 50, 100, 900)).tolist() == [0, 0, 50, 100, 100]


def test_a_daily_course_peaks_at_its_hour_of_local_time():
    course = daily(10.0, 2.0, 16.0)
    assert course(at(8 * 3600, 20 * 3600)).tolist() == [12.0, 8.0]


@given(st.integers(0, 2**62), st.integers(1, 50))
def test_noise_does_not_depend_on_what_stands_beside_it(first, count):
    index = np.arange(first, first + count, dtype=np.int64)
    alone = [float(bell(7, index[place : place + 1])[0]) for place in range(count)]
    assert bell(7, index).tolist() == alone


def test_noise_has_the_moments_it_promises_and_is_bounded():
    index = np.arange(200_000)
    drawn, even = bell(3, index), uniform(3, index)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1.0) < 0.01
    assert abs(drawn).max() < 3.47
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.01
    assert abs(even.mean() - 0.5) < 0.01
    assert even.min() >= 0.0
    assert even.max() < 1.0


def test_traffic_is_never_more_than_its_heaviest_vehicle():
    load = traffic(1, 12.0, 5.0, 20.0)(at(*range(86_400)))
    assert load.min() >= 0.0
    assert 10.0 < load.max() <= 20.0
    assert load.mean() < 3.0
