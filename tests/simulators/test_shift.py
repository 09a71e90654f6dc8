"""Messages moved to another time carry the same readings, later."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.time import NS_PER_MS, NS_PER_S
from ingest.wire import DECODERS
from simulators.feed import Message
from simulators.payload import TimeForm, encode_block, encode_json
from simulators.shift import shifted

TIME_NS = 1_789_995_600 * NS_PER_S


def message_of(payload, wire_format="json"):
    return Message(TIME_NS, "gw", "north", wire_format, payload)


def times_of(message):
    decoded = DECODERS[message.format](message.payload, message.time_ns, None)
    assert decoded.undecodable is None
    return [*decoded.times_ns, *(t for block in decoded.blocks for t in block.time_ns.tolist())]


@pytest.mark.parametrize("form", [*TimeForm])
@given(by_ms=st.integers(-(10**9), 10**9))
def test_json_of_every_form_of_time_moves_by_as_much(form, by_ms):
    steps = [(TIME_NS + n * NS_PER_S, {"a": 1.5, "b": n}) for n in range(3)]
    message = message_of(encode_json(steps, form))
    moved = shifted(message, by_ms * NS_PER_MS)
    assert moved.time_ns == message.time_ns + by_ms * NS_PER_MS
    pairs = zip(times_of(moved), times_of(message), strict=True)
    assert all(abs(after - before - by_ms * NS_PER_MS) <= NS_PER_MS // 2 for after, before in pairs)


def test_a_block_moves_whole():
    message = message_of(encode_block("w", TIME_NS, 10_000_000, np.ones(4, np.float32)), "block")
    moved = shifted(message, 7)
    assert times_of(moved) == [time_ns + 7 for time_ns in times_of(message)]


@pytest.mark.parametrize("payload", [b"", b"{", b"5", b'"x"', b"\xff\x00", b'{"ts":{}}', b"[1]"])
@pytest.mark.parametrize("wire_format", ["json", "block", "senml"])
def test_nonsense_stays_the_nonsense_it_is(payload, wire_format):
    moved = shifted(message_of(payload, wire_format), NS_PER_S)
    assert moved.payload == payload
    assert moved.time_ns == TIME_NS + NS_PER_S


def test_a_reading_without_a_time_stays_without():
    moved = shifted(message_of(b'{"values":{"a":1}}'), NS_PER_S)
    assert msgspec.json.decode(moved.payload) == {"values": {"a": 1}}
