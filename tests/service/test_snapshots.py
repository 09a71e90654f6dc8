"""Snapshots on disk: what is read is what was written, or nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.snapshots import SnapshotFolder, decode, encode

INT64S = st.integers(-(2**63), 2**63 - 1)
RECORD = np.dtype([("time_ns", "<i8"), ("held", "u1"), ("ring", "<f8", (2, 3)), ("name", "<U4")])
DTYPES = ("<i8", "<i4", "u1", "<u8", "<f8", "<f4", "?", "<U5", RECORD)


@st.composite
def arrays(draw):
    """Arrays of every kind that the core has: records within records, empty, not contiguous."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    array = np.zeros(shape, dtype)
    for name in dtype.names or (None,):
        part = array if name is None else array[name]
        part[...] = (rng.integers(0, 100, part.shape)).astype(part.dtype)
        if part.dtype.kind == "f" and part.size:
            part.flat[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 1e-310]))
    return array[::-1] if draw(st.booleans()) else array


PLAIN = st.none() | st.booleans() | INT64S | st.floats() | st.text() | st.binary()
SNAPSHOTS = st.dictionaries(
    st.text(),
    st.recursive(
        PLAIN | arrays(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
    max_size=5,
)


def same(one, other):
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


@given(SNAPSHOTS)
def test_what_is_decoded_is_what_was_encoded_to_the_bit(snapshot):
    assert same(decode(encode(snapshot)), snapshot)


@given(SNAPSHOTS)
def test_decoded_arrays_can_be_written_to(snapshot):
    for value in decode(encode(snapshot)).values():
        if isinstance(value, np.ndarray):
            value[...] = np.zeros((), value.dtype)


@given(SNAPSHOTS, st.data())
def test_a_flipped_bit_or_a_cut_is_found(snapshot, data):
    good = encode(snapshot)
    at = data.draw(st.integers(0, len(good) - 1))
    flipped = bytearray(good)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    for bad in (bytes(flipped), good[:at]):
        with pytest.raises(ValueError, match="not a whole snapshot"):
            decode(bad)


def test_what_a_snapshot_cannot_hold_is_refused_when_it_is_written():
    with pytest.raises(TypeError, match="cannot hold object"):
        encode({"a": object()})


def write(folder, *seqs):
    for seq in seqs:
        folder.write({"seq": seq})


def seqs_of(snapshots):
    return [snapshot["seq"] for snapshot in snapshots]


def test_the_newest_that_is_not_too_new_comes_first(tmp_path):
    folder = SnapshotFolder(tmp_path)
    write(folder, 9, 100, 20)
    assert seqs_of(folder.newest(99)) == [20, 9]
    assert seqs_of(folder.newest(8)) == []


def test_a_damaged_one_is_passed_over(tmp_path):
    folder = SnapshotFolder(tmp_path)
    write(folder, 1, 2, 3)
    newest = sorted(tmp_path.glob("*.snapshot"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    assert seqs_of(folder.newest(10)) == [2, 1]


def test_two_that_every_consumer_has_passed_are_kept_and_all_later_ones(tmp_path):
    folder = SnapshotFolder(tmp_path)
    write(folder, 1, 2, 3, 4, 5)
    assert folder.retire(3) == 2
    assert seqs_of(folder.newest(10)) == [5, 4, 3, 2]


def test_a_single_one_lets_no_row_go_because_nothing_but_the_rows_could_stand_in_for_it(tmp_path):
    folder = SnapshotFolder(tmp_path)
    assert folder.retire(10) == 0
    write(folder, 5)
    assert folder.retire(10) == 0
    write(folder, 7)
    assert folder.retire(6) == 0  # the second is ahead of a consumer, which cannot begin there
    assert folder.retire(10) == 5


def test_what_a_kill_left_half_written_is_removed(tmp_path):
    write(SnapshotFolder(tmp_path), 5)
    (tmp_path / "00000000000000000007.part").write_bytes(b"half")
    assert seqs_of(SnapshotFolder(tmp_path).newest(10)) == [5]
    assert [path.suffix for path in tmp_path.iterdir()] == [".snapshot"]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 9_999, 10_000, 10_001, 10_015, 10_016, 25_003])
def test_long_lists_and_large_arrays_read_back_as_they_are_in_whatever_pieces(count):
    kind = np.dtype([("a", "i8"), ("b", "f8", (2,)), ("c", "u1")])
    rng = np.random.default_rng(count)
    records = np.frombuffer(rng.bytes(count * kind.itemsize), kind)
    whole = {
        "version": 1,
        "seq": 5,
        "ids": tuple(f"channel/{number}" for number in range(count)),
        "banks": [{"ids": ["a"], "records": records}, {"ids": [], "records": records[:1]}],
        "strided": rng.integers(0, 9, (count, 3))[:, 1],
        "plain": [1, "x", None, 2.5],
    }
    back = decode(encode(whole))
    assert back["ids"] == list(whole["ids"])
    assert back["plain"] == whole["plain"]
    assert np.array_equal(back["strided"], whole["strided"])
    for one, other in zip(back["banks"], whole["banks"], strict=True):
        assert one["records"].dtype == kind
        assert one["records"].tobytes() == other["records"].tobytes()
