"""The compiled line protocol says, byte for byte, what its readable twin says."""

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.archive.lines import Columns, Encoder, line_of, prefix_of

CHANNELS = ("bridge/north/strain", "a b,c=d", 'd\'Or/"测点"', "in\\side", "x" * 200)


def encoded(rows, channel_ids=CHANNELS):
    columns = list(zip(*rows, strict=True))
    dtypes = (np.int32, np.int64, np.float64, np.uint8)
    arrays = [np.array(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)]
    return Encoder(channel_ids).encode(Columns(channel_ids, *arrays), 0, len(rows))


def expected(rows):
    return b"".join(line_of(CHANNELS[c], t, v, q) for c, t, v, q in rows)


bits = st.integers(0, 2**64 - 1).map(lambda n: struct.unpack("<d", struct.pack("<Q", n))[0])
decimals = st.builds(lambda n, k: n / 10**k, st.integers(-(10**15), 10**15), st.integers(0, 9))
narrow = st.floats(width=32)
whole = st.integers(-(2**63), 2**63).map(float)
powers = st.integers(-1074, 1023).map(lambda k: math.ldexp(1.0, k))
values = st.one_of(bits, decimals, narrow, whole, powers, st.floats(-1e6, 1e6))
times = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-1000, 1000))
rows = st.lists(st.tuples(st.integers(0, 4), times, values, st.integers(1, 9)), min_size=1)


@settings(max_examples=400, deadline=None)
@example([(0, 0, value, 1) for value in (0.0, -0.0, 5e-324, 1e308, 1e-4, 1e-5, 1e15, 1e16, 1e17)])
@example([(0, -1, value, 9) for value in (math.nan, math.inf, -math.inf, 99999999.999999, 1e8)])
@example([(0, 10**k, 10.0**k - 0.5, 4) for k in range(19)])
@given(rows)
def test_a_compiled_line_is_that_of_the_reference(rows):
    assert encoded(rows) == expected(rows)


@given(st.lists(values, min_size=1, max_size=50))
def test_a_value_reads_back_to_the_bit(some):
    finite = [value for value in some if math.isfinite(value)]
    text = encoded([(0, 0, value, 1) for value in finite] or [(0, 0, 1.0, 1)]).decode()
    found = [float(line.split("value=")[1].split(",")[0]) for line in text.splitlines()]
    assert struct.pack(f"{len(found)}d", *found) == struct.pack(
        f"{len(found)}d", *(finite or [1.0])
    )


def test_a_great_many_floats_of_every_kind_agree():
    random = np.random.default_rng(7)
    kinds = [
        random.integers(0, 2**63, 20_000).view(np.float64),
        np.round(random.normal(20, 500, 20_000), 2),
        random.normal(0, 1, 20_000).astype(np.float32).astype(np.float64),
        random.integers(0, 2**40, 5_000) / 1e6,
    ]
    rows = [(0, n, v, 1) for kind in kinds for n, v in enumerate(kind.tolist())]
    assert encoded(rows) == expected(rows)


@pytest.mark.parametrize("channel_id", ["", "ends\\", "two\nlines", "nul\0", "x" * 1025])
def test_an_id_that_no_line_can_hold_is_told_and_spoils_nothing(channel_id):
    with pytest.raises(ValueError, match="channel id"):
        prefix_of(channel_id)
    assert list(Encoder((channel_id, "fine")).unfit) == [0]
