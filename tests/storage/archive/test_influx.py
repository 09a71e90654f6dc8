"""The archive on InfluxDB where things go wrong: nothing is lost, and every text says what to do."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from domain.readings import Readings
from storage.archive import ArchiveError, influx, influx_server
from storage.archive.influx import InfluxArchive
from storage.archive.influx_url import InfluxUrl
from tests.storage.archive.scripted import Scripted

SECRET = "s3cret-word"


def readings(count, channel_ids=("a", "b"), first_ns=0, value=1.5, quality=1):
    return Readings(
        channel_ids,
        np.arange(count, dtype=np.int32) % len(channel_ids),
        np.arange(first_ns, first_ns + count, dtype=np.int64),
        np.full(count, value),
        np.full(count, quality, np.uint8),
    )


@pytest.fixture
def scripted():
    server = Scripted()
    yield server
    server.close()


@pytest.fixture(params=["influxdb", "influxdb2"])
def archive(request, scripted):
    urls = {
        "influxdb": f"influxdb://me:{SECRET}@127.0.0.1:{scripted.port}/city",
        "influxdb2": f"influxdb2://{SECRET}@127.0.0.1:{scripted.port}/org/city",
    }
    archive = InfluxArchive.open(urls[request.param])
    yield archive
    archive.close()


@pytest.mark.parametrize(
    ("said", "words", "wait_s"),
    [
        ((429, b'{"message":"limit"}', {"Retry-After": "7"}), "after 7 s", 7.0),
        ((503, b"busy", {"Retry-After": "120"}), "503", 120.0),
        ((500, b'{"error":"engine: cache-max-memory-size exceeded"}', {}), "cache-max", 0.0),
        ((401, b'{"error":"authorization failed"}', {}), "LIFELINE_ARCHIVE_URL", 0.0),
        ((403, b'{"error":"forbidden"}', {}), "right to write", 0.0),
        ((404, b'{"error":"bucket not found"}', {}), "is there", 0.0),
        ((400, b'{"error":"partial write: max-values-per-tag limit exceeded"}', {}), "= 0", 0.0),
        ("reset", "does not answer", 0.0),
    ],
)
def test_what_the_server_says_becomes_an_error_with_a_remedy(
    archive, scripted, said, words, wait_s
):
    scripted.script.append(said)
    with pytest.raises(ArchiveError, match=words) as caught:
        archive.write(1, [readings(10)])
    assert not caught.value.permanent
    assert caught.value.retry_after_s == wait_s
    assert SECRET not in str(caught.value)
    assert archive.cursor == 0
    archive.write(1, [readings(10)])
    assert archive.cursor == 1


def test_a_slow_server_is_given_up(scripted, monkeypatch):
    monkeypatch.setattr(influx_server, "WRITE_TIMEOUT_S", 0.2)
    archive = InfluxArchive.open(f"influxdb://127.0.0.1:{scripted.port}/city")
    scripted.script.append(1.0)
    with pytest.raises(ArchiveError, match="does not answer"):
        archive.write(1, [readings(1)])
    archive.close()


def test_a_body_too_large_is_halved_and_the_next_ones_are_smaller(archive, scripted):
    scripted.judge = lambda body: (413, b"too large", {}) if body.count(b"\n") > 60 else None
    archive.write(1, [readings(400)])
    assert archive.lines_max == 50
    stored = b"".join(body for body in scripted.bodies if body.count(b"\n") <= 60)
    assert stored.count(b"reading,") == 400
    scripted.bodies.clear()
    archive.write(2, [readings(100)])
    assert [body.count(b"\n") for body in scripted.bodies] == [50, 50, 1]


def test_a_refused_line_is_found_and_the_others_are_stored(archive, scripted):
    bad = b"channel=b value=1.5,quality=1i 33\n"
    scripted.judge = lambda body: (400, b'{"error":"unfit"}', {}) if bad in body else None
    refused = []
    archive.write(1, [readings(100)], refused.extend)
    assert [(r.channel_id, r.time_ns, r.reason) for r in refused] == [("b", 33, "unfit")]
    assert len(scripted.bodies) < 20


def test_a_database_that_refuses_everything_is_no_fault_of_the_readings(archive, scripted):
    scripted.judge = lambda _: (400, b'{"error":"field type conflict"}', {})
    refused = []
    with pytest.raises(ArchiveError, match="field type conflict"):
        archive.write(1, [readings(600)], refused.extend)
    assert refused == []


def test_ids_and_times_that_no_line_can_hold_never_reach_the_server(archive, scripted):
    refused = []
    some = readings(6, ("a", "ends\\"))
    some.time_ns[0] = -(2**63)
    archive.write(1, [some], refused.extend)
    assert {(r.channel_id, r.time_ns) for r in refused} == {
        ("a", -(2**63)),
        *(("ends\\", n) for n in (1, 3, 5)),
    }
    assert scripted.bodies[0].count(b"\n") == 2


def test_readings_without_a_value_replace_those_with_one_and_the_other_way(influx):
    archive = InfluxArchive.open(influx.url(influx.new_database()))
    cases = [(5.0, 1), (np.nan, 9), (6.0, 9), (np.nan, 4), (7.0, 2), (np.nan, 9)]
    for seq, (value, quality) in enumerate(cases, 1):
        archive.write(seq, [readings(1, ("a",), value=value, quality=quality)])
        found = archive.read("a", 0, 10, 10)
        np.testing.assert_array_equal(found.value, [value])
        assert found.quality.tolist() == [quality]
        usual = [1] if quality not in (4, 9) else []
        assert archive.read_buckets("a", 0, 10, 10).count.tolist() == usual
    archive.close()


def test_every_server_kept_what_it_took_when_it_is_killed(private_influx):
    server = private_influx()
    archive = InfluxArchive.open(server.url("city"), "one")
    archive.write(7, [readings(1000)])
    server.kill()
    with pytest.raises(ArchiveError, match="does not answer"):
        archive.write(8, [readings(10, first_ns=5000)])
    with pytest.raises(ArchiveError, match="does not answer"):
        archive.read("a", 0, 10, 10)
    server.start()
    archive.write(8, [readings(10, first_ns=5000)])
    archive.close()
    again, other = (InfluxArchive.open(server.url("city"), name) for name in ("one", "two"))
    assert (again.cursor, other.cursor) == (8, 0)
    assert again.count() == 1010
    again.close()
    other.close()


def test_a_server_that_is_away_is_met_later(private_influx):
    server = private_influx()
    server.stop()
    archive = InfluxArchive.open(server.url("city"), connect=False)
    with pytest.raises(ArchiveError, match="does not answer"):
        archive.connect()
    assert not archive.ready
    server.start()
    archive.write(1, [readings(1)])
    assert archive.ready
    archive.close()


def test_a_conflict_of_types_on_a_real_server_costs_only_what_it_touches(influx):
    name = influx.new_database()
    archive = InfluxArchive.open(influx.url(name))
    influx.write(name, b'reading,channel=z value="text" 1700000000000000000\n')
    refused = []
    archive.write(1, [readings(3, first_ns=1_700_000_000_000_000_000)], refused.extend)
    assert len(refused) == 3
    assert "type string" in refused[0].reason
    archive.write(2, [readings(3)], refused.extend)
    assert (len(refused), archive.count()) == (3, 3)
    archive.close()


def test_rights_and_users_are_the_servers(private_influx):
    server = private_influx(auth=True)
    server.query("CREATE USER root WITH PASSWORD 'pw' WITH ALL PRIVILEGES")
    server.query("CREATE USER small WITH PASSWORD 'pw'", credentials="root:pw")
    with pytest.raises(ArchiveError, match="authorization failed"):
        InfluxArchive.open(server.url("city", "root:wrong@"))
    archive = InfluxArchive.open(server.url("city", "root:pw@"))
    archive.write(1, [readings(4)])
    with pytest.raises(ArchiveError, match=r"right to write|cannot be made"):
        InfluxArchive.open(server.url("city", "small:pw@")).write(2, [readings(4)])
    assert archive.count() == 4
    archive.close()


def test_a_limit_of_the_server_on_channels_refuses_no_reading(private_influx):
    server = private_influx(values_max=3)
    archive = InfluxArchive.open(server.url("city"))
    archive.write(1, [readings(3, tuple("abc"))])
    with pytest.raises(ArchiveError, match="max-values-per-tag = 0"):
        archive.write(2, [readings(8, tuple("abcdefgh"))])
    archive.close()


def test_what_is_older_than_the_server_keeps_is_as_good_as_expired(influx):
    name = influx.new_database()
    influx.query(f"CREATE DATABASE {name} WITH DURATION 1d")
    archive = InfluxArchive.open(influx.url(name))
    archive.write(3, [readings(5)])
    archive.close()
    again = InfluxArchive.open(influx.url(name))
    assert (again.cursor, again.count()) == (3, 0)
    again.close()


def test_a_missing_bucket_is_named_with_its_mapping(front):
    with pytest.raises(ArchiveError, match=r"nowhere.*DBRP"):
        InfluxArchive.open(front.url("nowhere"))
    with pytest.raises(ArchiveError, match="unauthorized") as caught:
        InfluxArchive.open(front.url("nowhere", "wrong-token"))
    assert "wrong-token" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "influxdb://host", "influxdb://host:99999/db", f"influxdb2://{SECRET}@host/org",
        "influxdb2://host/org/bucket", f"influxdb://{SECRET}@host/db", "influx://x/y",
    ],
)  # fmt: skip
def test_a_url_that_makes_no_sense_is_refused_without_its_secret(url):
    with pytest.raises(ArchiveError, match="write influx") as caught:
        InfluxUrl.parse(url)
    assert SECRET not in str(caught.value)


def test_a_url_says_everything_and_shows_no_secret():
    url = InfluxUrl.parse(f"influxdb2s://{SECRET}/a+b==@host:1234/my%20city/raw")
    assert (url.secret, url.organisation, url.database) == (f"{SECRET}/a+b==", "my city", "raw")
    assert (url.address, url.version) == ("https://host:1234", 2)
    assert SECRET not in repr(url)
    assert InfluxUrl.parse("influxdb://u:p%40@h/db").secret == "p@"


def test_of_two_readings_of_one_key_in_one_large_write_the_later_wins(private_influx):
    """Though several bodies of it are on their way at a time."""
    archive = InfluxArchive.open(private_influx().url("city"))
    archive.lines_max = 500
    ids = tuple(f"c{number}" for number in range(7))
    archive.write(1, [readings(5_000, ids, value=value) for value in (1.0, 2.0, 3.0)])
    assert archive.count() == 5_000
    for channel in ids:
        assert set(archive.read(channel, 0, 10_000, 10_000).value.tolist()) == {3.0}
    archive.close()


def test_where_one_of_several_bodies_fails_the_cursor_stays(archive, scripted):
    archive.lines_max = 10
    scripted.script.extend([(204, b"", {}), (503, b"busy", {})])
    with pytest.raises(ArchiveError, match="503"):
        archive.write(5, [readings(100)])
    assert archive.cursor == 0
    archive.write(5, [readings(100)])
    assert archive.cursor == 5


def test_who_may_not_lead_writes_nothing(scripted):
    """A leader of before that wakes up would put its older rows over those of the present one."""
    leads = [True]
    url = f"influxdb://127.0.0.1:{scripted.port}/city"
    archive = InfluxArchive.open(url, may_write=lambda: leads[0])
    archive.write(1, [readings(3)])
    said = len(scripted.bodies)
    leads[0] = False
    with pytest.raises(ArchiveError, match="leads"):
        archive.write(2, [readings(3, first_ns=3)])
    assert (len(scripted.bodies), archive.cursor) == (said, 1)
    leads[0] = True
    archive.write(2, [readings(3, first_ns=3)])
    assert archive.cursor == 2
    archive.close()


class Hanging:
    """A server that says that it is away at first, and then nothing, until it is let go."""

    def __init__(self):
        self.asked = []
        self.go = threading.Event()

    def query(self, text):
        self.asked.append(text)
        if len(self.asked) > 1:
            assert self.go.wait(30)
        raise ArchiveError("away", permanent=False)

    def close(self):
        pass


def test_while_a_server_hangs_one_asker_waits_for_it_and_no_more(monkeypatch):
    """Or a wall of charts takes every thread of the interface, and alarms cannot be asked for."""
    monkeypatch.setattr(influx, "_AWAY_S", 0.0)
    server = Hanging()
    archive = InfluxArchive(InfluxUrl.parse("influxdb://127.0.0.1:1/city"), server, "x")
    with pytest.raises(ArchiveError):
        archive.count()
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(archive.count)
        while len(server.asked) < 2:
            time.sleep(0.001)
        for _ in range(50):
            with pytest.raises(ArchiveError, match="away"):
                archive.count()
        assert len(server.asked) == 2
        server.go.set()
        assert isinstance(waiting.exception(), ArchiveError)
    archive.close()
