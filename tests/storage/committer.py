"""A process that commits until somebody kills it: ``python -m tests.storage.committer URL SEED``."""

import asyncio
import sys

from storage.alarms import AlarmStore
from storage.state import StateEngine
from tests.storage.worlds import seeded_commit


async def main(url: str, seed: int) -> None:
    engine = await StateEngine.open(url)
    store = AlarmStore(engine)
    seq = await store.cursor()
    while True:
        seq += 1
        await store.commit(seeded_commit(seed, seq))
        sys.stdout.write(f"{seq}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
