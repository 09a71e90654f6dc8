"""kill -9 of the leader, and of PostgreSQL, under load: nothing settled is lost, nothing doubled.

As test_kill.py, with two instances on one PostgreSQL. ``LIFELINE_KILLS`` says how many kills.
"""

import asyncio
import os
import random
import time
from dataclasses import replace
from functools import partial

import pytest

from storage.journal.postgres_journal import PostgresJournal
from tests.service.harness import Operator, Publisher, subscribe_for, wait_until
from tests.service.instances import Instance, Pair
from tests.service.load import (
    OPERATED,
    city,
    judge_undisturbed,
    make_load,
    write_site,
)
from tests.service.test_kill import (
    RATE_PER_S,
    STEPS,
    begin_ns,
    check,
    has_taken_all,
    read_archive,
    what_is_left_in,
)

KILLS = max(3, int(os.environ.get("LIFELINE_KILLS", 3)) // 5)
KILLS_A_RUN = 3
TAKEOVER_S_MAX = 10.0


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return replace(city(tmp_path_factory.mktemp("city")), revision=1)


@pytest.fixture
def run(tmp_path, private_broker, private_postgres, request):
    """Start a run: broker, database, two instances, publisher and operator."""

    def start(load):
        broker, site = private_broker(), write_site(tmp_path / "site")
        subscribe_for(broker)
        url = private_postgres.new_database()
        pair = Pair(
            [Instance(tmp_path / name, broker.url, site, url, name) for name in ("first", "second")]
        )
        for instance in pair.instances:
            request.addfinalizer(instance.clear_away)
        publisher = Publisher(broker, load.messages, RATE_PER_S)
        request.addfinalizer(publisher.close)
        operator = Operator(pair)
        request.addfinalizer(operator.close)
        return pair, url, publisher, operator

    return start


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(-(-KILLS // KILLS_A_RUN)))
def test_leaders_and_servers_killed_under_load_lose_nothing_and_say_nothing_twice(
    run, private_postgres, catalogue, seed
):
    rng = random.Random(seed)
    load = make_load(seed, begin_ns(), STEPS)
    expected = judge_undisturbed(catalogue, load)
    pair, url, publisher, operator = run(load)
    kills = ["leader", "server", "leader"][: KILLS - seed * KILLS_A_RUN]
    rng.shuffle(kills)
    for number, kill in enumerate(kills):
        pair.start()
        leader, other = pair.wait_for_both()
        publisher.allow(int((number + 1) * len(load.messages) / (len(kills) + 1)))
        time.sleep(rng.uniform(0.2, 2.5))
        if kill == "leader":
            leader.kill()
            began_s = time.monotonic()
            wait_until(other.is_ready, pair.last_words, look_s=0.02)
            assert time.monotonic() - began_s < TAKEOVER_S_MAX
        else:
            private_postgres.kill()
            time.sleep(rng.uniform(0, 2))
            private_postgres.start()
            pair.server_starts += 1
            pair.wait_for_leader()
    publisher.allow(len(load.messages))
    publisher.wait_until_taken()
    leader = finish(pair, operator, load)
    journal = partial(PostgresJournal.open, url)
    read = partial(read_archive, leader.data / "archive")
    left = asyncio.run(what_is_left_in(url, journal, read))
    check(left, pair, operator, load, expected)


def finish(pair, operator, load):
    """Wait until everything is done, stop both in order, and return who led."""
    leader = pair.wait_for_leader()
    wait_until(
        lambda: has_taken_all(pair, load),
        lambda: f"{pair.ask('/api/v1/accounting')}\n{pair.last_words()}",
        look_s=0.2,
    )
    wait_until(lambda: len(operator.done) == len(OPERATED), lambda: operator.answers)
    for instance in pair.instances:
        if instance is not leader and instance.is_alive():
            assert instance.stop() == 0, instance.last_words()
    assert leader.stop() == 0, leader.last_words()
    return leader
