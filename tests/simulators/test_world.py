"""What holds for every world: one span or many, the messages are the same."""

import itertools
import json
import struct

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.time import NS_PER_S, parse_rfc3339
from simulators import WORLDS
from simulators.course import once
from simulators.faults import (
    NONSENSE,
    changed_interval,
    duplicates,
    dying,
    flapping,
    flood,
    half_written,
    lightning,
    noisy,
    nonsense,
    outage,
    reboot,
    reordering,
    silent,
    slow_drift,
    spike,
    spikes,
    stuck,
    wrong_clock,
)
from simulators.world import Message, follow, merged

BEGIN_NS = 1_790_000_160 * NS_PER_S  # a multiple of 120 s
SPAN_S = 360


def station(kind, seed=1):
    return WORLDS[kind](f"gw-{kind}", "north", seed)


def readings(messages):
    """Return {(name, time_ns): value}; fails where a reading is there twice."""
    found = {}
    for message in messages:
        for key, value in decoded(message):
            assert key not in found, key
            found[key] = value
    return found


def decoded(message):
    if message.format == "block":
        block = cbor2.loads(message.payload)
        values = struct.unpack(f"<{len(block['v'].value) // 4}f", block["v"].value)
        for place, value in enumerate(values):
            yield (block["n"], block["t0"] + place * block["dt"]), value
        return
    steps = json.loads(message.payload)
    for step in steps if isinstance(steps, list) else [steps]:
        for name, value in step["values"].items():
            yield (name, time_of(step["ts"])), value


def time_of(ts):
    if isinstance(ts, str):
        return parse_rfc3339(ts) - (0 if ts.endswith("Z") else 8 * 3600 * NS_PER_S)
    return round(ts * 1000) * 1_000_000 if ts < 1e11 else ts * 1_000_000


def misbehaving(kind):
    options = {"acceleration": False} if kind == "bridge" else {}
    calm = WORLDS[kind](f"gw-{kind}", "north", 1, **options)
    begin = once(BEGIN_NS + 60 * NS_PER_S)
    if kind != "lift":
        name = {"bridge": "D1", "tunnel": "CO1", "gas": "M1", "drainage": "L1"}[kind]
        for change in (stuck(begin, 90), spike(begin, 10, 50), silent(begin, 60)):
            calm = calm.with_signal(name, change)
        calm = wrong_clock(calm, begin, 100.0, 600.0)
    return duplicates(reordering(outage(calm, BEGIN_NS + 150 * NS_PER_S, 90), 3, 40), 5, 0.2, 7)


def gateways_misbehaving():
    """Return each of the gateways' misbehaviours, around a world of its own."""
    calm, at_ns = station("gas"), BEGIN_NS + 100 * NS_PER_S
    begin = once(at_ns)
    bad = lightning(calm.with_signal("M1", noisy(begin, 60, 1, 2.0)), begin, 30, 40)
    bad = bad.with_signal("M2", spikes(begin, 60, 1, 0.3, 9)).with_signal("M3", dying(begin, 90, 1))
    return {
        "instruments": slow_drift(bad, begin, 120, 3_600.0),
        "backlog first": outage(calm, at_ns, 90, drain_s=40),
        "present first": outage(calm, at_ns, 90, drain_s=40, present_first=True),
        "reboot": reboot(calm, at_ns, boot_s=20, unset_s=40),
        "flapping": flapping(calm, at_ns, 120, every_s=40, down_s=15),
        "flood": flood(calm, at_ns, 60, per_s=7),
        "half": half_written(calm, 1, 0.3),
        **{kind: nonsense(calm, kind, begin, 60) for kind in NONSENSE},
        "interval": changed_interval(calm, at_ns, 3),
    }


FAMILY = {
    **{kind: station(kind) for kind in WORLDS},
    **{f"{kind}, misbehaving": misbehaving(kind) for kind in WORLDS},
    **gateways_misbehaving(),
}


@pytest.mark.parametrize("batch_s", [0, 120], ids=["life", "gathered"])
@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(0, SPAN_S * NS_PER_S), max_size=6))
def test_the_messages_are_the_same_however_the_span_is_cut(name, batch_s, cuts):
    world = FAMILY[name]
    begin_ns = BEGIN_NS + 123_456_789
    edges = sorted({0, SPAN_S * NS_PER_S, *cuts})
    pieces = [
        message
        for start, end in itertools.pairwise(edges)
        for message in world.messages(begin_ns + start, begin_ns + end, batch_s)
    ]
    assert pieces == list(world.messages(begin_ns, begin_ns + SPAN_S * NS_PER_S, batch_s))


@pytest.mark.parametrize("kind", WORLDS)
def test_a_backfill_and_life_join_without_a_seam(kind):
    world = station(kind)
    join_ns, end_ns = BEGIN_NS + 240 * NS_PER_S, BEGIN_NS + 480 * NS_PER_S
    backfill = world.messages(BEGIN_NS, join_ns, 120)
    joined = readings([*backfill, *world.messages(join_ns, end_ns)])
    assert joined == readings(world.messages(BEGIN_NS, end_ns))


@pytest.mark.parametrize("kind", WORLDS)
def test_messages_come_in_order_of_time_within_their_span(kind):
    end_ns = BEGIN_NS + 600 * NS_PER_S
    times = [message.time_ns for message in station(kind).messages(BEGIN_NS, end_ns)]
    assert times == sorted(times)
    assert times[0] >= BEGIN_NS
    assert times[-1] < end_ns


@pytest.mark.parametrize("kind", WORLDS)
def test_a_message_is_sent_when_its_last_reading_is_taken(kind):
    for message in station(kind).messages(BEGIN_NS, BEGIN_NS + 300 * NS_PER_S):
        assert max(key[1] for key, _ in decoded(message)) == message.time_ns


@pytest.mark.parametrize("kind", WORLDS)
def test_another_seed_is_another_world(kind):
    span = (BEGIN_NS, BEGIN_NS + 300 * NS_PER_S)
    one, other = (readings(station(kind, seed).messages(*span)) for seed in (1, 2))
    assert one != other
    assert one == readings(station(kind, 1).messages(*span))


@pytest.mark.parametrize("kind", WORLDS)
def test_a_station_sends_exactly_the_names_that_it_declares(kind):
    world = station(kind)
    sent = {key[0] for key in readings(world.messages(BEGIN_NS, BEGIN_NS + 60 * NS_PER_S))}
    assert sorted(sent) == world.names


@pytest.mark.parametrize("kind", WORLDS)
def test_gathered_messages_are_few_and_not_large(kind):
    sent = list(station(kind).messages(BEGIN_NS, BEGIN_NS + 1_200 * NS_PER_S, 120))
    assert len(sent) <= 10 + 120 * (kind == "bridge")
    assert max(len(message.payload) for message in sent) < 65_536


def test_a_message_knows_its_topic():
    message = Message(0, "gw-1", "north", "json", b"")
    assert message.topic == "lifeline/v1/north/gw-1/data/json"


def test_worlds_are_followed_for_ever_without_a_gap():
    worlds = [station("gas"), station("lift")]
    end_ns = BEGIN_NS + 600 * NS_PER_S
    followed = itertools.takewhile(lambda m: m.time_ns < end_ns, follow(worlds, BEGIN_NS))
    assert list(followed) == list(merged(worlds, BEGIN_NS, end_ns))


def test_an_unknown_signal_cannot_be_changed():
    with pytest.raises(KeyError):
        station("gas").with_signal("nothing", silent(once(0), 1))
