"""The short way says what the long way says, or nothing."""

import json
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.time import NS_PER_S, format_rfc3339
from ingest.wire import json_lane, json_values

NAMES = ("S1", "S2", "测点-3", "a b", "x" * 128, "0")
OTHER = ("S1", "D9")
TABLE = json_lane.make_table(
    [*((0, name, 10 + n) for n, name in enumerate(NAMES)), *((1, n, 90) for n in OTHER[:1])]
)


def short(payloads, gateways=None):
    """What the pass found of each payload: None, or (time_ns, [(channel, bits of the value)])."""
    gateways = np.zeros(len(payloads), np.int32) if gateways is None else gateways
    scanned = json_lane.scan(TABLE, payloads, np.asarray(gateways, np.int32))
    found, at = [], 0
    for number, count in enumerate(scanned.readings.tolist()):
        if count < 0:
            found.append(None)
            continue
        values = map(bits, scanned.value[at : at + count].tolist())
        channels = scanned.channel[at : at + count].tolist()
        found.append((int(scanned.time_ns[number]), list(zip(channels, values, strict=True))))
        at += count
    assert at == len(scanned.channel)
    return found


def bits(value):
    return struct.pack("<d", value)


def long(payload):
    """The same of the long way; None where anything is refused, or has no time of its own."""
    decoded = json_values.decode(payload, 5, None)
    if decoded.undecodable or decoded.rejected or decoded.untimed or not decoded.names:
        return None
    if len(set(decoded.times_ns)) > 1 or not set(decoded.names) <= set(NAMES):
        return None
    channels = [10 + NAMES.index(name) for name in decoded.names]
    values = [bits(float(value)) for value in decoded.values]
    return decoded.times_ns[0], list(zip(channels, values, strict=True))


def agrees(payloads):
    for payload, found in zip(payloads, short(payloads), strict=True):
        if found is not None:
            assert found == long(payload), payload


moments = st.one_of(
    st.integers(0, 9_189_000_000 * NS_PER_S).map(format_rfc3339),
    st.builds(
        lambda text, zone: text.replace("Z", zone),
        st.integers(10**9, 2 * 10**9).map(lambda s: format_rfc3339(s * NS_PER_S + 250_000_000)),
        st.sampled_from(["Z", "+08:00", "-00:30", "+0800", "", "z", "+99:99"]),
    ),
    st.integers(0, 10**19),
    st.integers(10**9, 10**13).map(lambda n: n / 1000),
    st.sampled_from(["2026-02-29T00:00:00Z", "2024-02-29T23:59:60Z", "1969-12-31T23:00:00Z", "no"]),
)
numbers = st.one_of(
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-9999, 9999, places=3).map(float),
    st.booleans(),
)
records = st.fixed_dictionaries(
    {
        "ts": moments,
        "values": st.dictionaries(st.sampled_from([*NAMES, "new"]), numbers, max_size=5),
    }
)
layouts = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(records, layouts, st.booleans()), max_size=6))
def test_what_it_says_of_a_record_is_what_the_long_way_says(rows):
    payloads = []
    for record, layout, turned in rows:
        document = dict(reversed(record.items())) if turned else record
        payloads.append(json.dumps(document, **layout).encode())
    agrees(payloads)


PLAIN = [
    b'{"ts":"2026-03-01T08:00:00.5+08:00","values":{"S1":-0.0,"S2":12.50,"0":true}}',
    b'{"values": {"S1": 1}, "ts": 1789995600123}',
    b' {"ts":1789995600.25,"values":{"S1":0.1}}\n',
    b'{"ts":"2026-03-01T00:00:00Z","values":{"S1":123456789012345,"S2":0.30000000000000}}',
]


def test_plain_records_are_taken():
    taken = short(PLAIN)
    assert taken[2] is None  # it begins with white space: left to the long way
    for payload, found in zip(PLAIN, taken, strict=True):
        assert found in (None, long(payload))
    assert taken[0] == (1772323200_500000000, [(10, bits(-0.0)), (11, bits(12.5)), (15, bits(1.0))])
    assert taken[1][0] == 1789995600_123000000
    assert taken[3][1] == [(10, bits(123456789012345.0)), (11, bits(0.3))]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"{}",
        b'{"values":{"S1":1}}',
        b'{"ts":null,"values":{"S1":1}}',
        b'{"ts":1789995600,"values":{}}',
        b'{"ts":1789995600,"values":{"S1":1,"S1":2}}',
        b'{"ts":1789995600,"values":{"nobody":1}}',
        b'{"ts":1789995600,"values":{"S1":NaN}}',
        b'{"ts":1789995600,"values":{"S1":1e3}}',
        b'{"ts":1789995600,"values":{"S1":01}}',
        b'{"ts":1789995600,"values":{"S1":1.}}',
        b'{"ts":1789995600,"values":{"S1":-}}',
        b'{"ts":1789995600,"values":{"S1":"1"}}',
        b'{"ts":1789995600,"values":{"S1":1},"v":2}',
        b'{"ts":1789995600,"values":{"S1":1}}x',
        b'{"ts":1789995600,"values":{"S1":1}',
        b'{"ts":1789995600,"ts":1789995600,"values":{"S1":1}}',
        b'{"ts":1789995600,"values":{"S\\u0031":1}}',
        b'[{"ts":1789995600,"values":{"S1":1}}]',
        b'{"ts":-1,"values":{"S1":1}}',
        b'{"ts":9999999999999999999,"values":{"S1":1}}',
        b'{"ts":1789995600,"values":{"S1":0.1234567890123456789}}',
    ],
)
def test_anything_else_is_left_to_the_long_way(payload):
    assert short([payload]) == [None]


def test_a_name_is_looked_up_for_its_own_gateway_only():
    payload = b'{"ts":1789995600,"values":{"S1":1}}'
    found = short([payload] * 4, [0, 1, 2, -1])
    assert [each and each[1][0][0] for each in found] == [10, 90, None, None]


@pytest.mark.parametrize("seed", range(40))
def test_mutated_payloads_between_sound_ones_neither_escape_nor_disturb_them(seed):
    chance = random.Random(seed)
    payloads = []
    for _ in range(200):
        payload = bytearray(chance.choice(PLAIN))
        for _ in range(chance.randrange(4)):
            at = chance.randrange(len(payload) + 1)
            piece = chance.choice([b"", b'"', b"{", b"}", b",", b":", b"0", b"\xff", b" ", b"\0"])
            payload[at : at + chance.randrange(3)] = piece
            payload = payload or bytearray(b"{")
        payloads += [bytes(payload), bytes(payload[: chance.randrange(len(payload))])]
        payloads.append(PLAIN[1])
    agrees(payloads)
    assert short(payloads)[2::3] == short([PLAIN[1]]) * 200


def test_a_payload_of_very_many_names_is_left_to_the_long_way():
    names = [f"n{n}" for n in range(json_lane.READINGS_MAX + 1)]
    table = json_lane.make_table([(0, name, n) for n, name in enumerate(names)])
    for count, taken in ((len(names), -1), (len(names) - 1, len(names) - 1)):
        payload = json.dumps({"ts": 1789995600, "values": dict.fromkeys(names[:count], 1.5)})
        scanned = json_lane.scan(table, [payload.encode()], np.zeros(1, np.int32))
        assert scanned.readings.tolist() == [taken]


def test_no_payloads_and_no_names_are_nothing():
    empty = json_lane.make_table([])
    assert len(json_lane.scan(empty, [], np.empty(0, np.int32)).readings) == 0
    assert json_lane.scan(empty, [PLAIN[0]], np.zeros(1, np.int32)).readings.tolist() == [-1]
