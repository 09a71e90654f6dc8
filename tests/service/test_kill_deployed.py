"""kill -9 of each server of a deployment under load: nothing settled is lost, nothing happens twice.

Two instances on one PostgreSQL (state, journal, snapshots) and one InfluxDB, as in test_kill_shared.py.
``LIFELINE_KILLS`` divided by five says how many kills of each there are, five in a run; without it
there is one run with a kill of each.
"""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from domain.journal import CatalogueChange, Rows
from service.evaluator import Evaluator
from storage.archive.influx import InfluxArchive
from storage.journal.postgres_journal import PostgresJournal
from tests.service.harness import LOOK_S, Operator, Publisher, subscribe_for, wait_until
from tests.service.instances import Instance, Pair
from tests.service.load import (
    Judgement,
    city,
    judge_undisturbed,
    make_load,
    without_duplicates,
    write_site,
)
from tests.service.test_kill import (
    begin_ns,
    check,
    check_commands,
    check_transitions,
    read_channels,
    what_is_left_in,
)
from tests.service.test_kill_shared import finish

KILLS_EACH = int(os.environ.get("LIFELINE_KILLS", 0)) // 5
KILLS_A_RUN = 5
STEPS = 1500 if KILLS_EACH else 700
RATE_PER_S = 150
DATABASE = "city"
# What is logged as an error while servers are killed; nothing else may be.
TOLD = (
    "the archive refuses, trying again",
    "the archive cannot be reached yet",
    "another instance leads now",
    "snapshot not written; the journal is kept for it",  # while PostgreSQL is away
    # InfluxDB 1.6 may cut off what it had acknowledged (decision 49); `check` finds all of it there again.
    "the archive lost rows that it had taken; they are taken from the journal again",
)


def runs(*kinds):
    """Return (seed, kinds of the kills) for each run."""
    if not KILLS_EACH:
        return [(0, kinds)]
    return [
        (seed, (kind,) * min(KILLS_A_RUN, KILLS_EACH - seed * KILLS_A_RUN))
        for kind in kinds
        for seed in range(-(-KILLS_EACH // KILLS_A_RUN))
    ]


def named(run):
    seed, kinds = run
    return f"{seed}-{'-'.join(sorted(set(kinds)))}"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return replace(city(tmp_path_factory.mktemp("city")), revision=1)


class Deployment:
    """Broker, PostgreSQL, InfluxDB and instances, and the ways in which they are killed."""

    def __init__(self, folder, broker, postgres, influx, instances=2):
        self.broker, self.postgres, self.influx = broker, postgres, influx
        subscribe_for(broker)
        site = write_site(folder / "site")
        self.url = postgres.new_database()
        archive = {"LIFELINE_ARCHIVE_URL": influx.url(DATABASE)}
        self.pair = Pair(
            [
                Instance(folder / f"i{n}", broker.url, site, self.url, f"i{n}", **archive)
                for n in range(instances)
            ]
        )

    def kill(self, kind, rng):
        """Kill one of them at a seeded moment, and start it again."""
        kill = getattr(self, f"_kill_{kind}", None) or getattr(self, f"_{kind}")
        kill(rng)

    def _kill_leader(self, rng):
        leader = self.pair.wait_for_leader()
        others = [each for each in self.pair.instances if each is not leader and each.is_alive()]
        leader.kill()
        wait_until(lambda: any(other.is_ready() for other in others), self.pair.last_words)

    def _kill_postgres(self, rng):
        self.postgres.kill()
        time.sleep(rng.uniform(0, 2))
        self.postgres.start()
        self.pair.server_starts += 1

    def _restart_postgres(self, rng):
        """As an administrator does it: the leader goes on, and nobody takes over."""
        leader = self.pair.leader()
        self.postgres.stop()
        time.sleep(rng.uniform(0, 2))
        self.postgres.start()
        self.pair.server_starts += 1
        wait_until(lambda: self.pair.leader() is leader, self.pair.last_words)

    def _wake_leader(self, rng):
        """It slept through a takeover, with readings on their way to the archive that all share."""
        leader = self.pair.leader()
        others = [each for each in self.pair.instances if each is not leader]
        leader.freeze()
        wait_until(lambda: any(other.is_ready() for other in others), self.pair.last_words)
        time.sleep(rng.uniform(0, 2))
        leader.thaw()
        assert leader.process.wait(60) == 1

    def _hide_influxd(self, rng):
        """It hangs, or is away, while another one takes the lead."""
        if rng.random() < 0.5:
            self.influx.freeze()
        else:
            self.influx.kill()
        time.sleep(rng.uniform(0, 2))
        self._kill_leader(rng)
        self.influx.thaw()
        if self.influx.process is None:
            self.influx.start()

    def _catch_leader_catching_up(self, rng):
        self.influx.kill()
        time.sleep(rng.uniform(0.5, 2))
        self._kill_leader(rng)  # so the next one has to take from the journal what was in memory
        self.wait_until_whole()
        leader = self.pair.wait_for_leader()
        self.influx.start()
        deadline_s = time.monotonic() + 3
        while (
            "\nlifeline_archive_behind 1.0" not in leader.metrics()
            and time.monotonic() < deadline_s
        ):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        self._kill_leader(rng)

    def _kill_influxd(self, rng):
        before = self._written()
        deadline_s = time.monotonic() + rng.choice([0.0, 2.0])  # any moment, or within a write
        while self._written() == before and time.monotonic() < deadline_s:
            time.sleep(LOOK_S)
        self.influx.kill()
        time.sleep(rng.uniform(0, 3))
        self.influx.start()

    def _written(self):
        return sum(path.stat().st_size for path in self.influx.folder.glob("wal/city/*/*/*.wal"))

    def _kill_mosquitto(self, rng):
        self.broker.kill()
        time.sleep(rng.uniform(0, 1))
        self.broker.start()

    def wait_until_whole(self):
        """Wait until one leads and the others stand by; who ended with its lead is started again."""

        def whole():
            self.pair.start()
            leader = self.pair.leader()
            others = [each for each in self.pair.instances if each is not leader]
            stand_by = all(each.detail().startswith("standby of") for each in others)
            return leader is not None and stand_by

        wait_until(whole, self.pair.last_words, look_s=0.2)

    def wait_until_archived(self):
        """Wait for what the books do not call pending, too: a catch-up that a restart began."""

        def archived():
            leader = self.pair.leader()
            found = leader.metrics() if leader is not None else ""
            return (
                "\nlifeline_archive_behind 0.0" in found and "\nlifeline_archive_away 0.0" in found
            )

        wait_until(archived, self.pair.last_words)

    def left(self):
        journal = partial(PostgresJournal.open, self.url)
        return asyncio.run(what_is_left_in(self.url, journal, self.archived))

    def archived(self):
        """Return what InfluxDB holds, by channel and time."""
        found = self.influx.query('SHOW TAG VALUES FROM reading WITH KEY = "channel"', DATABASE)
        known = [value for _, value in found[0]["series"][0]["values"]]
        archive = InfluxArchive.open(self.influx.url(DATABASE), "who compares")
        try:
            return read_channels(archive, known)
        finally:
            archive.close()

    def check_logs(self):
        for instance in self.pair.instances:
            lines = instance.log_of_level("error", "critical") if instance.starts else []
            assert [line for line in lines if not any(each in line for each in TOLD)] == []


@pytest.fixture
def deploy(tmp_path, private_broker, private_postgres, private_influx, request):
    """Make a deployment, its publisher and its operator, cleared away in the end."""

    def make(load, rate_per_s=RATE_PER_S, instances=2, **broker_options):
        broker = private_broker(**broker_options)
        deployment = Deployment(tmp_path, broker, private_postgres, private_influx(), instances)
        for instance in deployment.pair.instances:
            request.addfinalizer(instance.clear_away)
        publisher = Publisher(broker, load.messages, rate_per_s)
        request.addfinalizer(publisher.close)
        operator = Operator(deployment.pair)
        request.addfinalizer(operator.close)
        return deployment, publisher, operator

    return make


def play(deployment, publisher, load, kinds, rng):
    """Publish the load and kill meanwhile; return how many messages were out at each kill."""
    out = []
    for number, kind in enumerate(kinds):
        deployment.wait_until_whole()
        publisher.allow(int((number + 1) * len(load.messages) / (len(kinds) + 1)))
        time.sleep(rng.uniform(0.2, 2.5))
        out.append(publisher.sent)
        deployment.kill(kind, rng)
        deployment.pair.wait_for_leader()
    publisher.allow(len(load.messages))
    publisher.wait_until_taken()
    return out


@pytest.mark.timeout(600)
@pytest.mark.parametrize("run", runs("leader", "postgres", "influxd"), ids=named)
def test_a_server_killed_under_load_costs_nothing_that_was_settled(deploy, catalogue, run):
    seed, kinds = run
    rng = random.Random(seed)
    load = make_load(seed, begin_ns(), STEPS)
    expected = judge_undisturbed(catalogue, load)
    deployment, publisher, operator = deploy(load)
    play(deployment, publisher, load, rng.sample(kinds, len(kinds)), rng)
    deployment.wait_until_archived()
    finish(deployment.pair, operator, load)
    check(deployment.left(), deployment.pair, operator, load, expected)
    deployment.check_logs()


ODD = ("restart_postgres", "wake_leader", "hide_influxd", "catch_leader_catching_up")


@pytest.mark.skipif(not KILLS_EACH, reason="make crash")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
def test_two_things_at_once_cost_nothing_that_was_settled(deploy, catalogue, seed):
    """Three instances: two stand by."""
    rng = random.Random(seed)
    load = make_load(100 + seed, begin_ns(), STEPS)
    expected = judge_undisturbed(catalogue, load)
    deployment, publisher, operator = deploy(load, instances=3)
    play(deployment, publisher, load, rng.sample(ODD, len(ODD)), rng)
    deployment.wait_until_archived()
    finish(deployment.pair, operator, load)
    check(deployment.left(), deployment.pair, operator, load, expected)
    deployment.check_logs()


# mosquitto writes its sessions every so many seconds: what was settled since comes once more.
AUTOSAVE_S = 4
LOSS_S = AUTOSAVE_S + 1.0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("run", runs("mosquitto"), ids=named)
def test_a_broker_killed_under_load_takes_nothing_back(deploy, catalogue, run):
    """What is judged and archived is what is journaled, each frame once, however often it came.

    The broker may lose what it took and had not passed on; so the journal's frames are judged.
    """
    seed, kinds = run
    rng = random.Random(seed)
    load = make_load(seed, begin_ns(), STEPS)
    rate_per_s = 400
    deployment, publisher, operator = deploy(load, rate_per_s, autosave_interval=str(AUTOSAVE_S))
    out = play(deployment, publisher, load, kinds, rng)
    left = finish_without_the_lost(deployment, operator)
    once = first_of_each(left.frames)
    expected = judge(catalogue, once)
    check_lost(load, once, out, rate_per_s)
    assert left.archived == expected.archived
    check_transitions(left, expected)
    check_commands(left, operator)
    assert without_duplicates(left.accounts) == expected.accounts
    if len(once) == len(load.messages):
        # What is derived may differ: what comes again after a kill comes in another order.
        for channel, readings in load.readings.items():
            found = {time_ns: value for time_ns, (value, _) in left.archived[channel].items()}
            assert found == readings, channel
    again = len(left.frames) - len(once)
    lost = len(load.messages) - len(once)
    sys.stdout.write(
        f"{len(out)} kills: {again} frames came again, {lost} were lost by the broker\n"
    )
    deployment.check_logs()


def first_of_each(frames):
    first = {}
    for frame in frames:
        first.setdefault((frame.topic, frame.payload), frame)
    return list(first.values())


def judge(catalogue, frames):
    """Return what an undisturbed evaluator makes of frames in this order."""
    evaluator, judgement = Evaluator(lambda _revision: catalogue), Judgement()
    records = [CatalogueChange(1, frames[0].received_ns), *frames]
    judgement.take(evaluator.step(Rows(1, records)))
    return judgement


def check_lost(load, once, out, rate_per_s):
    """Only what was published shortly before a kill may be missing, and nothing else be there."""
    there = Counter((frame.topic, frame.payload) for frame in once)
    lost = [n for n, each in enumerate(load.messages) if (each.topic, each.payload) not in there]
    assert len(lost) + len(there) == len(load.messages)
    for number in lost:
        assert any(count - LOSS_S * rate_per_s <= number <= count for count in out), number


def finish_without_the_lost(deployment, operator):
    """Wait until all that came is judged and archived; stop, and return what is left."""
    pair = deployment.pair
    counted = []

    def at_rest():
        books = (pair.ask("/api/v1/accounting") or {"items": []})["items"]
        frames = sum(book["frames"]["received"] for book in books)
        counted.append((frames, sum(book["readings"]["pending"] for book in books)))
        return len(counted) > 10 and len(set(counted[-10:])) == 1 and counted[-1][1] == 0

    leader = pair.wait_for_leader()
    deployment.wait_until_archived()
    wait_until(at_rest, pair.last_words, look_s=0.2)
    waiting = {"state": "unacknowledged", "limit": 1000}
    wait_until(
        lambda: (
            not any(
                "/operated-" in item["channel"]
                for item in (
                    pair.ask("/api/v1/alarms", **waiting) or {"items": [{"channel": "/operated-"}]}
                )["items"]
            )
        ),
        lambda: operator.answers,
    )
    wait_until(lambda: len(operator.done) == len(operator.answers), lambda: operator.answers)
    for instance in sorted(pair.instances, key=lambda each: each is leader):
        if instance.is_alive():
            assert instance.stop() == 0, instance.last_words()
    return deployment.left()
