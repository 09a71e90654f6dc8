"""Any grouping of the same rows, and any restart between them, gives the same to the bit."""

import random

import numpy as np
import pytest

from analytics.core import Core
from analytics.picking import pick
from tests.analytics.worlds import assert_same, make_world, random_cuts, run


def plain(value):
    """Send a snapshot through plain text and bytes, refusing anything a snapshot may not hold."""
    if isinstance(value, np.ndarray):
        raw = value.tobytes()
        return np.frombuffer(raw, value.dtype).reshape(value.shape).copy()
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    assert value is None or type(value) in (str, int, float, bool, bytes)
    return value


def restarted(core, snapshot=None):
    other = Core(core._house.catalogue)
    other.restore(plain(snapshot or core.snapshot()))
    return other


def with_limits_at_rest(core):
    """A snapshot as it was before decision 56: of every limit, at rest or not."""
    snapshot, tables = core.snapshot(), core._house.tables
    limits = pick(tables.limits, snapshot["limits"].dtype)
    channels = tables.channels
    limits["channel"] = np.repeat(np.arange(len(channels)), channels["limit_count"])
    assert len(limits) > len(snapshot["limits"])
    return snapshot | {"limits": limits}


@pytest.mark.parametrize("block", range(12))
def test_grouping_and_restarts_change_nothing(block):
    found = 0
    for seed in range(block * 20, block * 20 + 20):
        catalogue, rows = make_world(seed, 80)
        rng = random.Random(-seed - 1)
        whole = run(Core(catalogue), rows)
        found += len(whole[0])
        single = run(Core(catalogue), rows, cuts=range(len(rows)))
        assert_same(whole, single)
        cuts = random_cuts(rng, len(rows))
        assert_same(whole, run(Core(catalogue), rows, cuts, restarted))
    assert found > 100  # the worlds are worth watching


def flat(value):
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, dict):
        return {key: flat(item) for key, item in value.items()}
    return [flat(item) for item in value] if isinstance(value, list) else value


def test_a_restored_core_snapshots_the_same_again():
    for seed in range(10):
        catalogue, rows = make_world(seed, 60)
        core = run(Core(catalogue), rows)[3]
        assert flat(restarted(core).snapshot()) == flat(core.snapshot())


def test_limits_at_rest_in_a_snapshot_change_nothing():
    for seed in range(10):
        catalogue, rows = make_world(seed, 60)
        core = run(Core(catalogue), rows)[3]
        again = restarted(core, with_limits_at_rest(core))
        assert flat(again.snapshot()) == flat(core.snapshot())


def test_a_snapshot_of_another_version_is_refused():
    core = Core(make_world(1)[0])
    with pytest.raises(ValueError, match="version 0"):
        core.restore(core.snapshot() | {"version": 0})
