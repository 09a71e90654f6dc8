from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from storage import quarantine
from storage.alarms import AlarmStore, Commit
from tests.storage.worlds import reject, rejects


async def everything(store, gateway=None, limit=1000):
    found, cursor = [], None
    while True:
        page = await store.quarantine(gateway, cursor, limit)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def newest(sent, per_gateway, in_all):
    """What the bounds leave, step by step, newest first."""
    kept = []
    for batch in sent:
        kept = [*batch[::-1], *kept]
        share = Counter()
        within = []
        for one in kept:
            share[one.gateway] += 1
            if share[one.gateway] <= per_gateway:
                within.append(one)
        kept = within[:in_all]
    return kept


@given(sent=st.lists(st.lists(rejects, max_size=9), max_size=6))
@settings(max_examples=25, deadline=None)
def test_it_keeps_the_newest_of_each_gateway_and_of_all(with_engine, sent):
    async def check(engine):
        store = AlarmStore(engine)
        for seq, batch in enumerate(sent, 1):
            await store.commit(Commit(seq, rejects=batch))
        assert await everything(store, limit=2) == newest(sent, 4, 7)

    kept = quarantine.KEPT_PER_GATEWAY, quarantine.KEPT_IN_ALL
    quarantine.KEPT_PER_GATEWAY, quarantine.KEPT_IN_ALL = 4, 7
    try:
        with_engine(check)
    finally:
        quarantine.KEPT_PER_GATEWAY, quarantine.KEPT_IN_ALL = kept


async def test_a_gateway_that_sends_nonsense_does_not_push_out_what_others_had_refused(store):
    await store.commit(Commit(1, rejects=[reject(1, "gw-quiet")]))
    for seq in range(2, 6):
        await store.commit(Commit(seq, rejects=[reject(seq, "gw-noisy")] * 700))
    assert len(await everything(store, "gw-noisy")) == 1000
    assert await everything(store, "gw-quiet") == [reject(1, "gw-quiet")]


async def test_there_are_never_more_than_twenty_thousand(store):
    for seq in range(1, 27):
        await store.commit(Commit(seq, rejects=[reject(seq, f"gw-{seq}")] * 900))
    found = await everything(store)
    assert len(found) == 20_000
    assert {one.seq for one in found} == set(
        range(4, 27)
    )  # 26 x 900 came; 3,400 of the first gave way


async def test_a_page_of_one_gateway_goes_on_where_it_ended_while_more_come(store):
    await store.commit(Commit(1, rejects=[reject(n) for n in range(5)] + [reject(9, "other")]))
    first = await store.quarantine("gw-bridge", None, 2)
    await store.commit(Commit(2, rejects=[reject(7)]))
    second = await store.quarantine("gw-bridge", first.next, 100)
    assert [one.seq for one in first.items + second.items] == [4, 3, 2, 1, 0]
    assert second.next is None


async def test_what_is_too_long_is_cut(store):
    long = reject(1, topic="t" * 9000, detail="d" * 9000, excerpt=b"x" * 9000)
    await store.commit(Commit(1, rejects=[long]))
    kept = (await store.quarantine()).items[0]
    assert (len(kept.topic), len(kept.detail), len(kept.excerpt)) == (512, 1024, 256)
