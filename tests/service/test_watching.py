"""What Lifeline tells of itself."""

import asyncio
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy.exc import OperationalError

from api.ports import Check
from domain.accounting import Account, Fate, Unit
from service.evaluator import GatewayState
from service.settings import ROOT, Settings
from service.watching import (
    SelfCollector,
    TimedThread,
    Watch,
    clock_synchronised,
    unbalanced_gateways,
)


class Health:
    async def ready(self):
        return [
            Check("broker", ok=False, detail="not connected"),
            Check("tasks", ok=True, detail=""),
        ]


def frames(gateway, **counts):
    return {Account(gateway, Unit.FRAMES, Fate(fate)): count for fate, count in counts.items()}


def test_books_that_do_not_add_up_are_counted_by_gateway():
    good = frames("gw-a", received=3, decoded=1, duplicate=1, undecodable=1)
    bad = frames("gw-b", received=3, decoded=2)
    assert unbalanced_gateways(Counter(good)) == 0
    assert unbalanced_gateways(Counter({**good, **bad})) == 1


async def test_the_checks_and_the_outbox_are_shown():
    async def waiting():
        return {"log": 4}

    watch = Watch(Health(), waiting)
    await watch.look()
    text = shown(watch)
    assert 'lifeline_check_ok{check="broker"} 0.0' in text
    assert 'lifeline_check_ok{check="tasks"} 1.0' in text
    assert 'lifeline_outbox_waiting{consumer="log"} 4.0' in text


def shown(watch, **given):
    parts = {
        "ledger": Counter,
        "gateways": lambda: {"a": GatewayState(online=True), "b": GatewayState()},
        "snapshot_age_s": lambda: 7.0,
        "judged_s": lambda: 2.5,
        **given,
    }
    registry = CollectorRegistry()
    registry.register(SelfCollector(Settings(data_dir=ROOT), watch, **parts))
    return generate_latest(registry).decode()


async def test_a_state_database_that_is_away_leaves_the_outbox_as_it_was_known():
    answers = iter([{"log": 4}, OperationalError("select", {}, OSError("away"))])

    async def waiting():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = Watch(Health(), waiting)
    await watch.look()
    await watch.look()
    assert watch.waiting == {"log": 4}


def test_version_gateways_clock_and_snapshot_are_shown():
    text = shown(Watch(Health(), dict))
    assert 'lifeline_build_info{version="' in text
    assert 'lifeline_gateways{state="online"} 1.0' in text
    assert 'lifeline_gateways{state="offline"} 0.0' in text
    assert 'lifeline_gateways{state="unknown"} 1.0' in text
    assert "lifeline_snapshot_age_seconds 7.0" in text
    assert "lifeline_judging_seconds_total 2.5" in text


def test_the_kernel_says_whether_its_clock_is_kept_right():
    assert clock_synchronised() in (True, False, None)


async def test_a_thread_counts_what_it_was_busy_with_errors_included():
    def fail():
        raise ValueError("seven")

    loop = asyncio.get_running_loop()
    with TimedThread("judge") as thread:
        assert await loop.run_in_executor(thread, sum, [3, 4]) == 7
        first_s = thread.busy_s
        with pytest.raises(ValueError, match="seven"):
            await loop.run_in_executor(thread, fail)
    assert 0 < first_s < thread.busy_s
