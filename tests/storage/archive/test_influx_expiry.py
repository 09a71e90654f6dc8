"""Readings on InfluxDB that are kept no longer: the figures stay, the others, too."""

import numpy as np
import pytest

from domain.catalogue import Retention, Summary
from domain.readings import Readings
from storage.archive import ArchiveError
from storage.archive.influx import InfluxArchive
from storage.archive.influx_expiry import DAY_NS, NS_PER_S

START_NS = 20_000 * DAY_NS
IDS = ("o'wave", "slow", "gone")
RULES = {
    "o'wave": Retention(1, Summary(60, 5)),
    "slow": Retention(None, Summary()),
    "gone": Retention(1, None),
}


def filled(url):
    archive = InfluxArchive.open(url)
    rng = np.random.default_rng(3)
    count = 3_000
    time_ns = START_NS + np.sort(rng.choice(4 * 86_400, count, replace=False)) * NS_PER_S
    channel = rng.integers(0, 3, count).astype(np.int32)
    columns = channel, time_ns.astype(np.int64), rng.normal(size=count), np.ones(count, np.uint8)
    archive.write(1, [Readings(IDS, *columns)])
    archive.keep(RULES)
    return archive


def expired(archive, now_ns):
    steps = 0
    while archive.expire(now_ns):
        steps += 1
    return steps


def hours(archive, channel):
    return archive.read_buckets(channel, START_NS - DAY_NS, START_NS + 9 * DAY_NS, 3600 * NS_PER_S)


@pytest.fixture
def archive(influx):
    opened = filled(influx.url(influx.new_database()))
    yield opened
    opened.close()


def test_summaries_stand_in_for_readings_that_are_gone(archive):
    before, slow = hours(archive, "o'wave"), archive.count("slow")
    assert expired(archive, START_NS + 4 * DAY_NS) > 3
    after = hours(archive, "o'wave")
    for name in ("start_ns", "count", "min", "max", "last"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert np.allclose(before.mean, after.mean)
    left = archive.read("o'wave", 0, 2**62, 10_000).time_ns
    assert left.min() >= START_NS + 3 * DAY_NS
    assert len(left) > 0
    assert archive.count("slow") == slow
    assert hours(archive, "gone").start_ns.min() >= START_NS + 3 * DAY_NS
    assert expired(archive, START_NS + 4 * DAY_NS) == 0


def test_summaries_go_in_their_time(archive):
    expired(archive, START_NS + 4 * DAY_NS)
    expired(archive, START_NS + 20 * DAY_NS)
    expired(archive, START_NS + 22 * DAY_NS)
    assert len(hours(archive, "o'wave")) == 0


@pytest.mark.parametrize("broken", ["send", "delete"])
def test_what_was_broken_off_is_done_again_and_changes_nothing(influx, monkeypatch, broken):
    url = influx.url(influx.new_database())
    archive = filled(url)
    before = hours(archive, "o'wave")
    calls, original = [], getattr(archive, broken)

    def sometimes(*given):
        calls.append(given)
        if len(calls) % 3 == 1:
            raise ArchiveError("away", permanent=False)
        return original(*given)

    monkeypatch.setattr(archive, broken, sometimes)
    for _ in range(60):
        now = hours(archive, "o'wave")
        assert np.array_equal(now.count, before.count)  # at every moment
        try:
            if not archive.expire(START_NS + 4 * DAY_NS):
                break
        except ArchiveError:
            archive.close()
            archive = InfluxArchive.open(url)  # as after a crash: nothing is remembered
            archive.keep(RULES)
            original = getattr(archive, broken)
            monkeypatch.setattr(archive, broken, sometimes)
    after = hours(archive, "o'wave")
    for name in ("start_ns", "count", "min", "max", "last"):
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert archive.read("o'wave", 0, 2**62, 10_000).time_ns.min() >= START_NS + 3 * DAY_NS
    archive.close()
