from hypothesis import given
from hypothesis import strategies as st

from domain.journal import Frame
from ingest.groups import GROUP_BYTES_MAX, GROUP_FRAMES_MAX, PAYLOAD_BYTES_WHOLE, Groups
from ingest.wire import PAYLOAD_BYTES_MAX


def frame(size):
    return Frame("t", bytes(size), 1)


@given(
    st.lists(st.tuples(st.sampled_from([0, 10, 300_000, 900_000, 1_500_000]), st.integers(1, 3)))
)
def test_groups_keep_the_order_and_their_bounds(frames):
    groups = Groups()
    for number, (size, connection) in enumerate(frames, 1):
        groups.add(connection, frame(size), number)
    packet_ids = []
    while groups:
        group = groups.pop()
        packet_ids += group.packet_ids
        assert group.size <= GROUP_BYTES_MAX or len(group.frames) == 1
        assert group.size == sum(len(each.payload) + 1 for each in group.frames)
    assert packet_ids == list(range(1, len(frames) + 1))


def test_a_group_holds_at_most_ten_thousand_frames():
    groups = Groups()
    for _ in range(GROUP_FRAMES_MAX + 1):
        groups.add(1, frame(1), None)
    assert [len(groups.pop().frames), len(groups.pop().frames)] == [GROUP_FRAMES_MAX, 1]


def test_frames_of_two_connections_are_never_one_group():
    groups = Groups()
    groups.add(1, frame(1), 7)
    groups.add(2, frame(1), 7)
    assert [groups.pop().connection, groups.pop().connection] == [1, 2]


def test_what_is_unsettled_is_counted_once():
    groups = Groups(frames_max=2, bytes_max=1000)
    groups.add(1, frame(10), 1)
    assert not groups.is_full
    groups.add(1, frame(10), 2)
    assert groups.is_full
    group = groups.pop()
    assert groups.is_full
    assert groups.settle(group)
    assert not groups.settle(group)
    assert (groups.unsettled_frames, groups.unsettled_bytes) == (0, 0)
    groups.add(1, frame(2000), 3)
    assert groups.is_full


def test_a_monstrous_payload_is_cut_and_stays_oversize():
    groups = Groups()
    groups.add(1, frame(PAYLOAD_BYTES_WHOLE + 1), 1)
    assert len(groups.pop().frames[0].payload) == PAYLOAD_BYTES_MAX + 1
