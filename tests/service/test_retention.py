import asyncio

import pytest

from service.retention import INTERVAL_S, NS_PER_DAY, Retention
from service.settings import Settings
from storage.alarms import AlarmStore, Commit
from storage.audit import AuditLog
from storage.state import StateEngine
from tests.storage.worlds import alarm, notice, transition

NOW_NS = 400 * NS_PER_DAY


@pytest.fixture
async def engine(tmp_path):
    engine = await StateEngine.open(f"sqlite:///{tmp_path}/state.db")
    yield engine
    await engine.close()


async def filled(engine):
    store = AlarmStore(engine)
    old = alarm("old", ended=True, ended_at_ns=NS_PER_DAY)
    await store.commit(
        Commit(
            1, [transition("transition-0", old, recorded_ns=370 * NS_PER_DAY - 1)], [notice("n-1")]
        )
    )
    await store.outbox_done("log", 1)
    await AuditLog(engine).record_audit("li.na", "test", "a", NS_PER_DAY)


async def test_what_is_kept_for_ever_by_default_stays(engine, tmp_path):
    await filled(engine)
    retention = Retention(engine, Settings(data_dir=tmp_path), lambda: ["log"], lambda: NOW_NS)
    assert await retention.remove() == {"notices": 1}
    assert await AlarmStore(engine).alarm("old") is not None


async def test_the_settings_say_what_goes(engine, tmp_path):
    await filled(engine)
    settings = Settings(data_dir=tmp_path, transitions_days=365, audit_days=365)
    retention = Retention(engine, settings, lambda: ["log"], lambda: NOW_NS)
    assert await retention.remove() == {"notices": 1, "transitions": 2, "audit": 1}
    assert await AlarmStore(engine).alarm("old") is None


async def test_it_looks_each_hour(engine, tmp_path):
    await filled(engine)
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)
        await asyncio.sleep(0)
        if len(pauses) > 3:
            raise asyncio.CancelledError

    settings = Settings(data_dir=tmp_path)
    retention = Retention(engine, settings, lambda: ["log"], lambda: NOW_NS, pause=pause)
    with pytest.raises(asyncio.CancelledError):
        await retention.run()
    assert pauses.count(INTERVAL_S) == 3
