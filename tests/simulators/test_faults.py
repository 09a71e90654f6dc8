"""Each misbehaviour is what it is called, and nothing else."""

import json
from dataclasses import replace

import cbor2
import numpy as np

from domain.time import NS_PER_S
from simulators.course import Course, once
from simulators.faults import (
    NONSENSE,
    changed_interval,
    drifting,
    duplicates,
    dying,
    flapping,
    flipped,
    flood,
    half_written,
    lightning,
    lossy,
    noisy,
    nonsense,
    outage,
    reboot,
    reordering,
    saturated,
    silent,
    slow_drift,
    spike,
    spikes,
    stepped,
    stuck,
    wrong_clock,
    zone_mistake,
)
from simulators.gas import gas
from simulators.payload import encode_block

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


def test_instruments_drift_step_flip_and_saturate():
    assert told(drifting(BEGUN, 4, 86_400)) == [0, 1, 2, 3, 5, 7, 9, 7, 8, 9]
    assert told(stepped(BEGUN, 4, 10)) == [0, 1, 2, 13, 14, 15, 16, 7, 8, 9]
    assert told(flipped(BEGUN, 4)) == [0, 1, 2, -3, -4, -5, -6, 7, 8, 9]
    assert told(saturated(BEGUN, 4, -2)) == [0, 1, 2, -2, -2, -2, -2, 7, 8, 9]


def test_noise_and_spikes_scatter_about_the_truth_while_they_last():
    times = np.arange(4_000) * NS_PER_S
    off = noisy(once(0), 3_000, 1, 2.0)(ramp)(times) - ramp(times)
    assert abs(off[:3_000].mean()) < 0.2
    assert abs(off[:3_000].std() - 2.0) < 0.1
    assert not off[3_000:].any()
    off = spikes(once(0), 3_000, 1, 0.25, 8.0)(ramp)(times) - ramp(times)
    assert 0.2 < np.mean(off[:3_000] != 0) < 0.3
    assert 7 < np.abs(off).max() <= 8


def test_a_dying_instrument_gives_less_and_less_and_then_nothing():
    times = np.arange(4_000) * NS_PER_S
    gone = np.isnan(dying(once(0), 2_000, 1)(ramp)(times))
    shares = [gone[begin : begin + 500].mean() for begin in (0, 500, 1_000, 1_500)]
    assert shares == sorted(shares)
    assert 0.05 < shares[0] < 0.2
    assert gone[2_000:].all()


def test_lightning_strikes_all_of_a_gateway_at_once():
    at = BEGIN_NS + 100 * NS_PER_S
    sent = {m.time_ns: m for m in lightning(CALM, once(at), 50, 40).messages(BEGIN_NS, END_NS)}
    calm = {m.time_ns: m for m in CALM.messages(BEGIN_NS, END_NS)}
    assert {(t - at) // NS_PER_S for t in set(calm) - set(sent)} == set(range(5, 55, 5))
    was, now = (json.loads(each[at].payload)["values"] for each in (calm, sent))
    assert all(39.9 < now[name] - was[name] < 40.1 for name in was)


def test_a_slow_link_sends_the_backlog_in_order_before_or_beside_the_present():
    start_ns = BEGIN_NS + 100 * NS_PER_S
    ends_ns = start_ns + 200 * NS_PER_S
    for present_first in (False, True):
        world = outage(CALM, start_ns, 200, drain_s=60, present_first=present_first)
        sent = list(world.messages(BEGIN_NS, END_NS))
        assert {m.payload for m in sent} == {m.payload for m in CALM.messages(BEGIN_NS, END_NS)}
        assert not [m for m in sent if start_ns <= m.time_ns < ends_ns]
        stamps = [json.loads(m.payload)["ts"] for m in sent]
        assert (stamps == sorted(stamps)) is not present_first
        drained = [m for m in sent if json.loads(m.payload)["ts"] * NS_PER_S < ends_ns]
        assert max(m.time_ns for m in drained) <= ends_ns + 60 * NS_PER_S


def stamps(world):
    """Return how far the times told are ahead of the times of sending, in s, by time in s."""
    return {
        (message.time_ns - BEGIN_NS) // NS_PER_S: json.loads(message.payload)["ts"]
        - message.time_ns / NS_PER_S
        for message in world.messages(BEGIN_NS, END_NS)
        if message.format == "json"
    }


def test_clocks_take_the_wrong_zone_run_off_and_begin_anew():
    begin = once(BEGIN_NS + 100 * NS_PER_S)
    assert set(stamps(zone_mistake(CALM, begin, 100)).values()) == {0.0, 28_800.0}
    drift = stamps(slow_drift(CALM, begin, 400, 8_640.0))
    assert drift[100] == 0.0
    assert abs(drift[300] - 20.0) < 0.01
    assert drift[520] == 0.0
    begun = reboot(CALM, BEGIN_NS + 100 * NS_PER_S, boot_s=30, unset_s=60, begins_ns=0)
    told = stamps(begun)
    assert not [second for second in told if 100 <= second < 130]
    assert abs(told[130] + (BEGIN_NS / NS_PER_S + 130)) < 5
    assert told[190] == 0.0
    words = [m for m in begun.messages(BEGIN_NS, END_NS) if m.format == "status"]
    assert [m.payload for m in words] == [b"offline", b"online"]
    assert words[0].topic == "lifeline/v1/north/gw-gas/status"


def test_what_is_lost_is_lost_and_what_flaps_is_kept():
    start_ns = BEGIN_NS + 100 * NS_PER_S
    calm = payloads(CALM)
    assert len(calm) - len(payloads(lossy(CALM, start_ns, 50))) == 10
    flapped = payloads(flapping(CALM, start_ns, 120, every_s=40, down_s=15))
    assert set(calm) < set(flapped)
    assert flapped.count(b"offline") == flapped.count(b"online") == 3


def test_a_flood_is_many_messages_of_unknown_names_beside_the_usual_ones():
    flooded = flood(CALM, BEGIN_NS + 100 * NS_PER_S, 20, per_s=50)
    extra = [m for m in flooded.messages(BEGIN_NS, END_NS) if b"debug" in m.payload]
    assert len(extra) == 1_000
    assert len(payloads(flooded)) == len(payloads(CALM)) + 1_000


def test_an_interval_changes_and_the_values_stay():
    at_ns = BEGIN_NS + 300 * NS_PER_S
    readings = {
        json.loads(p)["ts"]: json.loads(p)["values"]
        for p in payloads(changed_interval(CALM, at_ns, 4))
    }
    calm = {json.loads(p)["ts"]: json.loads(p)["values"] for p in payloads(CALM)}
    assert readings.items() <= calm.items()
    late = sorted(ts for ts in readings if ts * NS_PER_S > at_ns + 40 * NS_PER_S)
    assert set(np.diff(late)) == {20}


def test_half_written_payloads_are_beginnings_of_whole_ones():
    cut = 0
    for was, now in zip(payloads(CALM), payloads(half_written(CALM, 1, 0.3)), strict=True):
        assert was.startswith(now)
        cut += len(now) < len(was)
    assert 0.2 < cut / len(payloads(CALM)) < 0.4


def test_every_nonsense_is_another_one_and_lasts_as_long_as_it_is_said():
    begin = once(BEGIN_NS + 100 * NS_PER_S)
    span = (BEGIN_NS, END_NS)
    found = {}
    for kind in NONSENSE:
        pairs = list(
            zip(CALM.messages(*span), nonsense(CALM, kind, begin, 60).messages(*span), strict=True)
        )
        changed = [now for was, now in pairs if was.payload != now.payload]
        assert len(changed) == 12, kind
        assert all(json.loads(p)["ts"] for p in [pairs[0][1].payload])
        found[kind] = changed[0].payload
    assert len(set(found.values())) == len(NONSENSE)
    values = json.loads(pairs[20][0].payload)["values"]
    assert json.loads(found["thousandfold"])["values"] == {k: 1000 * v for k, v in values.items()}
    assert json.loads(found["numbers as text"])["values"] == {k: str(v) for k, v in values.items()}
    assert set(json.loads(found["null"])["values"].values()) == {None}
    assert set(json.loads(found["renamed"])["values"]) == {f"ch_{name}" for name in values}
    assert found["byte order mark"][3:] == pairs[20][0].payload


def test_the_bytes_of_a_block_are_turned_and_nothing_else():
    payload = encode_block("A1", BEGIN_NS, 10_000_000, np.array([1.0, -2.0], np.float32))
    turned = cbor2.loads(NONSENSE["byte order"](payload))
    assert np.frombuffer(turned["v"].value, ">f4").tolist() == [1.0, -2.0]
    assert turned["t0"] == BEGIN_NS
