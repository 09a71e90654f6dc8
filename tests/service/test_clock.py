"""The data clock: monotone, bounded in its ticks, and not fooled by one absurd time."""

import time

from hypothesis import given
from hypothesis import strategies as st

from domain.journal import CatalogueChange, Command, Frame, Tick
from domain.time import NS_PER_S
from service.clock import JUMP_NS_MAX, TICKS_PER_ADVANCE_MAX, DataClock, WallClock, time_of

START_NS = 1_700_000_000 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
ABSURD_NS = 9_000_000_000 * NS_PER_S


def frame(time_ns: int | None) -> Frame:
    return Frame("topic", b"" if time_ns is None else b"%d" % time_ns, received_ns=5)


def told_time(told: Frame) -> int | None:
    return int(told.payload) if told.payload else None


def clock(start_ns: int = 0) -> DataClock:
    return DataClock(told_time, start_ns)


def ticks(rows):
    return [row for row in rows if isinstance(row, Tick)]


times = st.lists(
    st.one_of(
        st.none(),
        st.integers(START_NS, START_NS + 10 * HOUR_NS),
        st.integers(0, ABSURD_NS),
    ),
    max_size=30,
)


@given(times)
def test_time_never_goes_back_and_no_frame_is_lost(moments):
    data = clock()
    rows = list(data.rows([frame(moment) for moment in moments]))
    frames = [row for row in rows if isinstance(row, Frame)]
    assert [told_time(one) for one in frames] == moments
    stamps = [row.received_ns if isinstance(row, Frame) else row.now_ns for row in rows]
    assert stamps == sorted(stamps)


@given(times)
def test_between_two_frames_stand_at_most_four_ticks_on_whole_seconds(moments):
    data = clock()
    for moment in moments:
        before_s = data.now_ns() // NS_PER_S
        made = ticks(data.rows([frame(moment)]))
        if before_s:
            passed_s = data.now_ns() // NS_PER_S - before_s
            assert sum(one.elapsed_ns for one in made) == passed_s * NS_PER_S
        assert len(made) <= TICKS_PER_ADVANCE_MAX
        assert all(one.now_ns % NS_PER_S == 0 and one.elapsed_ns > 0 for one in made)


@given(times, st.integers(0, 30))
def test_any_grouping_of_the_frames_gives_the_same_rows(moments, cut):
    whole, parts = clock(), clock()
    frames = [frame(moment) for moment in moments]
    together = list(whole.rows(frames))
    assert [*parts.rows(frames[:cut]), *parts.rows(frames[cut:])] == together


def test_the_clock_stands_at_the_newest_reading():
    data = clock(START_NS)
    data.rows([frame(START_NS + HOUR_NS), frame(START_NS), frame(None)])
    assert data.now_ns() == START_NS + HOUR_NS


def test_one_absurd_time_does_not_end_a_replay():
    data = clock(START_NS)
    data.rows([frame(ABSURD_NS)])
    assert data.now_ns() == START_NS
    data.rows([frame(START_NS + HOUR_NS)])
    assert data.now_ns() == START_NS + HOUR_NS


def test_absurd_times_far_apart_do_not_confirm_one_another():
    data = clock(START_NS)
    data.rows([frame(ABSURD_NS), frame(ABSURD_NS // 2)])
    assert data.now_ns() == START_NS


def test_an_absurd_time_of_before_confirms_nothing_once_time_went_on():
    data = clock(START_NS)
    data.rows([frame(ABSURD_NS), frame(START_NS + HOUR_NS), frame(ABSURD_NS)])
    assert data.now_ns() == START_NS + HOUR_NS


def test_a_jump_that_the_next_frame_confirms_is_believed():
    data = clock(START_NS)
    later_ns = START_NS + 40 * JUMP_NS_MAX
    data.rows([frame(later_ns), frame(later_ns + NS_PER_S)])
    assert data.now_ns() == later_ns + NS_PER_S


def test_the_ticks_of_a_second_are_one_each():
    data = clock(START_NS)
    made = ticks(data.rows([frame(START_NS + n * NS_PER_S) for n in range(1, 4)]))
    assert [(one.now_ns - START_NS) // NS_PER_S for one in made] == [1, 2, 3]
    assert {one.elapsed_ns for one in made} == {NS_PER_S}


def test_every_row_says_when_it_was_made():
    rows = [
        Frame("t", b"", 5),
        Tick(5, 1, broker_connected=True),
        Command("id", "reset", {}, "li", 5),
        CatalogueChange(1, 5),
    ]
    assert {time_of(row) for row in rows} == {5}


def test_the_walls_clock_leaves_frames_as_they_are():
    wall, frames = WallClock(), [frame(1)]
    assert wall.rows(frames) is frames
    before_ns = time.time_ns()
    assert before_ns <= wall.now_ns() <= time.time_ns()


def test_a_clock_that_expects_long_holes_leaps_over_them_at_once():
    data = DataClock(told_time, START_NS, jump_ns_max=100 * JUMP_NS_MAX)
    later_ns = START_NS + 90 * JUMP_NS_MAX
    rows = data.rows([frame(later_ns)])
    assert rows[-1].received_ns == later_ns
    assert len(ticks(rows)) == TICKS_PER_ADVANCE_MAX
