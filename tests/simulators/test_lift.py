"""What a lift tells is possible, and its troubles take the timetable's place."""

import itertools

import pytest

from domain.time import NS_PER_S
from simulators.course import once
from simulators.lift import FLOORS, NAMES, Timetable, entrapment, faulty

BEGIN_NS = 1_790_000_400 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S


def states(timetable, start_ns, end_ns):
    """Yield (time, whole state), the heartbeats agreeing with what was told before."""
    state = {}
    for time_ns, values in timetable.events(start_ns, end_ns):
        state |= values
        if set(state) == set(NAMES):
            yield time_ns, dict(state)


@pytest.mark.parametrize("key", range(5))
def test_a_lift_moves_only_with_its_door_shut_and_one_floor_at_a_time(key):
    before = None
    for _, now in states(Timetable(key), BEGIN_NS, BEGIN_NS + DAY_NS // 4):
        assert 1 <= now["floor"] <= FLOORS
        assert not (now["car_speed"] and now["door"])
        if before is not None:
            assert abs(now["floor"] - before["floor"]) <= 1
            assert now["floor"] == before["floor"] or now["car_speed"]
        before = now


def test_events_stand_at_whole_milliseconds_one_each():
    events = Timetable(4).events(BEGIN_NS, BEGIN_NS + DAY_NS // 4)
    times = [time_ns for time_ns, _ in events]
    assert times == sorted(set(times))
    assert all(time_ns % 1_000_000 == 0 for time_ns in times)
    assert max(b - a for a, b in itertools.pairwise(times)) <= 60 * NS_PER_S


def test_an_entrapment_holds_the_car_with_its_passenger_until_it_is_over():
    begin_ns = BEGIN_NS + 777 * NS_PER_S
    timetable = Timetable(2, (entrapment(once(begin_ns), 400.0),))
    for time_ns, state in states(timetable, BEGIN_NS, BEGIN_NS + 3_600 * NS_PER_S):
        after_s = (time_ns - begin_ns) / NS_PER_S
        expected = 0 if not 0 <= after_s < 400 else 4 if after_s < 45 else 90
        assert state["fault_code"] == expected, after_s
        if expected:
            assert (state["passenger"], state["door"], state["car_speed"]) == (1, 0, 0.0)


def test_after_a_trouble_the_lift_is_where_its_timetable_has_it():
    calm = Timetable(2)
    troubled = Timetable(2, (faulty(once(BEGIN_NS + 100 * NS_PER_S), 300.0, 2),))
    released_ns = BEGIN_NS + 400 * NS_PER_S
    later = list(states(troubled, released_ns, released_ns + DAY_NS // 24))
    usual = dict(states(calm, BEGIN_NS, released_ns + DAY_NS // 24))
    assert later[0][0] == released_ns
    assert all(usual[time_ns] == state for time_ns, state in later if time_ns in usual)
    assert len([time_ns for time_ns, _ in later if time_ns not in usual]) <= 1
