"""Packs written by hand, most of them after the examples of RFC 8428, sections 5 and 6."""

import json
import math
from decimal import Decimal

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounting import Reason
from domain.readings import FLAG_RECEIVED_TIME
from domain.time import NS_PER_S, TIME_NS_MAX
from ingest.wire import senml

RECEIVED_NS = 1_700_000_000_000_000_000
WIRE = "urn:dev:ow:10e2073a0108006:"


def decode(pack):
    payload = pack.encode() if isinstance(pack, str) else pack
    return senml.decode(payload, RECEIVED_NS, None)


def readings(decoded):
    columns = (decoded.names, decoded.times_ns, decoded.values)
    return list(zip(*columns, strict=True))


def one(record):
    decoded = decode(f"[{record}]")
    assert decoded.undecodable is None
    assert not decoded.rejected, decoded.refusals
    [reading] = readings(decoded)
    return reading


def refused(pack):
    decoded = decode(pack)
    assert decoded.undecodable is None
    return decoded.rejected


def test_a_single_point_is_of_now():
    decoded = decode('[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]')
    assert readings(decoded) == [("urn:dev:ow:10e2073a01080063", RECEIVED_NS, 23.1)]
    assert decoded.flags == [FLAG_RECEIVED_TIME]
    assert decoded.untimed
    assert decoded.units == ["Cel"]


def test_base_name_time_and_unit_stand_for_the_records_after_them():
    decoded = decode(
        f'[{{"bn":"{WIRE}","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1}},'
        '{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","v":1.7}]'
    )
    base_ns = 1_276_020_076_001_000_000
    assert readings(decoded) == [
        (f"{WIRE}voltage", base_ns, 120.1),
        (f"{WIRE}current", base_ns - 5 * NS_PER_S, 1.2),
        (f"{WIRE}current", base_ns - 4 * NS_PER_S, 1.3),
        (f"{WIRE}current", base_ns, 1.7),
    ]
    assert decoded.units == ["V", "A", "A", "A"]
    assert decoded.flags == [0, 0, 0, 0]
    assert not decoded.untimed


def test_one_name_may_carry_several_units():
    decoded = decode(
        '[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},'
        '{"u":"lon","v":24.30621},{"u":"lat","v":60.07965},{"t":60,"v":20.3}]'
    )
    assert decoded.units == ["%RH", "lon", "lat", "%RH"]
    assert decoded.times_ns[-1] == 1_320_067_524_000_000_000


def test_texts_and_data_are_refused_and_a_bool_is_a_number():
    decoded = decode(
        f'[{{"bn":"{WIRE}","n":"temp","u":"Cel","v":23.1}},{{"n":"label","vs":"Machine Room"}},'
        '{"n":"open","vb":false},{"n":"nfc-reader","vd":"aGkgCg"},{"n":"shut","vb":true}]'
    )
    assert [(name, value) for name, _, value in readings(decoded)] == [
        (f"{WIRE}temp", 23.1),
        (f"{WIRE}open", 0.0),
        (f"{WIRE}shut", 1.0),
    ]
    assert decoded.rejected == {Reason.VALUE_TYPE: 2}
    assert decoded.refusals[0].channel_name == f"{WIRE}label"


def test_a_base_name_is_replaced_by_the_next():
    decoded = decode(
        '[{"bn":"2001:db8::2/","bt":1.320078429e+09,"n":"temperature","u":"Cel","v":25.2},'
        '{"n":"humidity","u":"%RH","v":30},{"bn":"2001:db8::1/","n":"temperature","u":"Cel","v":12.3}]'
    )
    assert decoded.names == [
        "2001:db8::2/temperature",
        "2001:db8::2/humidity",
        "2001:db8::1/temperature",
    ]


def test_the_cbor_of_the_rfc_says_the_same_as_its_json():
    head = bytes.fromhex(
        "82a721781b75726e3a6465763a6f773a313065323037336130313038303036"
        "3a22fb41d303a15b00106223614120050067766f6c746167650161560"
        "2fb405e066666666666a3006763757272656e7406240"
        "2fb3ff3333333333333"
    )
    assert readings(decode(head)) == [
        (f"{WIRE}voltage", 1_276_020_076_001_000_000, 120.1),
        (f"{WIRE}current", 1_276_020_071_001_000_000, 1.2),
    ]


@pytest.mark.parametrize(
    ("t", "time_ns"),
    [
        ("1320067464.123456789", 1_320_067_464_123_456_789),
        ("1320067464.000000050", 1_320_067_464_000_000_050),
        ("1320067464", 1_320_067_464_000_000_000),
        ("1.320067464123456789e9", 1_320_067_464_123_456_789),
        ('"1320067464.123456789"', 1_320_067_464_123_456_789),
        ("268435456", 268_435_456_000_000_000),
        ("268435455.5", RECEIVED_NS + 268_435_455_500_000_000),
        ("-0.25", RECEIVED_NS - 250_000_000),
        ("-268435456", RECEIVED_NS - 268_435_456_000_000_000),
        ("0", RECEIVED_NS),
    ],
)
@pytest.mark.parametrize("extra", ["", ',"why_not":1', r',"x":"\u0041"'])
def test_a_time_is_exact_as_it_is_written(t, time_ns, extra):
    decoded = decode(f'[{{"n":"a","v":1,"t":{t}{extra}}}]')
    assert decoded.times_ns == [time_ns]
    relative = t in ("268435455.5", "-0.25", "-268435456", "0")
    assert decoded.untimed is bool(decoded.flags[0]) is relative


def test_a_negative_base_time_is_relative_like_any_other():
    assert one('{"bt":-60,"n":"a","t":10.5,"v":1}')[1] == RECEIVED_NS - 49_500_000_000


def test_base_time_and_time_are_added_before_they_are_taken_for_relative():
    assert one('{"bt":268435000,"n":"a","t":456,"v":1}')[1] == 268_435_456 * NS_PER_S


@pytest.mark.parametrize("t", ["true", "null", '"soon"', "[]", "{}", "1e999", "9" * 500, "-1e12"])
def test_a_bad_time_costs_its_reading(t):
    assert refused(f'[{{"n":"a","t":{t},"v":1}},{{"n":"a","v":1}}]') == {Reason.TIME: 1}


@pytest.mark.parametrize(
    ("bases", "reason"),
    [('"bt":"x"', Reason.TIME), ('"bn":7', Reason.NAME), ('"bv":"x"', Reason.VALUE_TYPE)],
)
def test_a_bad_base_costs_the_readings_until_the_next_good_one(bases, reason):
    good = {"bt": '"bt":1700000000', "bn": '"bn":"x"', "bv": '"bv":0'}[bases[1:3]]
    pack = f'[{{"n":"a","v":1}},{{{bases}}},{{"n":"a","v":1}},{{"n":"a","v":1}},{{{good}}},{{"n":"a","v":1}}]'
    decoded = decode(pack)
    assert len(decoded.names) == 2
    assert decoded.rejected == {reason: 2}


def test_a_base_value_is_added_as_the_decimal_number_that_was_written():
    assert one('{"n":"a","bv":0.1,"v":0.7}')[2] == 0.8
    assert one('{"n":"a","bv":20,"v":3}')[2] == 23.0
    assert one('{"n":"a","bv":20,"vb":true}')[2] == 1.0
    assert refused('[{"n":"a","bv":1e308,"v":1e308}]') == {Reason.NOT_FINITE: 1}


@pytest.mark.parametrize("version", [11, 25, 27, 0, -1, "10", 10.5, True, 1 << 70])
def test_another_version_is_not_read_at_all(version):
    decoded = decode(json.dumps([{"n": "a", "v": 1}, {"bver": version, "n": "a", "v": 1}]))
    assert decoded.undecodable.reason is Reason.STRUCTURE
    assert decoded.reading_count == 0


@pytest.mark.parametrize("version", [1, 5, 10, 26])
def test_older_versions_and_secondary_units_are_read(version):
    assert one(f'{{"bver":{version},"n":"a","v":1}}')[0] == "a"


def test_a_field_that_must_be_understood_refuses_the_pack():
    for label in ("scale_", r"scale\u005f"):
        decoded = decode(f'[{{"n":"a","v":1}},{{"n":"a","v":1,"{label}":2}}]')
        assert decoded.undecodable.reason is Reason.STRUCTURE
        assert "scale_" in decoded.undecodable.detail
    assert decode(cbor2.dumps([{0: "a", 2: 1, "scale_": 1}])).undecodable is not None


def test_other_fields_and_names_with_an_underscore_are_no_matter():
    assert one('{"n":"a_","v":1,"ut":60,"note":{"x":[null]}}') == ("a_", RECEIVED_NS, 1.0)


@pytest.mark.parametrize("name", ["", "_a", "-a", "a b", "桥", "a\\n", "a" * 129, "a*"])
def test_a_name_that_the_rfc_does_not_allow_costs_its_reading(name):
    assert refused(f'[{{"n":"{name}","v":1}},{{"n":"A.z:0/-_","v":1}}]') == {Reason.NAME: 1}


def test_a_sum_alone_is_no_reading_and_beside_a_value_is_ignored():
    assert refused('[{"n":"a","s":7}]') == {Reason.VALUE_TYPE: 1}
    assert one('{"n":"a","s":7,"bs":3,"v":1}')[2] == 1.0


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ('{"n":"a"}', Reason.VALUE_TYPE),
        ('{"n":"a","v":null}', Reason.VALUE_TYPE),
        ('{"n":"a","v":"1"}', Reason.VALUE_TYPE),
        ('{"n":"a","v":true}', Reason.VALUE_TYPE),
        ('{"n":"a","vb":1}', Reason.VALUE_TYPE),
        ('{"n":"a","v":1e999}', Reason.NOT_FINITE),
        ('{"n":"a","v":NaN}', Reason.NOT_FINITE),
        ('{"n":"a","v":' + "9" * 5000 + "}", Reason.NOT_FINITE),
        ('{"n":"a","v":1,"vb":true}', Reason.STRUCTURE),
        ('{"n":"a","v":1,"u":7}', Reason.STRUCTURE),
        ('{"n":["a"],"v":1}', Reason.NAME),
        ("7", Reason.STRUCTURE),
        ("null", Reason.STRUCTURE),
    ],
)
def test_one_bad_record_costs_only_itself(record, reason):
    decoded = decode(f'[{{"n":"good","v":1}},{record},{{"n":"also","v":2}}]')
    assert decoded.names == ["good", "also"]
    assert decoded.rejected == {reason: 1}


def test_a_record_of_base_fields_alone_is_no_reading():
    decoded = decode('[{"bn":"x","bt":1700000000},{"v":1}]')
    assert (decoded.names, decoded.rejected) == (["x"], {})


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.SYNTAX),
        (b"[", Reason.SYNTAX),
        (b"[{}] x", Reason.SYNTAX),
        (b"[" * 100_000, Reason.SYNTAX),
        (b"\x81" * 1000, Reason.SYNTAX),
        (b"\x81\xa1\x00", Reason.SYNTAX),
        (b"\x80\x80", Reason.SYNTAX),
        (b"\x81\xa2\x02\x01\x02\x01", Reason.SYNTAX),
        (b"\x81\xa2\x02\x01\x61v\x01", Reason.STRUCTURE),
        (b"{}", Reason.STRUCTURE),
        (b'{"n":"a","v":1}', Reason.STRUCTURE),
        (b"\xa1\x00\x61a", Reason.STRUCTURE),
        (b" " * (1 << 20) + b"1", Reason.OVERSIZE),
    ],
)
def test_a_payload_that_cannot_be_read_says_why(payload, reason):
    decoded = decode(payload)
    assert decoded.undecodable is not None
    assert decoded.undecodable.reason is reason
    assert decoded.undecodable.detail


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (bytes.fromhex("f93e00"), 1.5),  # half
        (bytes.fromhex("fa3fc00000"), 1.5),
        (bytes.fromhex("c48221196ab3"), 273.15),  # tag 4: 27315e-2
        (bytes.fromhex("c5822003"), 1.5),  # tag 5: 3 * 2**-1
        (bytes.fromhex("c249010000000000000000"), 2.0**64),  # tag 2
        (bytes.fromhex("c482186419000a"), 1e101),
        (bytes.fromhex("20"), -1.0),
    ],
)
def test_cbor_has_numbers_of_many_kinds(value, number):
    assert decode(b"\x81\xa2\x00\x61a\x02" + value).values == [number]


@pytest.mark.parametrize(
    "value",
    [
        bytes.fromhex("c4821b7fffffffffffffff01"),  # a billion digits, were it built
        bytes.fromhex("c5821b7fffffffffffffff01"),
        bytes.fromhex("c48101"),
        bytes.fromhex("c4826161"[:6]) + b"\x01\x61a",
        bytes.fromhex("d81c01"),
        bytes.fromhex("c101"),
        bytes.fromhex("f7"),
        bytes.fromhex("4161"),
    ],
)
def test_other_tags_are_no_values(value):
    decoded = decode(b"\x82\xa2\x00\x61a\x02" + value + b"\xa2\x00\x61b\x02\x01")
    if decoded.undecodable is None:
        assert decoded.names == ["b"]
        assert decoded.reading_count == 2
    else:
        assert decoded.undecodable.reason is Reason.SYNTAX


def test_endless_arrays_maps_and_texts_and_the_mark_of_cbor_are_read():
    assert decode(b"\x9f\xbf\x00\x7f\x61a\x61b\xff\x02\x01\xff\xff").names == ["ab"]
    assert decode(b"\xd9\xd9\xf7\x81\xa2\x00\x61a\x02\x01").names == ["a"]


def test_labels_may_be_spelt_out_in_cbor():
    assert decode(cbor2.dumps([{"n": "a", "v": 1, "t": -1}])).names == ["a"]


def test_times_in_cbor_are_exact():
    for time in (Decimal("1320067464.123456789"), cbor2.CBORTag(4, [-9, 1320067464123456789])):
        decoded = decode(cbor2.dumps([{0: "a", 2: 1, 6: time}]))
        assert decoded.times_ns == [1_320_067_464_123_456_789]


def test_a_byte_order_mark_is_no_fault():
    assert decode(b'\xef\xbb\xbf[{"n":"a","v":1}]').names == ["a"]


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,30}", fullmatch=True)
times = st.none() | st.integers(senml.RELATIVE_NS_LIMIT, TIME_NS_MAX)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(names, times, numbers, st.none() | st.sampled_from(["mm", "Cel"]))))
def test_what_is_encoded_is_decoded_in_both_encodings(sent):
    expected = [(name, RECEIVED_NS if t is None else t, v) for name, t, v, _ in sent]
    for encode in (senml.encode, senml.encode_cbor):
        decoded = decode(encode(sent))
        assert readings(decoded) == expected
        units = [unit or "" for *_, unit in sent]
        assert decoded.units == (units if any(units) else None)


FIELDS = {
    "n": st.sampled_from(["a", "b", "", "_", "c"]),
    "bn": st.sampled_from(["x", "y:", ""]),
    "t": st.integers(-100, 100) | st.decimals(-9, 9, places=3).map(float),
    "bt": st.sampled_from([0, 1_700_000_000, 1_700_000_000.25, -60]),
    "v": st.integers(-5, 5) | st.sampled_from([0.1, 0.7, 1e300]),
    "bv": st.sampled_from([0, 1, 0.1]),
    "vb": st.booleans(),
    "vs": st.just("x"),
    "u": st.sampled_from(["mm", "m"]),
    "bu": st.sampled_from(["mm", "m"]),
    "s": st.integers(0, 3),
}


@given(st.lists(st.fixed_dictionaries({}, optional=FIELDS), max_size=6))
def test_json_read_quickly_json_read_carefully_and_cbor_say_the_same(pack):
    labels = {name: label for label, name in senml.senml_cbor.LABELS.items()}
    text = json.dumps(pack)
    careful = text.replace("{", '{"x":"\\u0041",') if "{}" not in text else text
    binary = cbor2.dumps([{labels[name]: value for name, value in one.items()} for one in pack])
    seen = [
        (readings(decoded), decoded.flags, decoded.units, decoded.rejected)
        for decoded in map(decode, (text, careful, binary))
    ]
    assert seen[0] == seen[1] == seen[2]
    assert all(math.isfinite(value) for _, _, value in seen[0][0])
