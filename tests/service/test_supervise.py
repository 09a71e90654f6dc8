"""Tasks that must not die: one that fails takes the service with it, by name."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from service.settings import ROOT
from service.supervise import Supervisor


async def forever() -> None:
    await asyncio.Event().wait()


async def test_a_task_that_fails_ends_the_wait_with_its_error():
    async def fail() -> None:
        raise OSError("the disk is gone")

    supervisor = Supervisor()
    supervisor.start("intake", forever())
    supervisor.start("journal", fail())
    with pytest.raises(OSError, match="the disk is gone"):
        await supervisor.wait()
    assert supervisor.failed == ["journal"]
    await supervisor.cancel()


async def test_a_task_that_just_ends_ends_the_wait_too():
    supervisor = Supervisor()
    supervisor.start("http", asyncio.sleep(0))
    await supervisor.wait()
    assert supervisor.failed == ["http"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_asks_for_an_orderly_stop(number):
    supervisor = Supervisor()
    supervisor.stop_on_signals()
    task = supervisor.start("intake", forever())
    os.kill(os.getpid(), number)
    await asyncio.wait_for(supervisor.wait(), 5)
    assert not task.done()
    await supervisor.cancel()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(each)


async def test_tasks_are_cancelled_by_name_and_waited_for():
    ended = []

    async def named(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    supervisor = Supervisor()
    for name in ("intake", "evaluate", "archive"):
        supervisor.start(name, named(name))
    await asyncio.sleep(0)
    await supervisor.cancel("intake")
    assert ended == ["intake"]
    await supervisor.cancel()
    assert sorted(ended) == ["archive", "evaluate", "intake"]


async def test_an_error_on_the_way_out_does_not_hide_why_it_stops():
    async def fail_late() -> None:
        try:
            await forever()
        finally:
            raise OSError("too late")

    supervisor = Supervisor()
    supervisor.start("archive", fail_late())
    await asyncio.sleep(0)
    await supervisor.cancel("archive")


async def test_what_ends_by_itself_is_waited_for_and_what_does_not_is_cancelled():
    supervisor = Supervisor()
    ends, stays = (
        supervisor.start("ends", asyncio.sleep(0.01)),
        supervisor.start("stays", forever()),
    )
    await supervisor.finish("ends", 5)
    assert ends.done()
    assert not ends.cancelled()
    await supervisor.finish("stays", 0.01)
    assert stays.cancelled()


async def test_work_that_waits_gives_way_to_a_stop_and_work_that_ends_is_returned():
    supervisor = Supervisor()

    async def quick():
        return 7

    assert await supervisor.unless_stopped(quick()) == 7
    asyncio.get_running_loop().call_soon(supervisor.stop)
    assert await supervisor.unless_stopped(asyncio.Event().wait()) is None


async def test_the_error_of_work_is_its_callers():
    async def wrong():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Supervisor().unless_stopped(wrong())


def test_a_process_with_a_thread_that_hangs_ends_and_says_where():
    program = (
        "import threading\n"
        "from service.supervise import leave_within\n"
        "threading.Thread(target=threading.Event().wait, name='hangs').start()\n"
        "leave_within(0.1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "in wait" in done.stderr
