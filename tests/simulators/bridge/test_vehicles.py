"""The traffic stream: its weights, its hours, and superposition of what passes."""

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.bridge.influence import Beam
from simulators.bridge.vehicles import BY_HOUR, GRAVITY, Convoy, Lane, hourly, stream
from simulators.course import DAY_NS, LOCAL_OFFSET_NS, once

MIDNIGHT_NS = 20_700 * DAY_NS - LOCAL_OFFSET_NS
LANE = Lane(7)
LINE = Beam((40.0, 60.0, 40.0), 1.35e8).lines(70.0)[1]


def test_the_flow_of_a_day_follows_the_hours():
    slots = np.arange(MIDNIGHT_NS, MIDNIGHT_NS + 20 * DAY_NS, 4 * NS_PER_S) // (4 * NS_PER_S)
    known = LANE.vehicles(slots)
    there = known.load_kn.sum(axis=1) > 0
    hour = (known.start_ns + LOCAL_OFFSET_NS) % DAY_NS // (3600 * NS_PER_S)
    for each in (3, 8, 13, 17):
        share = there[hour == each].mean()
        assert share == pytest.approx(LANE.busiest * BY_HOUR[each], rel=0.12)


def test_weights_are_of_two_humps_and_none_is_absurd():
    known = LANE.vehicles(np.arange(200_000))
    tonnes = known.load_kn.sum(axis=1) / GRAVITY
    long = tonnes[(tonnes > 0) & (known.offset_m[:, 2] == 12.0)]
    assert 0.3 < (long > 30).mean() < 0.9
    assert long.max() < 60
    assert tonnes[tonnes > 0].min() > 0.5


def test_the_hours_join_at_midnight():
    flow = hourly()
    late, early = flow(np.array([MIDNIGHT_NS - 1, MIDNIGHT_NS]))
    assert late == pytest.approx(early, abs=1e-6)


def test_what_traffic_does_at_a_moment_is_the_sum_over_the_axles_then_on_the_bridge():
    moments = MIDNIGHT_NS + np.arange(8 * 3600, 8 * 3600 + 120, 7) * NS_PER_S
    found = stream(LANE, LINE.end_m, LINE.at)(moments)
    known = LANE.vehicles(
        np.arange(moments[0] // (4 * NS_PER_S) - 60, moments[-1] // (4 * NS_PER_S) + 1)
    )
    for moment_ns, value in zip(moments.tolist(), found.tolist(), strict=True):
        front_m = known.speed_m_s * (moment_ns - known.start_ns) / NS_PER_S
        place_m = front_m[:, None] - known.offset_m
        passed = (known.start_ns <= moment_ns)[:, None]
        assert value == pytest.approx((passed * known.load_kn * LINE.at(place_m)).sum(), abs=1e-12)


def test_traffic_is_the_same_one_moment_at_a_time():
    moments = MIDNIGHT_NS + np.arange(8 * 3600, 8 * 3600 + 300, 1) * NS_PER_S
    course = stream(LANE, LINE.end_m, LINE.at)
    assert course(moments).tolist() == [course(moments[k : k + 1])[0] for k in range(300)]


def test_a_convoy_comes_once_weighs_what_it_says_and_goes():
    convoy = Convoy(once(MIDNIGHT_NS), 5, 60.0, 20.0, 10.0)
    total = convoy.effect(lambda place: ((place >= 0) & (place <= 300)).astype(float))
    seconds = np.arange(-10, 100)
    loads = total(MIDNIGHT_NS + seconds * NS_PER_S)
    assert loads[seconds < 0].max() == 0
    assert loads.max() == pytest.approx(5 * 60 * GRAVITY)
    assert loads[seconds > 45].max() == 0
