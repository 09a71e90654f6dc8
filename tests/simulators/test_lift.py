"""What a lift does is possible, its passengers are conserved, and its troubles are what they say."""

import itertools

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.course import once
from simulators.lift import (
    NAMES,
    Building,
    Door,
    Mode,
    Timetable,
    Use,
    building_of,
    button_pressed,
    door_held,
    entrapment,
    faulty,
    inspection,
    opened_in_run,
    power_loss,
    reopenings,
    shut_in,
    unintended_movement,
)
from simulators.lift.building import calls_of
from simulators.lift.car import Car
from simulators.lift.timetable import DAY_MS, TURN_MS

BEGIN_NS = 1_790_000_400 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
AT_NS = BEGIN_NS + 1_777 * NS_PER_S
AT = once(AT_NS)
TROUBLES = {
    "entrapment": entrapment(AT, 400.0),
    "button": entrapment(AT, 900.0, every_s=60.0),
    "shut in": shut_in(AT, 300.0),
    "faulty": faulty(AT, 200.0, 2),
    "held": door_held(AT, 300.0),
    "reopenings": reopenings(AT, 120.0),
    "child": button_pressed(AT),
    "inspection": inspection(AT, 900.0),
    "power": power_loss(AT, 600.0),
}


def states(timetable, start_ns, end_ns):
    """Yield (time, whole state), the heartbeats agreeing with what was told before."""
    state = {}
    for time_ns, values in timetable.events(start_ns, end_ns):
        if len(values) == len(NAMES) and set(state) == set(NAMES):
            changed = {name for name in NAMES if values[name] != state[name]}
            assert not changed or len(changed) < len(NAMES)
        state |= values
        if set(state) == set(NAMES):
            yield time_ns, dict(state)


def assert_possible(timetable, start_ns, end_ns):
    before = None
    for _, now in states(timetable, start_ns, end_ns):
        assert not (now["car_speed"] and now["door"] != Door.SHUT)
        assert now["door_zone"] or now["door"] == Door.SHUT
        if before is not None:
            assert abs(now["floor"] - before["floor"]) <= 1
            assert now["floor"] == before["floor"] or now["car_speed"]
            # People cannot appear or vanish: only an open door lets them in and out.
            assert now["passenger"] == before["passenger"] or now["door"] == Door.OPEN
        before = now


@pytest.mark.parametrize("key", range(4))
def test_a_lift_moves_with_its_door_shut_one_floor_at_a_time_and_nobody_vanishes(key):
    own = building_of(key)
    assert_possible(Timetable(key), BEGIN_NS, BEGIN_NS + DAY_NS)
    floors = {now["floor"] for _, now in states(Timetable(key), BEGIN_NS, BEGIN_NS + DAY_NS)}
    assert min(floors) >= 1
    assert max(floors) <= own.floors
    assert len(floors) > own.floors / 2


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_begins_and_ends_as_physics_has_it(name):
    timetable = Timetable(2, (TROUBLES[name],))
    assert_possible(timetable, BEGIN_NS, BEGIN_NS + 7_200 * NS_PER_S)


def test_events_stand_at_whole_milliseconds_one_each_and_a_heartbeat_each_minute():
    events = Timetable(4).events(BEGIN_NS, BEGIN_NS + 2 * DAY_NS)
    times = [time_ns for time_ns, _ in events]
    assert times == sorted(set(times))
    assert all(time_ns % 1_000_000 == 0 for time_ns in times)
    assert max(b - a for a, b in itertools.pairwise(times)) <= 60 * NS_PER_S
    whole = [values for time_ns, values in events if time_ns % (60 * NS_PER_S) == 0]
    assert len(whole) == 2 * 1440
    assert all(set(values) == set(NAMES) for values in whole)


def test_a_run_takes_the_time_of_its_trapezoid():
    own = Building(rated_m_s=2.0, acceleration_m_s2=1.0, floor_m=4.0)
    car = Car(own, 0)
    car.run(6)  # 20 m: 2 s up to speed, 8 s at it, 2 s down, 0.6 s to level, 0.8 s to begin
    assert car.now_ms == pytest.approx(13_400, abs=2)
    way_m = 0.0
    for (t0, _), (t1, _) in itertools.pairwise(car.told):
        speed = [v["car_speed"] for t, v in car.told if t <= t0 and "car_speed" in v][-1]
        mean = 1.0 if speed == 1.0 else speed
        way_m += mean * (t1 - t0) / 1000 if speed != 0.25 else 0.0
    assert way_m == pytest.approx(20.0, abs=0.5)


@pytest.mark.parametrize("use", Use)
def test_people_come_as_their_building_has_it(use):
    own = building_of(5, use)
    calls = [
        call for day in range(20) for call in calls_of(own, 5, TURN_MS + day * DAY_MS, DAY_MS, 4.0)
    ]
    hours = np.array([(call.time_ms + 8 * 3_600_000) / 3_600_000 % 24 for call in calls])
    assert all(call.origin != call.target for call in calls)
    assert all(1 <= floor <= own.floors for call in calls for floor in (call.origin, call.target))
    morning = [c for c, hour in zip(calls, hours, strict=True) if 7 <= hour < 10]
    up = np.mean([call.origin == 1 for call in morning])
    down = np.mean([call.target == 1 for call in morning])
    assert (up > down) == (use is not Use.DWELLING)
    assert ((hours >= 1) & (hours < 4)).sum() < 0.05 * len(hours)


def test_an_entrapment_holds_the_car_with_its_passenger_until_it_is_over():
    timetable = Timetable(2, (TROUBLES["entrapment"],))
    for time_ns, state in states(timetable, BEGIN_NS, BEGIN_NS + 3_600 * NS_PER_S):
        after_s = (time_ns - AT_NS) / NS_PER_S
        expected = 0 if not 0 <= after_s < 400 else 4 if after_s < 45 else 90
        assert state["fault_code"] == expected, after_s
        if expected:
            assert (state["passenger"], state["door"], state["car_speed"]) == (1, 0, 0.0)
            assert state["door_zone"] == 0


def test_each_trouble_tells_what_its_kind_is_known_by():
    def during(trouble):
        timetable = Timetable(3, (trouble,))
        span = (BEGIN_NS, BEGIN_NS + 7_200 * NS_PER_S)
        return [s for t, s in states(timetable, *span) if AT_NS <= t < AT_NS + 100 * NS_PER_S]

    assert all(s["fault_code"] == 3 and s["door"] == Door.SHUT for s in during(shut_in(AT, 300.0)))
    assert {s["service_mode"] for s in during(inspection(AT, 900.0))} == {Mode.INSPECTION}
    assert {s["fault_code"] for s in during(power_loss(AT, 600.0))} == {41}
    assert {s["fault_code"] for s in during(opened_in_run(AT, 600.0))} == {8}
    moved = during(unintended_movement(AT, 300.0))
    assert any(s["car_speed"] and s["door"] == Door.OPEN for s in moved)
    assert {s["fault_code"] for s in during(door_held(AT, 300.0))} == {0}
    assert {s["passenger"] for s in during(door_held(AT, 300.0))} == {0, 1}
    doors = [s["door"] for s in during(reopenings(AT, 120.0))]
    assert doors.count(Door.CLOSING) > 8
    presses = [s["fault_code"] for s in during(button_pressed(AT, 3))]
    assert sum(a != 90 and b == 90 for a, b in itertools.pairwise([0, *presses])) == 3


def test_a_trouble_over_the_turn_of_a_day_is_told_whole_and_the_next_day_follows():
    turn_ns = (TURN_MS + 20_718 * DAY_MS) * 1_000_000
    trouble = entrapment(once(turn_ns - 100 * NS_PER_S), 400.0)
    timetable = Timetable(6, (trouble,))
    assert_possible(timetable, turn_ns - 3_600 * NS_PER_S, turn_ns + 3_600 * NS_PER_S)
    codes = [
        values["fault_code"]
        for _, values in timetable.events(turn_ns, turn_ns + 350 * NS_PER_S)
        if "fault_code" in values
    ]
    assert codes[:4] == [90] * 4
    assert codes[-1] == 0


def test_a_flickering_sensor_drops_for_seconds_and_only_while_somebody_is_there():
    calm = Timetable(7)
    flickering = Timetable(7, flickering=once(BEGIN_NS), flickering_s=40_000.0)
    span = (BEGIN_NS, BEGIN_NS + 36_000 * NS_PER_S)
    truth = dict(states(calm, *span))
    present, last, drops = False, 0, []
    for time_ns, state in states(flickering, *span):
        present = bool(truth.get(time_ns, {"passenger": present})["passenger"])
        if state["passenger"]:
            if last:
                drops.append((time_ns - last) / NS_PER_S)
            last = 0
        elif present and not last:
            last = time_ns
    assert len(drops) > 50
    assert np.median(drops) < 9
