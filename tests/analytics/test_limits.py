"""Graded limits: the boundary cases one by one, and the whole rule against a readable oracle."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.core import Core
from analytics.evidence import rejudge
from domain.catalogue import Checks
from domain.grade import Grade, Side
from tests.analytics.worlds import (
    START,
    S,
    brief,
    catalogue,
    feed,
    high,
    low,
    make_world,
    measured,
    run,
    ticks,
)


def judge(limits, points, **fields):
    core = Core(catalogue(measured(limits=tuple(limits), **fields)))
    return brief(feed(core, points).changes)


def test_a_reading_equal_to_the_limit_exceeds_it():
    assert judge([high(10)], [(0, 9.999), (1, 10)]) == [(1, "HIGH", "normal", "red", 10)]
    assert judge([low(-1)], [(0, -0.999), (1, -1)]) == [(1, "LOW", "normal", "red", -1)]


def test_a_reading_at_the_edge_of_the_deadband_does_not_release():
    points = [(0, 10), (1, 8), (2, 7.999)]
    assert judge([high(10, deadband=2)], points)[1:] == [(2, "HIGH", "red", "normal", 10)]
    points = [(0, -10), (1, -8), (2, -7.999)]
    assert judge([low(-10, deadband=2)], points)[1:] == [(2, "LOW", "red", "normal", -10)]


def test_the_on_delay_ends_at_the_reading_that_is_exactly_as_old():
    points = [(k, 11) for k in range(6)]
    assert judge([high(10, on_delay_s=5)], points) == [(5, "HIGH", "normal", "red", 10)]
    points[5] = (4.999999999, 11)
    assert judge([high(10, on_delay_s=5)], points) == []


def test_one_reading_below_begins_the_on_delay_again():
    points = [(0, 11), (1, 11), (2, 9), (3, 11), (4, 11), (5, 11)]
    assert judge([high(10, on_delay_s=2)], points) == [(5, "HIGH", "normal", "red", 10)]


def test_the_off_delay_ends_at_the_reading_that_is_exactly_as_old():
    points = [(0, 11), (1, 0), (2, 9.9), (3, 0), (4, 10), (5, 0), (6, 0), (7, 0)]
    found = judge([high(10, off_delay_s=2)], points)
    assert found[1:] == [(3, "HIGH", "red", "normal", 10), *found[2:]]
    assert found[2:] == [
        (4, "HIGH", "normal", "red", 10),
        (7, "HIGH", "red", "normal", 10),
    ]


def test_a_value_within_the_deadband_begins_the_off_delay_again():
    points = [(0, 11), (1, 0), (2, 9.5), (3, 0), (4, 0), (5, 0)]
    found = judge([high(10, deadband=1, off_delay_s=2)], points)
    assert found[1:] == [(5, "HIGH", "red", "normal", 10)]


def test_a_gap_of_more_than_three_intervals_breaks_a_pending_run_only():
    limits = [high(10, on_delay_s=3), high(5, Grade.BLUE)]
    assert judge(limits, [(0, 11), (3, 11)])[-1] == (3, "HIGH", "blue", "red", 10)
    broken = judge(limits, [(0, 11), (3.000000001, 11), (6, 11)])
    assert broken == [(0, "HIGH", "normal", "blue", 5)]


def test_a_failing_reading_neither_advances_nor_breaks_a_run():
    checks = Checks(fail_high=100)
    limits = [high(10, on_delay_s=2)]
    points = [(0, 11), (1, 500), (2, 500), (3, 11)]
    assert judge(limits, points, checks=checks) == [(3, "HIGH", "normal", "red", 10)]


def test_n_of_m_readings_open_the_limit_and_a_release_empties_the_history():
    limits = [high(10, n=3, m=5)]
    points = list(enumerate([11, 0, 11, 0, 11, 0, 0, 11, 11, 0, 11]))
    assert judge(limits, points) == [
        (4, "HIGH", "normal", "red", 10),
        (5, "HIGH", "red", "normal", 10),
        (10, "HIGH", "normal", "red", 10),
    ]


def test_sixty_four_of_sixty_four_need_every_one():
    points = [(k, 11) for k in range(64)]
    assert judge([high(10, n=64, m=64)], points) == [(63, "HIGH", "normal", "red", 10)]
    points[5] = (5, 0)
    assert judge([high(10, n=64, m=64)], points) == []


def test_the_grade_is_the_worst_held_and_falls_step_by_step():
    limits = [high(g * 10, Grade(g)) for g in (4, 1, 3, 2)]
    assert [c[2:] for c in judge(limits, [(0, 45), (1, 25), (2, 0)])] == [
        ("normal", "red", 40),
        ("red", "yellow", 20),
        ("yellow", "normal", 10),
    ]


def test_delays_of_a_channel_that_reports_on_change_run_on_ticks():
    limits = (high(10, on_delay_s=5, off_delay_s=3),)
    core = Core(catalogue(measured(limits=limits, on_change=True, sample_interval_s=1)))
    assert feed(core, [(0, 11)]).changes == []
    assert brief(ticks(core, 6)) == [(5, "HIGH", "normal", "red", 10)]
    assert feed(core, [(7, 0)], seq=2).changes == []
    assert brief(ticks(core, 4, start_s=7)) == [(10, "HIGH", "red", "normal", 10)]


def test_delays_of_other_channels_stand_still_without_readings():
    core = Core(catalogue(measured(limits=(high(10, on_delay_s=5),))))
    feed(core, [(0, 11)])
    assert ticks(core, 100) == []


class Oracle:
    """The limits of one channel, as the design says them, in dictionaries."""

    def __init__(self, limits, sample_interval_s):
        self.gap_ns = 3 * sample_interval_s * S
        self.newest_ns = None
        self.grades = {Side.HIGH: Grade.NORMAL, Side.LOW: Grade.NORMAL}
        self.states = [
            {"limit": x, "held": False, "on": None, "off": None, "last": []}
            for x in sorted(limits, key=lambda x: x.grade)
        ]

    def read(self, time_ns, value, quality):
        if self.newest_ns is not None and time_ns - self.newest_ns > self.gap_ns:
            for state in self.states:
                state["on"] = None
        self.newest_ns = time_ns
        if quality == 4:
            return []
        released = {}
        for state in self.states:
            if self.judge(state, time_ns, value):
                released.setdefault(state["limit"].side, state["limit"].value)
        return self.changes(time_ns, released)

    def judge(self, state, time_ns, value):
        limit, sign = state["limit"], -1 if state["limit"].side is Side.LOW else 1
        exceeds = sign * value >= sign * limit.value
        releases = sign * value < sign * limit.value - limit.deadband
        state["last"] = [*state["last"], exceeds][-limit.m :]
        if state["held"]:
            state["off"] = (state["off"] or time_ns) if releases else None
            if state["off"] and time_ns - state["off"] >= limit.off_delay_s * S:
                state.update(held=False, off=None, last=[])
                return True
        elif sum(state["last"]) >= limit.n:
            state["on"] = state["on"] or time_ns
            if exceeds and time_ns - state["on"] >= limit.on_delay_s * S:
                state.update(held=True, on=None)
        else:
            state["on"] = None
        return False

    def changes(self, time_ns, released):
        found = []
        for side in Side:
            held = [s["limit"] for s in self.states if s["held"] and s["limit"].side is side]
            grade = held[-1].grade if held else Grade.NORMAL
            if grade != self.grades[side]:
                limit = held[-1].value if held else released[side]
                found.append((time_ns, side, self.grades[side], grade, limit))
            self.grades[side] = grade
        return found


delays = st.sampled_from((0.0, 0.5, 1.0, 2.0, 3.5))


@st.composite
def limit_sets(draw):
    keys = st.tuples(st.sampled_from(list(Grade)[1:]), st.sampled_from(Side))
    limits = []
    for grade, side in draw(st.sets(keys, min_size=1, max_size=8)):
        m = draw(st.sampled_from((1, 1, 2, 5, 64)))
        limit = high(
            float(draw(st.integers(-3, 4))),
            grade,
            deadband=draw(st.sampled_from((0.0, 0.5, 2.0))),
            on_delay_s=draw(delays),
            off_delay_s=draw(delays),
            n=draw(st.integers(1, min(m, 3))),
            m=m,
        )
        limits.append(replace(limit, side=side))
    return tuple(limits)


@settings(max_examples=250, deadline=None)
@given(
    limits=limit_sets(),
    points=st.lists(
        st.tuples(
            st.sampled_from((S // 50, S // 2, S, S, 3 * S, 3 * S + 1)),
            st.sampled_from((-99.0, -4.0, -2.5, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 99.0)),
        ),
        max_size=60,
    ),
)
def test_the_kernel_says_what_the_oracle_says(limits, points):
    times, now = [], START
    for step_ns, _ in points:
        now += step_ns
        times.append((now - START) / S)
    checks = Checks(fail_low=-50, fail_high=50)
    core = Core(catalogue(measured(limits=limits, checks=checks)))
    oracle = Oracle(limits, 1)
    expected = []
    for second, (_, value) in zip(times, points, strict=True):
        quality = 4 if abs(value) > 50 else 1
        expected += oracle.read(START + round(second * S), value, quality)
    judged = feed(core, [(s, v) for s, (_, v) in zip(times, points, strict=True)])
    got = [(c.time_ns, c.side, c.previous, c.grade, c.limit) for c in judged.changes]
    assert got == expected


@pytest.mark.parametrize("seed", range(30))
def test_the_evidence_of_every_rise_reproduces_it(seed):
    of, rows = make_world(seed, 100)
    rises = [c for c in run(Core(of), rows)[0] if c.grade > c.previous]
    assert rises or seed
    for change in rises:
        assert change.evidence is not None
        assert change.evidence.readings[-1][1] == change.value
        assert len(change.evidence.readings) <= 512
        assert change.evidence.first_seq <= change.evidence.last_seq == change.seq
        assert rejudge(change.evidence, of.channels[change.channel]) == change.grade
