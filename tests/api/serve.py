"""Serve the interface over a city in memory, to look at the page: python -m tests.api.serve [port]."""

import asyncio
import math
import random
import sys
import time
from dataclasses import replace

import numpy as np
import uvicorn

from api.app import create_app
from domain.accounting import Account, Fate, Unit
from domain.alarm import TransitionKind
from domain.grade import Condition, Grade
from domain.readings import Latest
from domain.time import NS_PER_S
from tests.api.fakes import Memory, MemoryInboxed, MemoryStatus, transition_of

BUSY = {
    "bridge/riverside/deflection-midspan": Grade.ORANGE,
    "gas/renmin-road/methane": Grade.RED,
    "drainage/railway-underpass/level": Grade.YELLOW,
    "tunnel/cuiping/co": Grade.BLUE,
}


def fill(memory: Memory) -> None:
    """A day of history, a few alarms, an inbox."""
    seeded = random.Random(5)
    now_ns = memory.live.present_ns = time.time_ns()
    for channel in memory.live.active.channels:
        top = channel.limits[-1].value if channel.limits else 20.0
        step_ns = 10 * NS_PER_S
        times = np.arange(now_ns - 24 * 3600 * NS_PER_S, now_ns, step_ns, dtype=np.int64)
        hours = (times - times[0]) / 3.6e12
        rng = np.random.default_rng(seeded.randrange(10**6))
        values = top * (
            0.25 + 0.1 * np.sin(hours / 24 * math.tau) + 0.02 * rng.standard_normal(len(times))
        )
        level = int(BUSY.get(channel.id, 0))
        if level:
            values[-240:] += top * (0.15 + 0.17 * level) * np.linspace(0, 1, 240) ** 0.5
        memory.archive.put(channel.id, times, values)
        if channel.facility != "bridge/dongmen":
            memory.live.newest_of[channel.id] = Latest(
                int(times[-1]), float(values[-1]), 1, Grade(level)
            )
    for channel_id, grade in BUSY.items():
        memory.raise_alarm(channel_id, grade, age_s=900 + 600 * int(grade))
    memory.raise_alarm(
        "bridge/dongmen/strain-girder", Grade.YELLOW, 4000, condition=Condition.SILENT, value=34.0
    )
    cleared = memory.raise_alarm("drainage/west-trunk/level", Grade.BLUE, 9000)
    cleared = replace(
        cleared, active=False, grade=Grade.NORMAL, cleared_at_ns=now_ns - 3000 * NS_PER_S
    )
    memory.stream.publish(
        memory.store.commit([transition_of(cleared, TransitionKind.RETURNED, now_ns)])
    )
    memory.raise_alarm(
        "tunnel/metro-2/convergence", Grade.YELLOW, 7200, delayed=True, acknowledged=True
    )
    for n in range(3):
        memory.store.inbox.append(
            MemoryInboxed("gw-new", f"TEMP/{n}", "north", 40 + n, now_ns, now_ns, now_ns, 21.5 + n)
        )
    memory.store.statuses = [MemoryStatus("gw-riverside", True, now_ns, now_ns)]
    memory.store.books[Account("gw-riverside", Unit.FRAMES, Fate.DECODED)] = 8640


async def run(memory: Memory) -> None:
    while True:
        memory.live.present_ns = now_ns = time.time_ns()
        for channel_id, one in list(memory.live.newest_of.items()):
            memory.live.newest_of[channel_id] = replace(
                one, time_ns=now_ns, value=one.value * random.uniform(0.995, 1.005)
            )
        await asyncio.sleep(1)


async def main(port: int) -> None:
    memory = Memory()
    fill(memory)
    server = uvicorn.Server(
        uvicorn.Config(create_app(memory.ports()), port=port, timeout_graceful_shutdown=1)
    )
    beat = asyncio.create_task(run(memory))
    await server.serve()
    beat.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8099))
