from hypothesis import given, settings
from hypothesis import strategies as st

from storage import inbox
from storage.alarms import AlarmStore, Commit
from storage.inbox import Inboxed
from tests.storage.worlds import sighting, sightings


def folded(found):
    """What the inbox must hold, by its law: counts add, the first stays first, the last stands."""
    rows = {}
    for one in found:
        before = rows.get((one.gateway, one.channel_name))
        rows[one.gateway, one.channel_name] = Inboxed(
            gateway=one.gateway,
            channel_name=one.channel_name,
            district=one.district,
            count=one.count + (before.count if before else 0),
            first_seen_ns=before.first_seen_ns if before else one.first_seen_ns,
            last_seen_ns=one.last_seen_ns,
            last_time_ns=one.last_time_ns,
            last_value=one.last_value,
        )
    return rows


@given(found=st.lists(st.lists(sightings, max_size=5), max_size=5))
@settings(max_examples=20, deadline=None)
def test_it_holds_the_fold_of_what_was_seen(with_engine, found):
    async def check(engine):
        store = AlarmStore(engine)
        for seq, batch in enumerate(found, 1):
            await store.commit(Commit(seq, sightings=batch))
        page = await store.unregistered(limit=1000)
        flat = [one for batch in found for one in batch]
        assert {(one.gateway, one.channel_name): one for one in page.items} == folded(flat)

    with_engine(check)


async def test_it_is_bounded_and_what_was_seen_longest_ago_gives_way(store, monkeypatch):
    monkeypatch.setattr(inbox, "KEPT", 3)
    await store.commit(Commit(1, sightings=[sighting(f"D{n}", seen_ns=n) for n in range(3)]))
    await store.commit(Commit(2, sightings=[sighting("D0", seen_ns=9), sighting("D7", seen_ns=8)]))
    page = await store.unregistered()
    assert [(one.channel_name, one.count) for one in page.items] == [
        ("D0", 2),
        ("D2", 1),
        ("D7", 1),
    ]


async def test_ten_thousand_names_are_kept(store):
    for seq in range(1, 12):
        names = [sighting(f"{seq}-{n}", seen_ns=seq) for n in range(1000)]
        await store.commit(Commit(seq, sightings=names))
    seen, cursor = 0, None
    while True:
        page = await store.unregistered(cursor, 1000)
        seen += len(page.items)
        cursor = page.next
        if cursor is None:
            break
    assert seen == 10_000


async def test_paging_loses_and_repeats_nothing_while_names_are_seen_again(store):
    names = [f"D{n:02}" for n in range(20)]
    await store.commit(Commit(1, sightings=[sighting(name) for name in names]))
    seen, cursor = [], None
    for seq in range(2, 30):
        page = await store.unregistered(cursor, 3)
        seen += [one.channel_name for one in page.items]
        again = [sighting(name, seen_ns=seq * 1_000) for name in names[::seq]]
        await store.commit(Commit(seq, sightings=[*again, sighting(f"A{seq}")]))
        cursor = page.next
        if cursor is None:
            break
    assert seen == names


async def test_a_forgotten_name_is_gone_until_it_is_sent_again(store):
    await store.commit(Commit(1, sightings=[sighting("D1"), sighting("D2")]))
    await store.forget_unregistered("gw-bridge", "D1")
    assert [one.channel_name for one in (await store.unregistered()).items] == ["D2"]
    await store.commit(Commit(2, sightings=[sighting("D1")]))
    assert [one.count for one in (await store.unregistered()).items] == [1, 1]
