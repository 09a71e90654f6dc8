"""Each misbehaviour is what it is called, and nothing else."""

import json
from dataclasses import replace

import numpy as np

from domain.time import NS_PER_S
from simulators.course import Course, once
from simulators.faults import duplicates, outage, reordering, silent, spike, stuck, wrong_clock
from simulators.gas import gas

BEGIN_NS = 1_790_000_160 * NS_PER_S
END_NS = BEGIN_NS + 600 * NS_PER_S
MOMENTS = np.arange(10) * NS_PER_S
BEGUN = once(3 * NS_PER_S)
CALM = gas("gw-gas", "north", 1)


def ramp(time_ns):
    return time_ns / NS_PER_S


def told(change) -> list[float]:
    course: Course = change(ramp)
    return course(MOMENTS).tolist()


def test_a_stuck_instrument_repeats_the_value_it_had():
    assert told(stuck(BEGUN, 4)) == [0, 1, 2, 3, 3, 3, 3, 7, 8, 9]


def test_a_silent_instrument_gives_nothing_for_a_while():
    values = told(silent(BEGUN, 4))
    assert np.isnan(values[3:7]).all()
    assert values[:3] + values[7:] == [0, 1, 2, 7, 8, 9]


def test_a_spike_is_one_reading():
    assert told(spike(BEGUN, 1, 50)) == [0, 1, 2, 53, 4, 5, 6, 7, 8, 9]


def test_a_clock_ahead_shifts_the_times_and_nothing_else():
    begin = BEGIN_NS + 100 * NS_PER_S
    wrong = wrong_clock(CALM, once(begin), 50, 600)
    changed = 0
    for was, now in zip(
        CALM.messages(BEGIN_NS, END_NS), wrong.messages(BEGIN_NS, END_NS), strict=True
    ):
        old, new = json.loads(was.payload), json.loads(now.payload)
        ahead = 600 * (begin <= was.time_ns < begin + 50 * NS_PER_S)
        assert new == {**old, "ts": old["ts"] + ahead}
        assert now.time_ns == was.time_ns
        changed += ahead > 0
    assert changed == 10


def payloads(world):
    return [message.payload for message in world.messages(BEGIN_NS, END_NS + 100 * NS_PER_S)]


def test_duplicates_are_the_same_bytes_a_little_later():
    world = duplicates(CALM, 1, 0.25, 7)
    calm, doubled = payloads(CALM), payloads(world)
    assert len(set(doubled) - set(calm)) <= 1  # one may be of just before
    assert set(calm) <= set(doubled)
    assert 10 < len(doubled) - len(calm) < 60


def test_reordered_messages_overtake_one_another_and_none_is_lost():
    span = (BEGIN_NS, END_NS)
    late = list(reordering(CALM, 1, 30).messages(*span))
    in_time = [m for m in CALM.messages(*span) if m.time_ns < END_NS - 30 * NS_PER_S]
    assert {m.payload for m in in_time} <= {m.payload for m in late}
    numbers = [json.loads(message.payload)["ts"] for message in late]
    assert numbers != sorted(numbers)


def test_after_an_outage_everything_comes_at_once():
    start_ns = BEGIN_NS + 100 * NS_PER_S
    sent = list(outage(CALM, start_ns, 200).messages(BEGIN_NS, END_NS))
    assert not [m for m in sent if start_ns <= m.time_ns < start_ns + 200 * NS_PER_S]
    burst = [m for m in sent if m.time_ns == start_ns + 200 * NS_PER_S]
    assert len(burst) == 41
    assert {replace(m, time_ns=0) for m in sent} == {
        replace(m, time_ns=0) for m in CALM.messages(BEGIN_NS, END_NS)
    }
