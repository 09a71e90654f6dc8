"""What only the embedded archive has: slices, files, and a kill between any two steps."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from domain.readings import Readings
from storage.archive import ArchiveError
from storage.archive.duck import DuckArchive

ROOT = Path(__file__).resolve().parents[3]
FOREVER = (-(2**63), 2**63 - 1, 10**9)


def readings(first, last, channel_ids=("a", "b"), value=1.0):
    """One reading a nanosecond of each channel, newest first."""
    time_ns = np.arange(last - 1, first - 1, -1, dtype=np.int64).repeat(len(channel_ids))
    channel = np.tile(np.arange(len(channel_ids), dtype=np.int32), last - first)
    count = len(time_ns)
    return Readings(channel_ids, channel, time_ns, np.full(count, value), np.ones(count, np.uint8))


def files(folder):
    return sorted(path.name for path in (folder / "sealed").iterdir())


def test_a_sealed_file_is_sorted_has_one_row_a_key_and_opens_without_us(tmp_path):
    archive = DuckArchive.open(tmp_path, slice_rows=300_000)
    archive.write(1, [readings(0, 100_000), readings(50_000, 100_000, value=2.0)])
    assert files(tmp_path) == []
    assert archive.maintain()
    assert not archive.maintain()
    assert files(tmp_path) == ["slice-000000000001.parquet"]
    table = pq.read_table(tmp_path / "sealed" / "slice-000000000001.parquet")
    names = pq.read_table(tmp_path / "channels.parquet")
    assert names.to_pydict() == {"channel": [1, 2], "id": ["a", "b"]}
    assert table["channel"].to_pylist() == [1] * 100_000 + [2] * 100_000
    assert table["time_ns"].to_pylist() == [*range(100_000)] * 2
    assert table["value"].to_pylist() == ([1.0] * 50_000 + [2.0] * 50_000) * 2
    assert archive.count() == 200_000
    archive.close()


def test_a_write_larger_than_a_slice_fills_several(tmp_path):
    archive = DuckArchive.open(tmp_path, slice_rows=30)
    archive.write(1, [readings(0, 50)])
    steps = 0
    while archive.maintain():
        steps += 1
    assert steps == len(files(tmp_path)) == 3
    assert archive.read("a", *FOREVER).time_ns.tolist() == list(range(50))
    archive.seal_all()
    assert len(files(tmp_path)) == 4
    assert archive.count() == 100
    archive.close()


def test_many_rows_of_one_time_do_not_hide_the_others(tmp_path):
    archive = DuckArchive.open(tmp_path, slice_rows=3)
    for n in range(60):
        archive.write(n + 1, [readings(7, 8, value=float(n)), readings(9, 10, value=float(n))])
        archive.maintain()
    series = archive.read("a", 0, 100, 2)
    assert (series.time_ns.tolist(), series.value.tolist()) == ([7, 9], [59.0, 59.0])
    assert archive.read("a", 0, 100, 1).time_ns.tolist() == [7]
    assert archive.count() == 4
    archive.close()


@pytest.mark.parametrize("run_rows", [1, 7, 1_000_000])
def test_figures_are_those_of_the_valid_readings_however_many_are_sorted_at_once(
    tmp_path, monkeypatch, run_rows
):
    monkeypatch.setattr("storage.archive.reads._RUN_ROWS", run_rows)
    archive = DuckArchive.open(tmp_path, slice_rows=40)
    rng = np.random.default_rng(5)
    valid: dict[int, float] = {}
    for seq in range(1, 13):
        time_ns = rng.integers(0, 100, 30)  # late, early and again, within a write and across
        value = rng.normal(size=30)
        archive.write(
            seq, [Readings(("a",), np.zeros(30, np.int32), time_ns, value, np.ones(30, np.uint8))]
        )
        valid.update(zip(time_ns.tolist(), value.tolist(), strict=True))
        if seq == 8:
            while archive.maintain():
                pass
    assert files(tmp_path)
    buckets = archive.read_buckets("a", 0, 100, 10)
    kept = [[valid[t] for t in range(s, s + 10) if t in valid] for s in buckets.start_ns.tolist()]
    assert buckets.start_ns.tolist() == sorted({t - t % 10 for t in valid})
    assert buckets.count.tolist() == [len(values) for values in kept]
    assert buckets.min.tolist() == [min(values) for values in kept]
    assert buckets.max.tolist() == [max(values) for values in kept]
    assert buckets.last.tolist() == [values[-1] for values in kept]
    np.testing.assert_allclose(buckets.mean, [np.mean(values) for values in kept], rtol=1e-12)
    archive.close()


def test_a_dropped_file_stays_until_its_last_reader_is_done_and_its_name_is_not_used_again(
    tmp_path,
):
    archive = DuckArchive.open(tmp_path, slice_rows=10)
    archive.write(1, [readings(0, 5)])
    archive.maintain()
    runs = archive._runs("a", 0, 100)
    first = next(runs)
    assert archive.drop_before(5) == 1
    assert files(tmp_path) == ["slice-000000000001.parquet"]
    archive.write(2, [readings(10, 15)])
    archive.maintain()
    assert len(files(tmp_path)) == 2
    assert len(first) + sum(map(len, runs)) == 5
    archive.maintain()
    assert files(tmp_path) == ["slice-000000000002.parquet"]
    assert archive.read("a", *FOREVER).time_ns.tolist() == [*range(10, 15)]
    archive.close()


def test_the_database_does_not_grow_with_what_was_sealed(tmp_path):
    archive = DuckArchive.open(tmp_path, slice_rows=250_000)
    sizes = []
    for n in range(6):
        archive.write(n + 1, [readings(n * 125_000, (n + 1) * 125_000, value=float(n))])
        archive.maintain()
        sizes.append((tmp_path / "archive.duckdb").stat().st_size)
    assert sizes[-1] <= sizes[1]
    archive.close()


def test_strays_are_removed_and_a_missing_file_is_said(tmp_path):
    archive = DuckArchive.open(tmp_path, slice_rows=10)
    for n in range(2):
        archive.write(n + 1, [readings(n * 5, n * 5 + 5)])
        archive.maintain()
    archive.close()
    for stray in ("slice-000000000099.parquet", "slice-000000000003.parquet.tmp"):
        (tmp_path / "sealed" / stray).write_bytes(b"half")
    DuckArchive.open(tmp_path).close()
    assert len(files(tmp_path)) == 2
    lost = tmp_path / "sealed" / files(tmp_path)[0]
    lost.unlink()
    with pytest.raises(ArchiveError, match="put an empty file of that name") as missing:
        DuckArchive.open(tmp_path)
    assert missing.value.permanent
    lost.touch()
    archive = DuckArchive.open(tmp_path)
    assert archive.read("a", *FOREVER).time_ns.tolist() == [5, 6, 7, 8, 9]
    archive.close()


def test_a_damaged_file_is_an_archive_error(tmp_path):
    archive = DuckArchive.open(tmp_path, slice_rows=10)
    archive.write(1, [readings(0, 5)])
    archive.maintain()
    archive.close()
    (tmp_path / "sealed" / files(tmp_path)[0]).write_bytes(b"PAR1 no longer PAR1")
    archive = DuckArchive.open(tmp_path)
    with pytest.raises(ArchiveError, match="cannot be read"):
        archive.read("a", *FOREVER)
    archive.close()


def test_a_failed_write_changes_nothing_and_the_same_write_works_later(tmp_path):
    class RefusedError(Exception):
        pass

    refusing = True

    def step(name):
        if refusing and name == "inserted":
            raise RefusedError

    archive = DuckArchive.open(tmp_path, slice_rows=4, step=step)
    for _ in range(2):
        with pytest.raises(RefusedError):
            archive.write(5, [readings(0, 5)])
        assert (archive.cursor, archive.count()) == (0, 0)
    refusing = False
    archive.write(5, [readings(0, 5)])
    assert (archive.cursor, archive.count(), archive.count("b")) == (5, 10, 5)
    assert archive.count_by_channel() == {"a": 5, "b": 5}
    archive.close()


def test_a_slice_has_a_bounded_size(tmp_path):
    for rows in (0, 10_000_001):
        with pytest.raises(ValueError, match="slice_rows"):
            DuckArchive.open(tmp_path, slice_rows=rows)


CHILD = """
import json, os, sys
from pathlib import Path
import numpy as np
from domain.readings import Readings
from storage.archive.duck import DuckArchive

folder, kill_at, kill_after = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
seen = 0

def step(name):
    global seen
    seen += name == kill_at
    if seen == kill_after and name == kill_at:
        os.kill(os.getpid(), 9)

archive = DuckArchive.open(folder, slice_rows=30, step=step)
for seq in range(archive.cursor + 1, 31):
    # Each write repeats part of the one before, with a newer value.
    time_ns = np.arange(seq * 10 - 5, seq * 10 + 10, dtype=np.int64)
    columns = np.zeros(15, np.int32), time_ns, np.full(15, float(seq)), np.ones(15, np.uint8)
    archive.write(seq, [Readings(("a",), *columns)])
    archive.maintain()
    if seq % 10 == 0:
        archive.drop_before(seq * 5)
while archive.maintain():
    pass
archive.drop_before(150)
series = archive.read("a", -2**63, 2**63 - 1, 10**9)
sealed = sorted(path.name for path in (folder / "sealed").iterdir())
said = [archive.cursor, series.time_ns.tolist(), series.value.tolist(), archive.count(), sealed]
archive.close()
print(json.dumps(said))
"""

STEPS = ["inserted", "stored", "begun", "written", "renamed", "registered", "sealed"]


def ran(folder, kill_at="never", kill_after=1):
    command = [sys.executable, "-c", CHILD, str(folder), kill_at, str(kill_after)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    finished = ran(tmp_path_factory.mktemp("undisturbed"))
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


@pytest.mark.parametrize("step", [*STEPS, "dropping", "dropped"])
def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(tmp_path, undisturbed, step):
    for kill_after in (1, 2) if step == "renamed" else (1,):
        assert ran(tmp_path, step, kill_after).returncode == -9
    finished = ran(tmp_path)
    assert finished.returncode == 0, finished.stderr
    said = json.loads(finished.stdout.splitlines()[-1])
    assert said[0] == 30
    assert said[1:4] == undisturbed[1:4]
    # A kill between writing and dropping may leave one more file to the next drop, never a stray.
    assert {name.endswith(".parquet") for name in said[4]} == {True}
