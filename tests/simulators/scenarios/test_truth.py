"""What ought to be raised is taken from the truth, with room for what an instrument may be off by."""

import numpy as np
import pytest

from domain.grade import Condition, Grade
from domain.time import NS_PER_S
from simulators.course import swell
from simulators.scenarios import drainage, gas
from simulators.scenarios.scenario import BEGIN_NS, after
from simulators.scenarios.truth import Watch, summed

LIMITS = ((Grade.BLUE, 10.0), (Grade.YELLOW, 20.0))


def wanted(height, condition=Condition.HIGH, sign=1.0):
    course = swell(after(600.0), 200.0, 400.0, 200.0, height)
    limits = [(grade, sign * limit) for grade, limit in LIMITS]
    truth = lambda time_ns: sign * course(time_ns)  # noqa: E731
    return Watch("one", truth, limits, 30.0, 0.1, 0.05, condition=condition).wanted(3_600.0)


def test_nothing_is_wanted_of_a_truth_that_stays_below():
    assert wanted(9.0) == ((), ())


def test_a_truth_close_to_a_limit_may_raise_it_or_not():
    assert wanted(10.2) == ((), (("one", Condition.HIGH),))


@pytest.mark.parametrize(("condition", "sign"), [(Condition.HIGH, 1.0), (Condition.LOW, -1.0)])
def test_the_worst_grade_surely_passed_is_wanted_from_when_it_is(condition, sign):
    (one,), may = wanted(15.0, condition, sign)
    assert (one.channel, one.condition, one.grade, one.most) == (
        "one",
        condition,
        Grade.BLUE,
        Grade.BLUE,
    )
    assert 600.0 < one.first_s < 800.0 < one.last_s + 60.0 < 900.0
    assert one.returns
    assert may == ()


def test_a_truth_between_two_grades_may_come_to_the_worse_one():
    (one,), _ = wanted(20.3)
    assert (one.grade, one.most) == (Grade.BLUE, Grade.YELLOW)


def test_a_sum_looks_back_over_its_window():
    moments = BEGIN_NS + np.arange(0, 1_000, 10) * NS_PER_S
    ones = summed(lambda time_ns: np.where(time_ns > BEGIN_NS, 1.0, 0.0), 100.0, 10.0)
    assert ones(moments)[[0, 5, 10, 50]].tolist() == [0.0, 5.0, 10.0, 10.0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_causes_that_must_alarm_do_at_every_facility(seed):
    def grades(scenario, name):
        return max(one.grade for one in scenario.must if name in one.channel)

    assert grades(gas.slow_leak(seed), "ethane") >= Grade.YELLOW
    assert grades(drainage.blocked_pipe(seed), "drop-2-3") >= Grade.YELLOW
    assert grades(drainage.pump_failure(seed), "underpass") >= Grade.YELLOW
    assert grades(drainage.cloudburst_50_years(seed), "underpass") >= Grade.BLUE
    assert not gas.biogas_day(seed).must
    assert not gas.wet_weather_flush(seed).must
    assert not drainage.ordinary_rain(seed).must


@pytest.mark.parametrize("length_s", [900.0, 905.0, 865.0])
def test_what_comes_to_be_at_the_very_end_may_be_raised_and_need_not(length_s):
    late = lambda time_ns: np.where(time_ns >= BEGIN_NS + 840 * NS_PER_S, 15.0, 0.0)  # noqa: E731
    watch = Watch("one", late, LIMITS, 30.0, 0.1, 0.05)
    assert watch.wanted(length_s) == ((), (("one", Condition.HIGH),))
    (one,), _ = watch.wanted(1_000.0)
    assert one.last_s == 930.0
