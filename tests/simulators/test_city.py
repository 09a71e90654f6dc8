"""The city that loads a service: its size, its messages, its events."""

import hashlib
import json
from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.time import NS_PER_MS, NS_PER_S, parse_rfc3339
from ingest.wire import DECODERS
from simulators.city import EVENT_S, HOUR_NS, MINUTE_NS, City, facilities_of

START_NS = 1_789_995_600 * NS_PER_S


@pytest.fixture(scope="module")
def city():
    return City(1_000, seed=7)


def digest(messages):
    whole = hashlib.sha256()
    for message in messages:
        whole.update(f"{message.time_ns} {message.topic} ".encode() + message.payload)
    return whole.hexdigest()


def test_the_whole_city_is_of_the_stated_mix():
    facilities = facilities_of(85_000)
    assert Counter(one.kind for one in facilities) == {
        "bridge": 600, "tunnel": 60, "gas": 2500, "drainage": 1000, "underpass": 200, "lift": 5640,
    }  # fmt: skip
    assert sum(len(one.varieties) for one in facilities) == 85_000
    assert sum(one.varieties[-1].quantity == "acceleration" for one in facilities) == 200


@given(st.integers(85, 20_000))
def test_a_city_of_any_size_has_exactly_that_many_channels(channels):
    facilities = facilities_of(channels)
    assert sum(len(one.varieties) for one in facilities) == channels
    assert all(a.first + len(a.varieties) == b.first for a, b in pairwise(facilities))
    assert len({one.gateway for one in facilities}) == len(facilities)


def test_a_city_too_small_for_its_kinds_is_refused():
    with pytest.raises(ValueError, match="at least 85"):
        facilities_of(84)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 70_000), max_size=5))
def test_any_cut_of_a_span_gives_the_same_messages(city, cuts_ms):
    cuts = sorted({0, 70_000, *cuts_ms})
    pieces = (
        message
        for first, last in pairwise(cuts)
        for message in city.messages(START_NS + first * NS_PER_MS, START_NS + last * NS_PER_MS)
    )
    assert digest(pieces) == digest(city.messages(START_NS, START_NS + 70 * NS_PER_S))


def test_parts_together_are_the_whole(city):
    end_ns = START_NS + 10 * NS_PER_S
    parts = [City(1_000, seed=7, part=part, parts=3) for part in range(3)]
    together = [message for part in parts for message in part.messages(START_NS, end_ns)]
    whole = list(city.messages(START_NS, end_ns))
    assert sorted(together, key=repr) == sorted(whole, key=repr)


def test_every_channel_sends_one_reading_a_minute_and_waveforms_a_block_a_second(city):
    messages = list(city.messages(START_NS, START_NS + MINUTE_NS))
    by_format = Counter(message.format for message in messages)
    waves = sum(one.varieties[-1].quantity == "acceleration" for one in city.facilities)
    assert by_format == {"json": 1_000 - waves, "block": 60 * waves}
    names = Counter(
        (one.gateway, name)
        for one in messages
        if one.format == "json"
        for name in json.loads(one.payload)["values"]
    )
    assert set(names.values()) == {1}
    seconds = Counter(one.time_ns // NS_PER_S for one in messages if one.format == "json")
    assert len(seconds) == 60
    assert max(seconds.values()) < 4 * 1_000 / 60


def test_messages_come_in_order_and_decode_at_the_time_they_are_sent(city):
    before_ns = 0
    for message in islice(city.messages(START_NS, START_NS + 5 * NS_PER_S), 200):
        assert message.time_ns >= before_ns
        before_ns = message.time_ns
        decoded = DECODERS[message.format](message.payload, message.time_ns, None)
        assert not decoded.rejected
        times_ns = [*decoded.times_ns, *(block.time_ns[-1] for block in decoded.blocks)]
        assert max(times_ns) == message.time_ns


def test_another_seed_is_another_city(city):
    end_ns = START_NS + 2 * NS_PER_S
    other = City(1_000, seed=8)
    assert digest(city.messages(START_NS, end_ns)) != digest(other.messages(START_NS, end_ns))


def test_events_come_at_the_stated_rate_and_stand_out():
    large = City(20_000)
    events = large.events(START_NS, START_NS + HOUR_NS)
    assert 5 <= len(events) <= 40
    event = events[0]
    during = event.start_ns // MINUTE_NS * MINUTE_NS + MINUTE_NS
    before = during - 2 * EVENT_S * NS_PER_S
    values = []
    for begin_ns in (before, during):
        for message in large.messages(begin_ns, begin_ns + MINUTE_NS):
            sent = json.loads(message.payload)["values"] if message.format == "json" else {}
            if message.gateway == event.facility.gateway and event.name in sent:
                values.append(sent[event.name])
    assert len(values) == 2
    assert abs(values[1] - values[0]) > 0.5


def test_times_are_written_as_gateways_of_a_kind_write_them(city):
    forms = {}
    for message in city.messages(START_NS, START_NS + 5 * NS_PER_S):
        if message.format == "json":
            stamp = json.loads(message.payload)["ts"]
            forms.setdefault(message.gateway.split("-")[1], stamp)
            if isinstance(stamp, str):
                assert parse_rfc3339(stamp) == message.time_ns
            else:
                assert stamp * NS_PER_MS == message.time_ns
    assert isinstance(forms["bridge"], int)
    assert isinstance(forms["gas"], str)
