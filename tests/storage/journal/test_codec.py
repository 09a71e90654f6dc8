import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.journal import CatalogueChange, Command, Frame, Tick
from storage.journal import JournalError, codec

int64 = st.integers(-(2**63), 2**63 - 1)
topics = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
frames = st.builds(Frame, topics, st.binary(max_size=40), int64, st.booleans())
arguments = st.dictionaries(topics, st.one_of(topics, int64, st.none()), max_size=3)
records = st.one_of(
    frames,
    st.builds(Tick, int64, int64, st.booleans()),
    st.builds(Command, topics, topics, arguments, topics, int64),
    st.builds(CatalogueChange, int64, int64),
)


@given(st.lists(records, max_size=30))
def test_records_come_back_as_they_went_in(written):
    read = [record for block in codec.encode(written) for record in codec.decode(block.payload)]
    assert read == written


@given(st.lists(frames, min_size=1, max_size=5), st.data())
def test_bytes_that_are_no_block_are_a_value_error(written, data):
    payload = codec.encode(written)[0].payload
    with pytest.raises(ValueError, match=r"."):
        codec.decode(payload[: data.draw(st.integers(0, len(payload) - 1))])


def test_blocks_keep_within_bytes_and_rows():
    large = [Frame("t", bytes(1_000_000), n) for n in range(10)]
    many = [Frame("t", b"", n) for n in range(120_001)]
    for written in (large, many):
        blocks = codec.encode(written)
        assert [record for block in blocks for record in block.records] == written
        assert len(blocks) > 1
        for block in blocks:
            assert len(block.records) <= codec.ROWS_MAX
            assert len(block.payload) <= codec.BYTES_MAX + 1_000


@pytest.mark.parametrize(
    "record",
    [
        Frame("t", b"", 2**63),
        Frame("\ud800", b"", 1),
        Frame("t", bytes(codec.RECORD_BYTES_MAX + 1), 1),
        Command("c", "reset", {"what": object()}, "a", 1),
        "not a record",
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(record):
    with pytest.raises(JournalError) as refused:
        codec.encode([Tick(1, 1, True), record])
    assert refused.value.permanent
