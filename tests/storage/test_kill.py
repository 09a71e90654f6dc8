import random
import subprocess
import sys
from pathlib import Path

import pytest

from storage.alarms import AlarmStore
from storage.state import StateEngine
from tests.storage.worlds import dump, seeded_commit

ROOT = Path(__file__).resolve().parent.parent.parent


def commit_until_killed(url, seed, kills_after):
    """Let another process commit, kill it after so many commits, and say how many it finished."""
    command = [sys.executable, "-m", "tests.storage.committer", url, str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        promised = [process.stdout.readline() for _ in range(kills_after)]
        process.kill()  # while the next commit is on its way
        promised += process.stdout.readlines()
    return int([line for line in promised if line.endswith("\n")][-1])


@pytest.mark.parametrize("seed", range(5))
async def test_a_process_killed_in_the_middle_leaves_whole_commits_and_all_it_promised(
    new_url, seed
):
    url = new_url()
    promised = commit_until_killed(url, seed, kills_after=random.Random(seed).randrange(5, 60))

    engine = await StateEngine.open(url)
    cursor = await AlarmStore(engine).cursor()
    left = await dump(engine)
    await engine.close()
    assert promised <= cursor <= promised + 1

    unbroken = await StateEngine.open(new_url())
    for seq in range(1, cursor + 1):
        await AlarmStore(unbroken).commit(seeded_commit(seed, seq))
    assert left == await dump(unbroken)
    await unbroken.close()
