from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.grade import Condition, Grade
from storage.alarms import AlarmFilter, AlarmStore, Commit
from storage.pages import BadCursorError
from tests.storage.worlds import alarm, times, transition

some = st.sampled_from(["bridge/riverside", "tunnel/north"])
worlds = st.lists(
    st.tuples(
        st.builds(
            alarm,
            facility=some,
            facility_kind=st.sampled_from(["bridge", "tunnel"]),
            channel=st.sampled_from(["a", "b"]),
            condition=st.sampled_from(Condition),
            grade=st.sampled_from(Grade),
            peak_grade=st.sampled_from(Grade),
            active=st.booleans(),
            acknowledged=st.booleans(),
            ended=st.booleans(),
            raised_at_ns=st.integers(0, 5),
        ),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=12,
)
filters = st.builds(
    AlarmFilter,
    state=st.sampled_from(["open", "active", "unacknowledged", "ended", "all"]),
    grades=st.frozensets(st.sampled_from(Grade), max_size=2),
    facility_kind=st.none() | st.sampled_from(["bridge", "tunnel"]),
    facility=st.none() | some,
    channel=st.none() | st.sampled_from(["a", "b"]),
    condition=st.none() | st.sampled_from(Condition),
    instrument=st.none() | st.booleans(),
    since_ns=st.none() | st.integers(0, 9),
    limit=st.integers(1, 4),
)


def is_wanted(wanted, one, time_ns, recorded_ns):
    """What the filter's documentation says, in Python."""
    states = {
        "all": True,
        "ended": one.ended,
        "open": not one.ended,
        "active": not one.ended and one.active,
        "unacknowledged": not one.ended and not one.acknowledged,
    }
    graded = {one.peak_grade} if one.ended else {one.peak_grade, one.grade}
    return (
        states[wanted.state]
        and (not wanted.grades or bool(wanted.grades & graded))
        and wanted.facility_kind in (None, one.facility_kind)
        and wanted.facility in (None, one.facility)
        and wanted.channel in (None, one.channel)
        and wanted.condition in (None, one.condition)
        and wanted.instrument in (None, one.instrument)
        and (wanted.since_ns is None or max(time_ns, recorded_ns) >= wanted.since_ns)
    )


async def all_pages(store, wanted):
    found, cursor = [], None
    while True:
        page = await store.alarms(
            AlarmFilter(
                **{name: getattr(wanted, name) for name in wanted.__slots__} | {"cursor": cursor}
            )
        )
        assert len(page.items) <= wanted.limit
        found += page.items
        if page.next is None:
            return found
        cursor = page.next


@given(world=worlds, wanted=st.lists(filters, min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_a_filter_finds_what_it_says_newest_first_whatever_the_page_size(
    with_engine, world, wanted
):
    world = [(replace(one, id=f"alarm-{n:02}"), t, r) for n, (one, t, r) in enumerate(world)]

    async def check(engine):
        store = AlarmStore(engine)
        changes = [
            transition(f"t-{one.id}", one, time_ns=time_ns, recorded_ns=recorded_ns)
            for one, time_ns, recorded_ns in world
        ]
        await store.commit(Commit(1, changes))
        for filter_ in wanted:
            expected = [one for one, *when in world if is_wanted(filter_, one, *when)]
            expected.sort(key=lambda one: (one.raised_at_ns, one.id), reverse=True)
            assert await all_pages(store, filter_) == expected

    with_engine(check)


async def test_paging_loses_and_repeats_nothing_while_alarms_are_added(store):
    def raised(number, at_ns):
        return transition(f"t-{number}", alarm(f"alarm-{number}", raised_at_ns=at_ns))

    await store.commit(Commit(1, [raised(n, n // 3) for n in range(50)]))
    seen, cursor = [], None
    for step in range(2, 100):
        page = await store.alarms(AlarmFilter(limit=7, cursor=cursor))
        seen += [one.id for one in page.items]
        await store.commit(Commit(step, [raised(f"new-{step}", 1000), raised(f"late-{step}", 0)]))
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert {f"alarm-{n}" for n in range(50)} <= set(seen)


@given(at_ns=times)
@settings(max_examples=10, deadline=None)
def test_any_time_can_stand_in_a_cursor(with_engine, at_ns):
    async def check(engine):
        store = AlarmStore(engine)
        both = [transition(f"t-{n}", alarm(f"alarm-{n}", raised_at_ns=at_ns)) for n in range(2)]
        await store.commit(Commit(1, both))
        found = await all_pages(store, AlarmFilter(limit=1))
        assert [one.id for one in found] == ["alarm-1", "alarm-0"]

    with_engine(check)


async def test_a_cursor_of_another_list_is_refused(store):
    with pytest.raises(BadCursorError):
        await store.alarms(AlarmFilter(cursor="WzFd"))


async def test_a_state_that_there_is_not_is_refused(store):
    with pytest.raises(ValueError, match="asleep"):
        await store.alarms(AlarmFilter(state="asleep"))
