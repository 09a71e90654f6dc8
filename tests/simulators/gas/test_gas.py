"""A gas section by its physics."""

from dataclasses import replace

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.climate import Weather
from simulators.course import drift, once
from simulators.gas import Detector, GasStreet, Leak, Ventilation, Works, escape_m3_h
from simulators.gas.soil import Trench
from simulators.rain import Storm

BEGIN_NS = 1_789_995_600 * NS_PER_S
LEAK = Leak(once(BEGIN_NS), 2.0, 40.0)
HOURS = BEGIN_NS + np.arange(0, 8 * 3_600, 60) * NS_PER_S


def street(**causes):
    return replace(GasStreet(5, "a street", manholes=4), **causes)


def arrival(values, value):
    return int(np.argmax(values >= value))


def test_gas_in_the_trench_arrives_later_and_weaker_the_farther_it_is():
    trench, age_s = Trench(), np.arange(1.0, 200_000.0, 60.0)
    near, far = (trench.filled(LEAK, way_m, age_s) for way_m in (5.0, 20.0))
    assert arrival(near, 0.1) < arrival(far, 0.1)
    assert near[-1] > far[-1]
    assert (np.diff(near) >= 0.0).all()
    assert near[-1] == pytest.approx(np.exp(-5.0 / trench.loss_m), rel=1e-3)
    assert trench.filled(LEAK, 5.0, np.array([-1.0, 0.0])).tolist() == [0.0, 0.0]


def test_half_of_the_plateau_is_there_when_the_displaced_air_has_passed():
    trench = Trench(dispersion=0.01)
    passed_s = 10.0 / trench.front_m_s(LEAK.rate_m3_h)
    half = trench.filled(LEAK, 10.0, np.array([passed_s]))[0]
    assert half == pytest.approx(0.5 * np.exp(-10.0 / trench.loss_m), rel=1e-6)


def test_a_worse_leak_is_sooner_and_more():
    slow, fast = (
        street(leaks=(replace(LEAK, rate_m3_h=rate),)).true_lel(1)(HOURS) for rate in (2.0, 6.0)
    )
    assert (fast >= slow - 1e-12).all()
    assert arrival(fast, 10.0) < arrival(slow, 10.0)


def test_the_nearest_manhole_fills_first_and_most():
    leaking = street(leaks=(LEAK,))
    far = max(range(4), key=lambda number: leaking.way_m(LEAK, number))
    near = min(range(4), key=lambda number: leaking.way_m(LEAK, number))
    assert leaking.true_lel(near)(HOURS).max() > 20 * leaking.true_lel(far)(HOURS).max()


def test_a_manhole_settles_where_what_enters_is_what_is_exchanged():
    leaking = street(leaks=(LEAK,))
    number, end_ns = 1, np.array([BEGIN_NS + 40 * 3_600 * NS_PER_S])
    shaft = leaking.shaft(number)
    entering = leaking.trench.reaching_m3_s(LEAK, leaking.way_m(LEAK, number), shaft.takes, end_ns)
    exchange = shaft.exchange_m3_s(leaking.weather, end_ns)
    settled = 100.0 * entering / (entering + exchange) / 0.05
    assert leaking.true_lel(number)(end_ns) == pytest.approx(settled, rel=0.15)


def test_biogas_has_a_daily_course_and_no_ethane():
    calm = street(biogas=3.0, lasers=(1,))
    day = BEGIN_NS + np.arange(0, 24 * 6) * 600 * NS_PER_S
    assert calm.true_lel(1)(day).max() > 1.3 * calm.true_lel(1)(day).min()
    assert calm.days.course("ethane 1")(day).max() == 0.0
    doubled = street(biogas=6.0).true_lel(1)(day)
    assert doubled == pytest.approx(2.0 * calm.true_lel(1)(day))


def test_ethane_is_as_much_of_the_gas_as_the_pipeline_has():
    leaking = street(leaks=(LEAK,), biogas=0.0)
    methane, ethane = leaking.true_lel(1)(HOURS), leaking.days.course("ethane 1")(HOURS)
    assert ethane == pytest.approx(methane / 100.0 * 0.05 * 0.03 * 1e6)


def test_rain_drives_methane_out_and_then_flushes_it():
    dry = street(seed=2, biogas=3.0)
    wet = street(seed=2, biogas=3.0, storms=(Storm(once(BEGIN_NS + 3_600 * NS_PER_S), 1.0),))
    ratio = wet.true_lel(2)(HOURS) / dry.true_lel(2)(HOURS)
    assert ratio[:60] == pytest.approx(1.0)
    assert ratio[60:120].max() > 1.0
    assert ratio[300:].max() < 0.5


def test_a_blower_clears_a_manhole_in_minutes():
    aired = Ventilation(once(BEGIN_NS + 4 * 3_600 * NS_PER_S), 3_600.0)
    true_lel = street(leaks=(LEAK,), ventilations=(aired,)).true_lel(1)(HOURS)
    assert true_lel[239] > 20.0
    assert true_lel[270] < 0.2 * true_lel[239]
    assert true_lel[360] > true_lel[290]


def test_a_hit_pipe_takes_the_pressure_down_and_a_pinhole_does_not():
    whole = street().pressure_kpa(HOURS)
    hit = street(leaks=(Leak(once(BEGIN_NS), escape_m3_h(25.0)),)).pressure_kpa(HOURS)
    pinhole = street(leaks=(Leak(once(BEGIN_NS), escape_m3_h(0.5)),)).pressure_kpa(HOURS)
    assert (whole - hit).min() > 50.0
    assert (whole - pinhole).max() < 0.1
    assert escape_m3_h(2.0) == pytest.approx(4.0 * escape_m3_h(1.0))


def test_works_shake_and_puff_while_they_last():
    calm, dug = street(), street(works=(Works(once(BEGIN_NS), 7_200.0),))
    added = dug.true_lel(0)(HOURS) - calm.true_lel(0)(HOURS)
    assert 0.5 < added[:120].max() <= 5.0
    assert added[121:].max() == 0.0


def test_a_poisoned_detector_shows_half_and_half_again_and_a_drifting_one_its_drift():
    humid, time_ns = np.full(3, 60.0), np.array([0, 3_600, 7_200]) * NS_PER_S
    dying = Detector(poisoned=once(0), half_s=3_600.0)
    assert dying.shown(np.full(3, 40.0), time_ns, humid).tolist() == [40.0, 20.0, 10.0]
    assert dying.shown(np.zeros(3), time_ns, humid).tolist() == [0.0, 0.0, 0.0]
    sinking = Detector(zero=drift(0, -24.0, 1e9))
    assert sinking.shown(np.zeros(3), time_ns, humid).tolist() == [0.0, -1.0, -2.0]


def test_a_detector_is_at_its_end_at_the_lower_explosive_limit():
    shown = Detector().shown(np.array([99.0, 400.0]), np.array([0, 0]), np.full(2, 60.0))
    assert shown.tolist() == [99.0, 100.0]


@pytest.mark.parametrize("seed", [1, 2])
def test_calm_days_of_autumn_and_summer_stay_far_below_the_first_limit(seed):
    calm = GasStreet(seed, "a street")
    days = BEGIN_NS + np.array([0, 300])[:, None] * 86_400 * NS_PER_S
    times = (days + np.arange(0, 24) * 3_600 * NS_PER_S).ravel()
    assert max(calm.true_lel(number)(times).max() for number in range(3)) < 6.0
    assert Weather(seed) == calm.weather
