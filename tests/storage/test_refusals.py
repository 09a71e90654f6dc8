"""What the archive refuses leaves the books' stored once, however often it is refused."""

from domain.accounting import Account, Fate, Reason, Reject, Unit, in_parts
from storage.alarms import AlarmStore, Commit
from storage.refusals import Refusal, keep_refusals
from storage.state import StateEngine

STORED = Account("g", Unit.READINGS, Fate.STORED)
REFUSED = Account("g", Unit.READINGS, Fate.QUARANTINED, Reason.ARCHIVE)


def refusal(time_ns, channel="a", gateway="g"):
    reject = Reject(0, gateway, "", 1, Unit.READINGS, Fate.QUARANTINED, Reason.ARCHIVE, "why", "n")
    return Refusal(channel, time_ns, gateway, reject)


async def test_a_reading_refused_again_is_counted_once(tmp_path):
    engine = await StateEngine.open(f"sqlite:///{tmp_path / 'state.db'}")
    try:
        store = AlarmStore(engine)
        await store.commit(Commit(5, accounts=dict(enumerate(in_parts({STORED: 1500})))))
        first = await keep_refusals(engine, [refusal(n) for n in range(1200)])
        assert first == {STORED: -1200, REFUSED: 1200}
        again = await keep_refusals(engine, [refusal(n) for n in range(1190, 1210)])
        assert again == {STORED: -10, REFUSED: 10}
        assert await keep_refusals(engine, [refusal(3), refusal(4)]) == {}
        assert await keep_refusals(engine, [refusal(7, "derived", "")]) == {}
        books = await store.accounts()
        assert (books[STORED], books[REFUSED]) == (290, 1210)
        newest = await store.quarantine(limit=1)
        assert newest.items[0].reason is Reason.ARCHIVE
    finally:
        await engine.close()
