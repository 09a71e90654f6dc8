import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from domain.accounting import Reason
from domain.time import TIME_NS_MAX
from ingest.wire import block

T0_NS = 1_700_000_000_000_000_000


def head(count, major):
    """Head of a CBOR item (RFC 8949, section 3)."""
    if count < 24:
        return bytes([major << 5 | count])
    return bytes([major << 5 | 27]) + struct.pack(">Q", count)


def text(value):
    return head(len(value.encode()), 3) + value.encode()


def integer(value):
    return head(value, 0) if value >= 0 else head(-1 - value, 1)


def typed(tag, content):
    return b"\xd8" + bytes([tag]) + head(len(content), 2) + content


def golden(v, *, name=b"\x63acc", t0=None, dt=None):
    """A block written by hand: a map of n, t0, dt, v."""
    t0 = integer(T0_NS) if t0 is None else t0
    dt = integer(1000) if dt is None else dt
    return b"\xa4" + b"\x61n" + name + b"\x62t0" + t0 + b"\x62dt" + dt + b"\x61v" + v


def decode(payload):
    return block.decode(payload, T0_NS, None)


def test_a_typed_array_of_float32_becomes_a_block():
    payload = bytes.fromhex(
        "a4"  # a map of four
        "616e 63616363"  # "n": "acc"
        "627430 1b17979cfe362a0000"  # "t0": 1700000000000000000
        "626474 1903e8"  # "dt": 1000
        "6176 d855 48 0000803f 000020c0"  # "v": tag 85 (float32, little-endian), 1.0, -2.5
    )
    [got] = decode(payload).blocks
    assert got.name == "acc"
    assert got.time_ns.tolist() == [T0_NS, T0_NS + 1000]
    assert got.value.tolist() == [1.0, -2.5]
    assert got.time_ns.dtype == np.int64
    assert got.value.dtype == np.float64


@pytest.mark.parametrize(
    ("tag", "code", "values"),
    [
        (64, "2B", [0, 255]),
        (65, ">2H", [1, 65535]),
        (66, ">2I", [1, 2**32 - 1]),
        (67, ">2Q", [1, 2**64 - 1]),
        (68, "2B", [7, 255]),
        (69, "<2H", [1, 65535]),
        (70, "<2I", [1, 2**32 - 1]),
        (71, "<2Q", [1, 2**63]),
        (72, "2b", [-128, 127]),
        (73, ">2h", [-2, 3]),
        (74, ">2i", [-2, 3]),
        (75, ">2q", [-(2**63), 3]),
        (77, "<2h", [-2, 3]),
        (78, "<2i", [-2, 3]),
        (79, "<2q", [-2, 3]),
        (80, ">2e", [0.5, -2.0]),
        (81, ">2f", [0.5, -2.0]),
        (82, ">2d", [0.1, -2.0]),
        (84, "<2e", [0.5, -2.0]),
        (85, "<2f", [0.5, -2.0]),
        (86, "<2d", [0.1, -2.0]),
    ],
)
def test_every_typed_array_of_rfc_8746_is_read(tag, code, values):
    [got] = decode(golden(typed(tag, struct.pack(code, *values)))).blocks
    assert got.value.tolist() == [float(value) for value in values]


@pytest.mark.parametrize("tag", [76, 83, 87, 63, 88, 40])
def test_an_array_that_a_float64_does_not_hold_is_refused(tag):
    decoded = decode(golden(typed(tag, bytes(32))))
    assert decoded.blocks == []
    assert decoded.rejected == {Reason.VALUE_TYPE: 2 if tag in (83, 87) else 1}


def test_a_plain_list_mixes_numbers_and_bools():
    v = b"\x86\x01\x20\xf5\xf4\xf9\x3c\x00\xc2\x49\x01" + bytes(8)  # 1, -1, true, false, 1.0, 2**64
    [got] = decode(golden(v)).blocks
    assert got.value.tolist() == [1.0, -1.0, 1.0, 0.0, 1.0, 2.0**64]


def test_a_homogeneous_array_is_a_list():
    [got] = decode(golden(b"\xd8\x29\x82\x01\x02")).blocks
    assert got.value.tolist() == [1.0, 2.0]


def test_samples_that_are_no_numbers_are_refused_and_the_others_keep_their_times():
    v = b"\x85\x01\xf6\x61x\xf9\x7e\x00\x05"  # 1, null, "x", NaN, 5
    decoded = decode(golden(v))
    [got] = decoded.blocks
    assert got.time_ns.tolist() == [T0_NS, T0_NS + 4000]
    assert got.value.tolist() == [1.0, 5.0]
    assert decoded.rejected == {Reason.VALUE_TYPE: 2, Reason.NOT_FINITE: 1}


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        (81, bytes.fromhex("3f800000 7fc00000 7f800001 ff800000 40000000")),  # also signalling NaN
        (84, bytes.fromhex("003c 007e 017c 00fc 0040")),
        (82, struct.pack(">5d", 1, np.nan, np.inf, -np.inf, 2)),
    ],
)
def test_samples_that_are_not_finite_are_refused_and_the_others_kept(tag, content):
    decoded = decode(golden(typed(tag, content)))
    [got] = decoded.blocks
    assert got.value.tolist() == [1.0, 2.0]
    assert got.time_ns.tolist() == [T0_NS, T0_NS + 4000]
    assert decoded.rejected == {Reason.NOT_FINITE: 3}


def test_an_integer_beyond_every_float_is_not_finite():
    bignum = b"\xc2\x59\x01\x00" + b"\xff" * 256
    decoded = decode(golden(b"\x82" + bignum + b"\x01"))
    assert decoded.blocks[0].value.tolist() == [1.0]
    assert decoded.rejected == {Reason.NOT_FINITE: 1}


@pytest.mark.parametrize(
    ("t0", "dt"),
    [
        (integer(T0_NS), integer(0)),
        (integer(T0_NS), integer(-5)),
        (integer(T0_NS), b"\xf6"),
        (integer(T0_NS), b"\xf9\x3e\x00"),  # 1.5
        (integer(T0_NS), b"\xc2\x49\xff" + bytes(8)),
        (b"\xf6", integer(1)),
        (b"\xf5", integer(1)),
        (b"\x61x", integer(1)),
        (b"\xf9\x7e\x00", integer(1)),  # NaN
        (b"\xc2\x5a\x00\x01\x00\x00" + b"\xff" * 65536, integer(1)),
        (integer(TIME_NS_MAX + 1), integer(1)),
        (integer(-(2**63)), integer(1)),
    ],
    ids=range(12),
)
def test_a_bad_time_costs_all_samples(t0, dt):
    decoded = decode(golden(typed(64, b"\x01\x02\x03"), t0=t0, dt=dt))
    assert decoded.blocks == []
    assert decoded.rejected == {Reason.TIME: 3}


def test_samples_out_of_the_years_that_we_hold_are_refused_alone():
    decoded = decode(golden(typed(64, bytes(range(10))), t0=integer(TIME_NS_MAX - 3000)))
    assert decoded.blocks[0].time_ns.tolist() == list(
        range(TIME_NS_MAX - 3000, TIME_NS_MAX + 1, 1000)
    )
    assert decoded.rejected == {Reason.TIME: 6}
    decoded = decode(golden(typed(64, bytes(range(10))), t0=integer(-1500)))
    assert decoded.blocks[0].time_ns.tolist() == list(range(500, 8500, 1000))
    assert decoded.blocks[0].value.tolist() == list(range(2, 10))
    assert decoded.rejected == {Reason.TIME: 2}


def test_an_interval_of_centuries_leaves_the_first_sample():
    decoded = decode(golden(typed(64, b"\x01\x02"), dt=integer(2**63 - 1)))
    assert decoded.blocks[0].time_ns.tolist() == [T0_NS]
    assert decoded.rejected == {Reason.TIME: 1}


def test_a_time_written_as_a_whole_float_is_taken():
    t0 = b"\xfb" + struct.pack(">d", 1.7e18)
    assert decode(golden(typed(64, b"\x01"), t0=t0)).blocks[0].time_ns.tolist() == [T0_NS]


def test_one_sample_needs_no_interval():
    payload = b"\xa3\x61n\x61a\x62t0" + integer(T0_NS) + b"\x61v\x81\x07"
    assert decode(payload).blocks[0].value.tolist() == [7.0]


@pytest.mark.parametrize(
    "name", [b"\x60", b"\x01", b"\xf6", text("n" * 129), text("a\0b"), b"\x41a", b"\x80", b"\xa0"]
)
def test_a_bad_name_costs_all_samples(name):
    decoded = decode(golden(typed(64, b"\x01\x02\x03"), name=name))
    assert decoded.blocks == []
    assert decoded.rejected == {Reason.NAME: 3}


def test_bytes_that_are_no_whole_samples_are_refused():
    assert decode(golden(typed(85, bytes(7)))).rejected == {Reason.STRUCTURE: 2}


@pytest.mark.parametrize("v", [b"\xf6", b"\x01", b"\x44\x00\x00\x00\x00", b"\x61x", b"\xa0"])
def test_samples_must_be_an_array(v):
    assert decode(golden(v)).rejected == {Reason.VALUE_TYPE: 1}


def test_a_list_holds_several_blocks_and_a_bad_one_costs_itself():
    good = golden(typed(64, b"\x01"))
    decoded = decode(b"\x84" + good + b"\x07" + b"\xa0" + good)
    assert len(decoded.blocks) == 2
    assert decoded.rejected == {Reason.STRUCTURE: 2}


def test_an_empty_block_holds_nothing():
    decoded = decode(golden(typed(64, b"")))
    assert decoded.undecodable is None
    assert decoded.reading_count == 0


def test_a_self_described_payload_is_taken():
    assert len(decode(b"\xd9\xd9\xf7" + golden(typed(64, b"\x01"))).blocks) == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.SYNTAX),
        (b"\xff", Reason.SYNTAX),
        (golden(typed(64, b"\x01\x02"))[:-1], Reason.SYNTAX),
        (golden(typed(64, b"\x01")) + b"\x00", Reason.SYNTAX),
        (golden(typed(64, b"\x01")) * 2, Reason.SYNTAX),
        (b"\x81" * 100_000, Reason.SYNTAX),
        (b"\x9f" * 100_000, Reason.SYNTAX),
        (b"\xa1\x61v" * 100_000, Reason.SYNTAX),
        (b"\x9b" + b"\xff" * 8, Reason.SYNTAX),
        (b"\x5b\x7f" + b"\xff" * 7, Reason.SYNTAX),
        (b"\xbb\x7f" + b"\xff" * 7, Reason.SYNTAX),
        (b"\xa2\x61v\x80\x61v\x80", Reason.SYNTAX),  # a key twice
        (b"\x01", Reason.STRUCTURE),
        (b"\xa0", Reason.STRUCTURE),
        (b"\xf6", Reason.STRUCTURE),
        (b"\xd8\x23\x65(a+)+", Reason.STRUCTURE),  # a regular expression
        (b"\xd8\x1c\x81\xd8\x1d\x00", Reason.STRUCTURE),  # a list that holds itself
        (b"\x40" + bytes(1 << 20), Reason.OVERSIZE),
    ],
    ids=range(18),
)
def test_a_payload_that_cannot_be_read_says_why(payload, reason):
    decoded = decode(payload)
    assert decoded.undecodable is not None
    assert decoded.undecodable.reason is reason
    assert decoded.undecodable.detail
    assert decoded.reading_count == 0


def test_shared_items_do_not_multiply_a_small_payload():
    shared = b"\xd8\x1c" + golden(typed(64, bytes(1000)))
    payload = b"\x9a" + struct.pack(">I", 1001) + shared + b"\xd8\x1d\x00" * 1000
    decoded = decode(payload)
    assert decoded.blocks == []
    assert decoded.rejected == {Reason.STRUCTURE: 1001}


dtypes = st.sampled_from(
    ["u1", "<u2", ">u4", "<u8", "i1", ">i2", "<i4", ">i8", "<f2", ">f4", "<f8", "?"]
)


@given(
    st.integers(0, T0_NS),
    st.integers(1, 10**12),
    dtypes.flatmap(
        lambda code: hnp.arrays(
            code,
            st.integers(1, 20),
            elements={"allow_nan": False, "allow_infinity": False} if "f" in code else None,
        )
    ),
)
def test_what_is_encoded_is_decoded(t0_ns, dt_ns, samples):
    many = block.encode_many([("a", t0_ns, dt_ns, samples), ("b", t0_ns, dt_ns, samples.tolist())])
    for payload in (block.encode("a", t0_ns, dt_ns, samples), many):
        decoded = decode(payload)
        assert not decoded.rejected
        for got in decoded.blocks:
            assert got.value.tolist() == samples.astype(np.float64).tolist()
            assert got.time_ns.tolist() == [t0_ns + i * dt_ns for i in range(len(samples))]
    assert [got.name for got in decode(many).blocks] == ["a", "b"]
