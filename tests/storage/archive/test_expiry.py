"""Readings that are kept no longer: what stands in for them is what they said, whatever breaks off."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from domain.catalogue import Retention, Summary
from domain.grade import Quality
from domain.readings import Readings
from storage.archive import expiry
from storage.archive.duck import DuckArchive

ROOT = Path(__file__).resolve().parents[3]
S = 1_000_000_000
DAY = 86_400 * S
FOREVER = (-(2**62), 2**62, 10**9)
RULES = {
    "wave": Retention(1, Summary(60, None)),
    "slow": Retention(None, Summary(60, None)),
    "gone": Retention(2, None),
    "hourly": Retention(1, Summary(3600, 4)),
}


def batch(rng, first_ns, last_ns, count, late=0.02):
    """Readings of all channels over a stretch, some late, some of bad quality, some times twice."""
    ids = tuple(RULES)
    time_ns = np.sort(rng.integers(first_ns // S, last_ns // S, count)) * S
    is_late = rng.random(count) < late
    time_ns[is_late] -= rng.integers(0, DAY // S, count)[is_late] * S
    quality = rng.choice([Quality.PASS, Quality.SUSPECT, Quality.FAIL], count, p=[0.9, 0.05, 0.05])
    channel = rng.integers(0, len(ids), count).astype(np.int32)
    return Readings(ids, channel, time_ns, rng.normal(size=count), quality.astype(np.uint8))


def filled(folder, days=4, seed=1, **options):
    """Return an archive with some days of readings in sealed slices of a few hours."""
    rng = np.random.default_rng(seed)
    archive = DuckArchive.open(folder, slice_rows=600, **options)
    archive.keep(RULES)
    for hour in range(0, days * 24, 6):
        first_ns = (10 * 24 + hour) * 3600 * S
        archive.write(archive.cursor + 1, [batch(rng, first_ns, first_ns + 6 * 3600 * S, 500)])
        while archive.maintain():
            pass
    return archive


def expired(archive, now_ns):
    steps = 0
    while archive.expire(now_ns):
        steps += 1
    return steps


def buckets(archive, channel, length_s):
    found = archive.read_buckets(channel, 0, 2**62, length_s * S)
    return {
        name: getattr(found, name) for name in ("start_ns", "count", "min", "max", "last")
    }, found.mean


def raw(archive, channel):
    series = archive.read(channel, *FOREVER)
    return list(zip(series.time_ns.tolist(), series.value.tolist(), strict=True))


@pytest.fixture
def archive(tmp_path):
    opened = filled(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("seed", range(2))
def test_figures_are_the_same_after_the_readings_are_gone(tmp_path, seed):
    archive = filled(tmp_path, seed=seed)
    archive.keep(RULES | {"hourly": Retention(1, Summary(3600, None))})
    wanted = {
        (channel, length_s): buckets(archive, channel, length_s)
        for channel, length_s in [("wave", 60), ("wave", 3600), ("slow", 60), ("hourly", 7200)]
    }
    before = len(raw(archive, "wave"))
    assert expired(archive, 14 * DAY) > 5
    assert len(raw(archive, "wave")) < before / 3
    for (channel, length_s), (exact, mean) in wanted.items():
        found, found_mean = buckets(archive, channel, length_s)
        for name, column in exact.items():
            assert np.array_equal(found[name], column), (channel, length_s, name)
        assert np.allclose(found_mean, mean, rtol=1e-9, atol=1e-12)
    archive.close()


def test_only_what_is_beyond_its_retention_goes(archive):
    now_ns = 14 * DAY
    before = {channel: raw(archive, channel) for channel in RULES}
    expired(archive, now_ns)
    assert raw(archive, "slow") == before["slow"]
    for channel, days in (("wave", 1), ("gone", 2), ("hourly", 1)):
        after = raw(archive, channel)
        young = [one for one in before[channel] if one[0] >= now_ns - days * DAY]
        assert set(young) <= set(after) <= set(before[channel])
        assert not [one for one in after if one[0] < now_ns - (days + 1.5) * DAY]
    gone, _ = buckets(archive, "gone", 60)
    assert gone["start_ns"].min() >= now_ns - 3.5 * DAY


def test_buckets_shorter_than_the_summarys_are_left_out_rather_than_guessed(archive):
    expired(archive, 14 * DAY)
    found = archive.read_buckets("hourly", 0, 2**62, 60 * S)
    assert found.start_ns.min() > 12 * DAY
    assert archive.read_buckets("hourly", 0, 2**62, 3600 * S).start_ns.min() < 12 * DAY


def test_nothing_is_due_twice_and_a_later_look_goes_on(archive):
    assert expired(archive, 12 * DAY) > 0
    assert expired(archive, 12 * DAY) == 0
    assert expired(archive, 14 * DAY) > 0


def test_summaries_go_in_their_time(archive):
    expired(archive, 14 * DAY)
    assert expired(archive, 40 * DAY) > 0
    assert len(archive.read_buckets("hourly", 0, 2**62, 3600 * S)) == 0
    assert len(archive.read_buckets("wave", 0, 2**62, 3600 * S)) > 0


def test_many_small_summaries_become_few(tmp_path, monkeypatch):
    monkeypatch.setattr(expiry, "LEVEL_FILES", 4)
    archive = filled(tmp_path)
    wanted, _ = buckets(archive, "wave", 60)
    archive.keep({"wave": RULES["wave"]})
    expired(archive, 24 * DAY)
    found = [path for path in (tmp_path / "sealed").iterdir() if path.name.startswith("summary")]
    assert 0 < len(found) <= 2 * 4
    again, _ = buckets(archive, "wave", 60)
    assert all(np.array_equal(wanted[name], again[name]) for name in wanted)
    archive.close()


def test_an_open_slice_that_covers_a_long_time_is_sealed_to_be_expired(tmp_path):
    archive = DuckArchive.open(tmp_path)
    archive.keep(RULES)
    archive.write(1, [batch(np.random.default_rng(2), 10 * DAY, 10 * DAY + 3600 * S, 50)])
    assert not archive.expire(10 * DAY + 3600 * S)
    assert expired(archive, 13 * DAY) > 1
    assert raw(archive, "wave") == []
    assert raw(archive, "slow")
    archive.close()


def test_without_rules_everything_stays(tmp_path):
    archive = filled(tmp_path)
    archive.keep({})
    before = archive.count()
    assert expired(archive, 1000 * DAY) == 0
    assert archive.count() == before
    archive.close()


def test_a_removed_channels_readings_stay(archive):
    archive.keep({"wave": RULES["wave"]})
    before = raw(archive, "gone")
    expired(archive, 1000 * DAY)
    assert raw(archive, "wave") == []
    assert raw(archive, "gone") == before


def test_a_reader_that_began_before_reads_on(archive):
    before = raw(archive, "wave")
    runs = archive._runs("wave", *FOREVER[:2])
    first = next(runs)
    expired(archive, 1000 * DAY)
    read = [time for run in (first, *runs) for time in run.time_ns.tolist()]
    assert read == [time for time, _ in before]


def test_room_is_made_by_the_oldest_slice_and_summaries_stay(archive):
    expired(archive, 13 * DAY)
    before, figures = archive.count(), buckets(archive, "wave", 3600)
    given = []
    while (one := archive.give_way()) is not None:
        given.append(one)
    ends = [one.last_ns for one in given]
    assert ends == sorted(ends)
    assert 0 < sum(one.readings for one in given) <= before
    assert archive.count() < 600  # what is not sealed
    after, _ = buckets(archive, "wave", 3600)
    assert 0 < len(after["start_ns"]) < len(figures[0]["start_ns"])


CHILD = """
import json, os, sys
from pathlib import Path
from tests.storage.archive.test_expiry import DAY, RULES, buckets, expired, filled, raw
from storage.archive import expiry
from storage.archive.duck import DuckArchive

expiry.LEVEL_FILES = 3
folder, kill_at, kill_after = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seen = 0

def step(name):
    global seen
    seen += name == kill_at
    if seen == kill_after and name == kill_at:
        os.kill(os.getpid(), 9)

if folder.exists():
    archive = DuckArchive.open(folder, slice_rows=600, step=step)
    archive.keep(RULES)
else:
    archive = filled(folder, days=2, step=step)
expired(archive, 14 * DAY)
expired(archive, 20 * DAY)
said = {channel: [raw(archive, channel), buckets(archive, channel, 3600)[0]["count"].tolist()]
        for channel in RULES}
archive.close()
print(json.dumps(said))
"""
STEPS = [
    "summarised",
    "rewritten",
    "replacing",
    "replaced",
    "merged",
    "merged named",
    "summary dropped",
]


def ran(folder, kill_at="never", kill_after=1):
    command = [sys.executable, "-c", CHILD, str(folder), kill_at, str(kill_after)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    finished = ran(tmp_path_factory.mktemp("undisturbed") / "archive")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(tmp_path, undisturbed, step):
    folder = tmp_path / "archive"
    assert ran(folder, step).returncode == -9
    finished = ran(folder)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout.splitlines()[-1]) == undisturbed
    left = {path.name for path in (folder / "sealed").iterdir()}
    archive = DuckArchive.open(folder)
    assert {path.name for path in (folder / "sealed").iterdir()} == left  # no strays
    archive.close()
