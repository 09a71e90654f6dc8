import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounting import Reason
from domain.readings import FLAG_RECEIVED_TIME
from domain.time import TIME_NS_MAX
from ingest.wire import json_values
from ingest.wire.decoded import REFUSALS_MAX

RECEIVED_NS = 1_700_000_000_000_000_000
SHANGHAI = ZoneInfo("Asia/Shanghai")


def decode(payload, zone=None):
    if isinstance(payload, str):
        payload = payload.encode()
    return json_values.decode(payload, RECEIVED_NS, zone)


def readings(decoded):
    return list(
        zip(decoded.names, decoded.times_ns, map(float, decoded.values), decoded.flags, strict=True)
    )


def test_numbers_and_bools_become_readings():
    decoded = decode('{"ts":"2024-01-01T00:00:00Z","values":{"D1":1.5,"门":true,"b":false,"n":-3}}')
    time_ns = 1_704_067_200_000_000_000
    assert readings(decoded) == [
        ("D1", time_ns, 1.5, 0),
        ("门", time_ns, 1.0, 0),
        ("b", time_ns, 0.0, 0),
        ("n", time_ns, -3.0, 0),
    ]
    assert not decoded.untimed


def test_without_a_time_a_reading_carries_the_received_time_and_says_so():
    for payload in ('{"values":{"door":1}}', '{"ts":null,"values":{"door":1}}'):
        decoded = decode(payload)
        assert readings(decoded) == [("door", RECEIVED_NS, 1.0, FLAG_RECEIVED_TIME)]
        assert decoded.untimed


def test_a_list_holds_several_records():
    decoded = decode('[{"ts":2,"values":{"a":1}},{"ts":1,"values":{"a":2,"b":3}}]')
    assert readings(decoded) == [
        ("a", 2_000_000_000, 1.0, 0),
        ("a", 1_000_000_000, 2.0, 0),
        ("b", 1_000_000_000, 3.0, 0),
    ]


def test_a_time_without_zone_is_in_the_gateways_zone():
    decoded = decode('{"ts":"2024-01-01T08:00:00","values":{"a":1}}', SHANGHAI)
    assert decoded.times_ns == [1_704_067_200_000_000_000]


def test_other_members_are_ignored():
    assert decode('{"ts":1,"seq":[7,{"x":null}],"values":{"a":1}}').names == ["a"]


def test_an_empty_payload_of_values_is_decoded_and_holds_nothing():
    for payload in ("[]", '{"values":{}}'):
        decoded = decode(payload)
        assert decoded.undecodable is None
        assert decoded.reading_count == 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1e999", Reason.NOT_FINITE),
        ("-1e999", Reason.NOT_FINITE),
        ("9" * 400, Reason.NOT_FINITE),
        ("9" * 5000, Reason.NOT_FINITE),
        ("NaN", Reason.NOT_FINITE),
        ("-Infinity", Reason.NOT_FINITE),
        ("null", Reason.VALUE_TYPE),
        ('"1.5"', Reason.VALUE_TYPE),
        ("[1]", Reason.VALUE_TYPE),
        ('{"a":1}', Reason.VALUE_TYPE),
    ],
)
def test_one_bad_value_costs_only_its_reading(value, reason):
    decoded = decode(f'{{"ts":1700000000,"values":{{"good":1,"bad":{value},"also":true}}}}')
    assert [name for name, *_ in readings(decoded)] == ["good", "also"]
    assert decoded.rejected == {reason: 1}
    [refusal] = decoded.refusals
    assert (refusal.reason, refusal.channel_name, refusal.count) == (reason, "bad", 1)
    assert refusal.detail


@pytest.mark.parametrize(
    "ts", ["-1", "true", '"yesterday"', "1e999", "9" * 400, "[]", "1e300", '"2262-01-01T00:00:00Z"']
)
def test_a_bad_time_costs_the_readings_of_its_record(ts):
    decoded = decode(f'[{{"ts":{ts},"values":{{"a":1,"b":2}}}},{{"ts":1,"values":{{"c":3}}}}]')
    assert decoded.names == ["c"]
    assert decoded.rejected == {Reason.TIME: 2}


@pytest.mark.parametrize("name", ["", "n" * 129, r"\ud800", r"a\u0000b", r"a\nb"])
def test_a_bad_name_costs_its_reading(name):
    decoded = decode(f'{{"ts":1,"values":{{"{name}":1,"good":2}}}}')
    assert decoded.names == ["good"]
    assert decoded.rejected == {Reason.NAME: 1}
    decoded.refusals[0].channel_name.encode()  # may be written anywhere
    assert len(decoded.refusals[0].channel_name) <= 128


def test_a_name_may_have_128_characters_of_any_script():
    name = "桥" * 128
    assert decode(f'{{"ts":1,"values":{{"{name}":1}}}}').names == [name]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.SYNTAX),
        (b"{", Reason.SYNTAX),
        (b"\xff\xfe", Reason.SYNTAX),
        (b'{"values":{"\xff":1}}', Reason.SYNTAX),
        (b'{"values":{"a":1}} x', Reason.SYNTAX),
        (b"[" * 100_000, Reason.SYNTAX),
        (b'{"x":' + b"[" * 100_000, Reason.SYNTAX),
        (b'{"x":' * 100_000, Reason.SYNTAX),
        (b'{"values":' * 100_000, Reason.SYNTAX),
        (b"null", Reason.STRUCTURE),
        (b"1", Reason.STRUCTURE),
        (b'"values"', Reason.STRUCTURE),
        (b"{}", Reason.STRUCTURE),
        (b'{"ts":1,"value":{"a":1}}', Reason.STRUCTURE),
        (b'{"values":[1]}', Reason.STRUCTURE),
        (b" " * (1 << 20) + b"1", Reason.OVERSIZE),
    ],
)
def test_a_payload_that_cannot_be_read_says_why(payload, reason):
    decoded = decode(payload)
    assert decoded.undecodable is not None
    assert decoded.undecodable.reason is reason
    assert decoded.undecodable.detail
    assert decoded.reading_count == 0


def test_a_bad_record_costs_itself_and_not_the_list():
    decoded = decode('[{"ts":1,"values":{"a":1}},7,{"values":3},{"ts":2,"values":{"a":2}}]')
    assert decoded.times_ns == [1_000_000_000, 2_000_000_000]
    assert decoded.rejected == {Reason.STRUCTURE: 2}


def test_a_byte_order_mark_is_no_fault():
    assert decode(b'\xef\xbb\xbf{"ts":1,"values":{"a":1}}').names == ["a"]


def test_many_refusals_are_counted_exactly_and_described_briefly():
    values = ",".join(f'"c{i}":null' for i in range(1000))
    decoded = decode(f'{{"values":{{{values}}}}}')
    assert decoded.rejected == {Reason.VALUE_TYPE: 1000}
    assert len(decoded.refusals) == REFUSALS_MAX
    assert sum(refusal.count for refusal in decoded.refusals) == 1000


names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=128)
numbers = st.one_of(st.booleans(), st.floats(allow_nan=False, allow_infinity=False))


@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, TIME_NS_MAX), st.dictionaries(names, numbers)),
        max_size=5,
    )
)
def test_what_is_encoded_is_decoded(records):
    decoded = decode(json_values.encode_many(records))
    expected = [
        (name, RECEIVED_NS if ts is None else ts, float(value))
        for ts, values in records
        for name, value in values.items()
    ]
    assert [(name, ts, value) for name, ts, value, _ in readings(decoded)] == expected
    for ts, values in records[:1]:
        single = decode(json_values.encode(values, ts))
        assert single.names == list(values)
        assert all(math.isfinite(value) for value in single.values)
