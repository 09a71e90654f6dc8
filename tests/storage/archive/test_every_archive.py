"""What holds for every archive there is, against a dictionary."""

import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.grade import Quality
from domain.readings import Readings
from storage.archive import ARCHIVES, ArchiveError, archive_class
from storage.archive.duck import DuckArchive
from storage.archive.influx import InfluxArchive

CHANNELS = ("bridge/north/deflection", "gas/7/methane", 'd\'Or/"测点"')


class DuckPlace:
    """A folder for an archive that seals often."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def open(self, slice_rows):
        return DuckArchive.open(self.folder, slice_rows=slice_rows)


class InfluxPlace:
    """A database of its own for each."""

    server = front = None

    def __init__(self, _folder):
        self.database = self.server.new_database()

    def open(self, _slice_rows):
        return InfluxArchive.open(self.server.url(self.database))


class Influx2Place(InfluxPlace):
    """A bucket of its own for each; 2.x makes none by itself."""

    def __init__(self, folder):
        super().__init__(folder)
        self.server.query(f"CREATE DATABASE {self.database}")

    def open(self, _slice_rows):
        return InfluxArchive.open(self.front.url(self.database))


PLACES = {"duckdb": DuckPlace, "influxdb": InfluxPlace, "influxdb2": Influx2Place}


@contextmanager
def opened(scheme, slice_rows=7):
    with tempfile.TemporaryDirectory() as folder:
        archive = PLACES[scheme](folder).open(slice_rows)
        try:
            yield archive
        finally:
            archive.close()


@pytest.fixture(scope="module", params=sorted(ARCHIVES))
def scheme(request):
    if request.param != "duckdb":
        InfluxPlace.server = request.getfixturevalue("influx")
        InfluxPlace.front = request.getfixturevalue("front")
    return request.param


def readings(rows, channel_ids=CHANNELS):
    """Readings from (channel index, time, value, quality)."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    dtypes = (np.int32, np.int64, np.float64, np.uint8)
    return Readings(channel_ids, *map(np.array, columns, dtypes))


def as_rows(series):
    columns = series.time_ns.tolist(), series.value.tolist(), series.quality.tolist()
    return list(zip(*columns, strict=True))


def same(a, b):
    """Equal to the bit: −0.0 is not 0.0."""
    return np.array(a, np.float64).tobytes() == np.array(b, np.float64).tobytes()


def agrees(archive, model):
    assert archive.count() == len(model)
    for index, channel in enumerate(CHANNELS):
        wanted = sorted((t, *model[c, t]) for c, t in model if c == index)
        series = archive.read(channel, -(2**63), 2**63 - 1, 10**9)
        assert as_rows(series) == wanted
        assert same(series.value, [row[1] for row in wanted])
        assert archive.count(channel) == len(wanted)


SPECIAL = [0.0, -0.0, 1e308, -1e308, 5e-324, -5e-324, 2.2250738585072014e-308, 0.1]
times = st.integers(0, 40).map(lambda n: 1_700_000_000_000_000_000 + n * 250_000_000)
qualities = st.sampled_from([1, 1, 2, 3, 4, 9])
values = st.one_of(st.sampled_from(SPECIAL), st.floats(allow_nan=False, allow_infinity=False))
batches = st.lists(st.tuples(st.integers(0, 2), times, values, qualities), max_size=12)
steps = st.one_of(
    st.tuples(st.just("write"), st.lists(batches, max_size=3)),
    st.tuples(st.just("replay"), st.lists(batches, max_size=1)),
    st.tuples(st.just("maintain"), st.none()),
    st.tuples(st.just("reopen"), st.none()),
)


def test_every_archive_has_a_place_to_be_tested():
    assert set(PLACES) == set(ARCHIVES)
    for scheme in ARCHIVES:
        assert archive_class(scheme).__name__
    with pytest.raises(ArchiveError, match="duckdb"):
        archive_class("parchment")


@settings(max_examples=15, deadline=None)
@given(plan=st.lists(steps, max_size=12), slice_rows=st.integers(1, 30))
def test_an_archive_holds_the_later_row_of_each_key(scheme, plan, slice_rows):
    with tempfile.TemporaryDirectory() as folder:
        place = PLACES[scheme](folder)
        archive, model, seq = place.open(slice_rows), {}, 0
        for step, batches in plan:
            if step == "write":
                seq += 5
                archive.write(seq, [readings(rows) for rows in batches])
                model |= {(c, t): (v, q) for rows in batches for c, t, v, q in rows}
            elif step == "replay":
                archive.write(seq, [readings(rows) for rows in batches])
            elif step == "maintain":
                archive.maintain()
            else:
                archive.close()
                archive = place.open(slice_rows)
            assert archive.cursor == seq
            agrees(archive, model)
        archive.close()


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.just(0), times, st.floats(-1e6, 1e6), qualities), min_size=1, max_size=60
    ),
    start=times,
    length=st.integers(0, 10_000_000_000),
    limit=st.integers(0, 30),
    bucket_ns=st.sampled_from([1, 700_000_000, 1_000_000_000, 60_000_000_000]),
)
def test_reads_of_a_range_agree_with_numpy(scheme, rows, start, length, limit, bucket_ns):
    end = start + length
    with opened(scheme, 11) as archive:
        for seq, at in enumerate(range(0, len(rows), 9), 1):
            archive.write(seq, [readings(rows[at : at + 9])])
            archive.maintain()
        kept = {t: (v, q) for _, t, v, q in rows}
        inside = sorted((t, *kept[t]) for t in kept if start <= t < end)
        assert as_rows(archive.read(CHANNELS[0], start, end, limit)) == inside[:limit]
        good = [(t, v) for t, v, q in inside if q not in (Quality.FAIL, Quality.MISSING)]
        buckets = archive.read_buckets(CHANNELS[0], start, end, bucket_ns)
        groups = {}
        for t, v in good:
            groups.setdefault(t // bucket_ns * bucket_ns, []).append(v)
        assert buckets.start_ns.tolist() == list(groups)
        assert buckets.count.tolist() == [len(group) for group in groups.values()]
        assert buckets.min.tolist() == [min(group) for group in groups.values()]
        assert buckets.max.tolist() == [max(group) for group in groups.values()]
        assert buckets.last.tolist() == [group[-1] for group in groups.values()]
        np.testing.assert_allclose(
            buckets.mean, [np.mean(group) for group in groups.values()], rtol=1e-12, atol=1e-9
        )


def test_special_values_come_back_to_the_bit_and_have_a_finite_mean(scheme):
    with opened(scheme) as archive:
        rows = [(0, n, value, 1) for n, value in enumerate(SPECIAL)]
        archive.write(1, [readings(rows)])
        archive.maintain()
        assert same(archive.read(CHANNELS[0], 0, 100, 100).value, SPECIAL)
        archive.write(2, [readings([(1, 0, 1e308, 1), (1, 1, 1e308, 3)])])
        large = archive.read_buckets(CHANNELS[1], 0, 10, 10)
        assert large.mean.tolist() == [1e308]


def test_nothing_is_found_where_nothing_is(scheme):
    with opened(scheme) as archive:
        for _ in range(2):
            assert archive.count() == archive.count("nobody") == 0
            assert len(archive.read("nobody", 0, 100, 10)) == 0
            assert len(archive.read_buckets("nobody", 0, 100, 10)) == 0
            assert not archive.maintain()
            archive.write(1, [])
            archive.write(2, [readings([])])
        assert archive.cursor == 2
        archive.write(3, [readings([(0, 50, 1.0, 4)])])
        assert len(archive.read(CHANNELS[0], 51, 50, 10)) == 0
        assert len(archive.read_buckets(CHANNELS[0], 0, 100, 10)) == 0
        with pytest.raises(ValueError, match="bucket"):
            archive.read_buckets(CHANNELS[0], 0, 100, 0)


def test_channels_keep_their_rows_when_the_catalogue_changes(scheme):
    with opened(scheme) as archive:
        archive.write(1, [readings([(0, 1, 1.0, 1), (1, 1, 2.0, 1)])])
        archive.write(2, [readings([(0, 2, 3.0, 1)], ("new", *CHANNELS))])
        archive.write(3, [readings([(0, 3, 4.0, 1)], tuple(reversed(CHANNELS)))])
        assert as_rows(archive.read(CHANNELS[0], 0, 9, 9)) == [(1, 1.0, 1)]
        assert as_rows(archive.read(CHANNELS[1], 0, 9, 9)) == [(1, 2.0, 1)]
        assert as_rows(archive.read(CHANNELS[2], 0, 9, 9)) == [(3, 4.0, 1)]
        assert as_rows(archive.read("new", 0, 9, 9)) == [(2, 3.0, 1)]


def test_many_readers_see_whole_writes_while_one_writes_and_seals(scheme):
    problems, done = [], threading.Event()
    with opened(scheme, 500) as archive:

        def read():
            seen = 0
            while not done.is_set():
                series = archive.read(CHANNELS[0], 0, 10**9, 10**6)
                figures = archive.read_buckets(CHANNELS[0], 0, 10**9, 10**9)
                counted = int(figures.count.sum())
                if len(series) % 100 or len(series) < seen or counted < len(series):
                    problems.append((len(series), seen, counted))
                seen = len(series)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for n in range(40):
            rows = [(0, n * 100 + i, float(i), 1) for i in range(100)]
            archive.write(n + 1, [readings(rows)])
            archive.maintain()
        done.set()
        for reader in readers:
            reader.join()
        assert problems == []
        assert archive.count() == 4000


@pytest.mark.parametrize("floor", [0, 150, 250, 10_000])
def test_what_is_dropped_is_gone_for_good(scheme, floor):
    with opened(scheme, 100) as archive:
        first = [(0, n, 1.0, 1) for n in range(100)]
        late = [(0, n, 2.0, 1) for n in range(50)]
        second = [(0, n, 1.0, 1) for n in range(100, 200)]
        third = [(0, n, 1.0, 1) for n in range(200, 250)] + late
        for seq, rows in enumerate([first, second, third], 1):
            archive.write(seq, [readings(rows)])
            archive.maintain()
        archive.drop_before(floor)
        kept = [n for n in range(250) if n >= floor]
        assert archive.read(CHANNELS[0], 0, 10**9, 10**6).time_ns.tolist() == kept
        assert archive.count() == archive.count(CHANNELS[0]) == len(kept)
        assert int(archive.read_buckets(CHANNELS[0], 0, 10**9, 7).count.sum()) == len(kept)
        archive.write(4, [readings([(0, 20_000, 1.0, 1)])])
        assert archive.count() == len(kept) + 1
