"""Physics with a past: one value for each time, whatever was asked before; nothing is lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.time import NS_PER_S
from simulators.course import DAY_NS
from simulators.days import Days, mixed, routed

T0_NS = 20_000 * DAY_NS


def tank(time_ns):
    inflow = 1.0 + np.sin(time_ns / (3_600.0 * NS_PER_S))
    return {"tank": mixed(inflow / 3_600.0, np.full(len(time_ns), 1 / 3_600.0), 60.0)}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3 * DAY_NS), min_size=1, max_size=20))
def test_a_value_does_not_depend_on_what_was_asked_before(moments):
    times = T0_NS + np.sort(np.array(moments, np.int64))
    whole = Days(60.0, tank).course("tank")(times)
    alone = [Days(60.0, tank).course("tank")(times[k : k + 1])[0] for k in range(len(times))]
    assert whole.tolist() == alone


def test_days_join_where_one_takes_over_from_the_other():
    every = T0_NS + np.arange(0, 3 * 1_440) * 60 * NS_PER_S
    assert np.abs(np.diff(Days(60.0, tank).course("tank")(every))).max() < 0.02


def test_a_mixed_volume_comes_to_the_balance_of_inflow_and_exchange():
    held = mixed(np.full(1_000, 0.02), np.full(1_000, 0.01), 10.0)
    assert held[0] == 0.0
    assert abs(held[-1] - 2.0) < 1e-9
    assert abs(held[10] - 2.0 * (1.0 - np.exp(-1.0))) < 1e-9


def test_a_closed_volume_keeps_all_that_flows_in():
    assert abs(mixed(np.full(101, 0.5), np.zeros(101), 2.0)[-1] - 100.0) < 1e-9


@settings(max_examples=30, deadline=None)
@given(st.floats(20, 900), st.integers(1, 4), st.floats(0, 900))
def test_a_cascade_lets_out_what_flows_in_and_not_before(storage_s, tanks, delay_s):
    inflow = np.zeros(10_000)
    inflow[100:200] = 3.0
    out = routed(inflow, storage_s, tanks, delay_s, 10.0)
    assert abs(out.sum() - inflow.sum()) < 1e-6 * inflow.sum()
    assert out[:100].max() < 1e-9
    assert out.max() <= 3.0 + 1e-9
    centre = (np.arange(10_000) * out).sum() / out.sum() - 149.5
    assert abs(centre * 10.0 - storage_s * tanks - delay_s) < 15.0
