"""kill -9 of the whole service under load: nothing settled is lost, and nothing happens twice.

A run is one load, five kills of the service at seeded moments while it is published, and a look at
everything that is left in the end, beside what an undisturbed judgement makes of the same load.
``LIFELINE_KILLS`` says how many kills there are in all.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from domain.accounting import Fate, Unit
from domain.alarm import TransitionKind
from domain.journal import Command, Frame
from domain.time import NS_PER_S
from storage.alarms import AlarmStore
from storage.archive.duck import DuckArchive
from storage.journal import SegmentJournal
from storage.state import StateEngine
from tests.service.harness import (
    LOOK_S,
    Operator,
    Publisher,
    Service,
    subscribe_for,
    wait_until,
)
from tests.service.load import (
    GATEWAYS,
    OPERATED,
    city,
    judge_undisturbed,
    make_load,
    told,
    without_duplicates,
    write_site,
)

KILLS = int(os.environ.get("LIFELINE_KILLS", 5))
KILLS_A_RUN = 5
RUNS = [
    (seed, min(KILLS_A_RUN, KILLS - seed * KILLS_A_RUN)) for seed in range(-(-KILLS // KILLS_A_RUN))
]
MODULES = ("service", "tests.service.small_service")
STEPS = 1500
RATE_PER_S = 120  # of messages; each has some 60 readings
EVER = (0, 2**62)


@dataclass
class Left:
    """What is found when the service has stopped in order."""

    transitions: list
    notices: list
    accounts: Counter
    inbox: Counter
    archived: dict
    frames: list
    commands: list
    first_seq: int


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    return replace(city(tmp_path_factory.mktemp("city")), revision=1)


def begin_ns():
    """Return a whole minute, so that what stands on a grid of event time is the same each time."""
    length_ns = (STEPS // 4 + 60) * NS_PER_S
    return (time.time_ns() - length_ns) // (60 * NS_PER_S) * 60 * NS_PER_S


@pytest.fixture
def run(tmp_path, private_broker, request):
    """Start a run: broker, service, publisher and operator, cleared away in the end."""

    def start(load, rate_per_s=RATE_PER_S, **settings):
        broker = private_broker()
        subscribe_for(broker)
        service = Service(tmp_path, broker.url, write_site(tmp_path / "site"), **settings)
        request.addfinalizer(service.clear_away)
        publisher = Publisher(broker, load.messages, rate_per_s)
        request.addfinalizer(publisher.close)
        operator = Operator(service)
        request.addfinalizer(operator.close)
        return service, publisher, operator

    return start


# When a kill comes: each waits for the beginning of something, and kills in the middle of it.
# ``begin`` returns when the service is ready and the load is on.


def at_once(begin, service, rng, operator):
    time.sleep(rng.uniform(0, 0.9))


def while_starting(begin, service, rng, operator):
    time.sleep(rng.uniform(0.5, 3))


def while_working(begin, service, rng, operator):
    begin()
    time.sleep(rng.uniform(0, 2.5))


def when_a_file_changes(pattern):
    def wait(begin, service, rng, operator):
        begin()
        time.sleep(rng.uniform(0, 2))  # or each life would end with its first flush
        before = look(service.data, pattern)
        deadline_s = time.monotonic() + 3
        while look(service.data, pattern) in (before, []) and time.monotonic() < deadline_s:
            time.sleep(LOOK_S)
        time.sleep(rng.choice([0.0, rng.uniform(0, 0.03)]))

    return wait


def look(folder, pattern):
    found = []
    for path in sorted(folder.glob(pattern)):
        try:
            found.append((path.name, path.stat().st_size))
        except FileNotFoundError:  # renamed meanwhile
            found.append((path.name, -1))
    return found


def while_a_command_is_on_its_way(begin, service, rng, operator):
    begin()
    operator.asking.wait(3)
    time.sleep(rng.uniform(0, 0.02))


MOMENTS = {
    "at once": at_once,
    "starting": while_starting,
    "working": while_working,
    "snapshot": when_a_file_changes("snapshots/*.part"),
    "archive": when_a_file_changes("archive/archive.duckdb.wal"),
    "sealing": when_a_file_changes("archive/sealed/*"),
    "commit": when_a_file_changes("state.db-wal"),
    "journal": when_a_file_changes("journal/*.seg"),
    "command": while_a_command_is_on_its_way,
}


def moments(seed, kills):
    """Return when the kills of a run come: every moment has its turn, the first start, too."""
    names = sorted(MOMENTS)
    random.Random(seed // 2).shuffle(names)
    names = names[KILLS_A_RUN * (seed % 2) :] + names
    return names[:kills]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "kills"), RUNS)
def test_a_service_killed_under_load_loses_nothing_and_says_nothing_twice(
    run, catalogue, seed, kills
):
    rng = random.Random(seed)
    load = make_load(seed, begin_ns(), STEPS)
    expected = judge_undisturbed(catalogue, load)
    # In every other run the journal's beginning goes as soon as nobody needs it.
    settings = {"LIFELINE_JOURNAL_BYTES_MAX": "100000"} if seed % 2 else {}
    service, publisher, operator = run(load, **settings)
    lives = [*moments(seed, kills), ""]
    rng.shuffle(lives)
    for number, moment in enumerate(lives):
        share = len(load.messages) / (len(lives) + 1)
        service.start(MODULES[(number + seed) % 2])
        publisher.allow(int((number + 0.3) * share))  # while it starts, to be taken at one go

        def begin(until=int((number + 1) * share)):
            service.wait_until_ready()
            publisher.allow(until)

        if moment:
            MOMENTS[moment](begin, service, rng, operator)
            service.kill()
        else:  # among the kills an orderly stop, in the middle of the load, too
            while_working(begin, service, rng, operator)
            assert service.stop() == 0, service.last_words()
    finish(service, publisher, operator, load)
    check(asyncio.run(what_is_left(service.data)), service, operator, load, expected)
    assert service.log_of_level("error", "critical") == []


@pytest.mark.timeout(600)
def test_an_undisturbed_service_says_what_the_judgement_without_one_says(run, catalogue):
    load = make_load(1000, begin_ns(), STEPS)
    expected = judge_undisturbed(catalogue, load)
    service, publisher, operator = run(load, rate_per_s=1000)
    finish(service, publisher, operator, load)
    left = asyncio.run(what_is_left(service.data))
    check(left, service, operator, load, expected)
    assert service.log_of_level("error", "critical") == []
    assert left.accounts == expected.accounts  # not even a duplicate


@pytest.mark.timeout(600)
def test_thousands_that_a_killed_broker_sends_again_change_nothing(
    tmp_path, catalogue, private_broker, request
):
    """mosquitto saves its sessions while all frames wait in one, and is killed when all are settled."""
    load = make_load(2000, begin_ns(), STEPS)
    expected = judge_undisturbed(catalogue, load)
    broker = private_broker(autosave_interval="86400")  # it saves when it is told to
    subscribe_for(broker)
    service = Service(tmp_path, broker.url, write_site(tmp_path / "site"))
    request.addfinalizer(service.clear_away)
    publisher = Publisher(broker, load.messages, 5_000)
    publisher.allow(len(load.messages))
    publisher.wait_until_taken()
    publisher.close()
    broker.process.send_signal(signal.SIGUSR1)
    saved = broker.folder / "mosquitto.db"
    wait_until(saved.exists, lambda: "mosquitto has not saved")
    service.start()
    wait_until(lambda: has_taken_all(service, load), service.last_words, look_s=0.2)
    broker.kill()
    broker.start()
    wait_until(
        lambda: frames_of(service, "received") == 2 * len(load.messages),
        lambda: f"{frames_of(service, 'received')} frames came, of twice {len(load.messages)}",
        look_s=0.2,
    )
    assert service.stop() == 0, service.last_words()
    left = asyncio.run(what_is_left(service.data))
    assert len(left.frames) == 2 * len(load.messages) > 5_000
    check_archive(left, load, expected)
    check_transitions(left, expected)
    assert service.log_of_level("error", "critical") == []


def frames_of(service, *fates):
    """Return how many frames of the load's gateways had one of these fates, by the books."""
    books = (service.ask("/api/v1/accounting") or {"items": []})["items"]
    frames = [book["frames"] for book in books if book["gateway"] in GATEWAYS]
    return sum(each[fate] for each in frames for fate in fates)


def finish(service, publisher, operator, load):
    """Let the service live until it has done everything, and stop it in order."""
    service.start()
    publisher.allow(len(load.messages))
    publisher.wait_until_taken()
    service.wait_until_ready()
    wait_until(
        lambda: has_taken_all(service, load),
        lambda: f"{service.ask('/api/v1/accounting')}\n{service.last_words()}",
        look_s=0.2,
    )
    wait_until(lambda: len(operator.done) == len(OPERATED), lambda: operator.answers)
    assert service.stop() == 0, service.last_words()


def has_taken_all(service, load):
    books = (service.ask("/api/v1/accounting") or {"items": []})["items"]
    taken = frames_of(service, "decoded", "undecodable")
    return taken == len(load.messages) and not sum(book["readings"]["pending"] for book in books)


async def what_is_left(data):
    journal = partial(SegmentJournal.open, data / "journal")
    archive = partial(read_archive, data / "archive")
    return await what_is_left_in(f"sqlite:///{data / 'state.db'}", journal, archive)


async def what_is_left_in(state_url, open_journal, read):
    state = await StateEngine.open(state_url)
    store = AlarmStore(state)
    transitions = []
    while more := await store.transitions(len(transitions), 1000):
        transitions += [transition for _, transition in more]
    notices = [row.notice for row in await store.outbox("nobody", 1_000_000)]
    inbox = Counter({item.gateway: item.count for item in (await store.unregistered()).items})
    accounts = Counter(await store.accounts())
    await state.close()
    archived = read()
    journal = await open_journal()
    first_seq = journal.first_seq
    spans = journal.read_span(first_seq - 1, journal.last_seq)
    records = [record for rows in spans for record in rows.records]
    await journal.close()
    return Left(
        transitions,
        notices,
        accounts,
        inbox,
        archived,
        [record for record in records if isinstance(record, Frame)],
        [record for record in records if isinstance(record, Command)],
        first_seq,
    )


def read_archive(folder):
    archive = DuckArchive.open(folder)
    known = [row[0] for row in archive._connection.execute("SELECT id FROM channels").fetchall()]
    try:
        return read_channels(archive, known)
    finally:
        archive.close()


def read_channels(archive, known):
    archived = {}
    for channel in known:
        series = archive.read(channel, *EVER, 10_000_000)
        columns = (series.time_ns, series.value, series.quality)
        assert np.all(np.diff(series.time_ns) > 0), channel
        archived[channel] = {
            time_ns: (value, quality)
            for time_ns, value, quality in zip(*(c.tolist() for c in columns), strict=True)
        }
        assert archive.count(channel) == len(series)
    return archived


def check(left, service, operator, load, expected):
    check_archive(left, load, expected)
    check_transitions(left, expected)
    check_commands(left, operator)
    check_books(left, load, expected)
    check_journal(left, service, load)


def check_archive(left, load, expected):
    """Every reading published is archived once with its value, and every derived one with it."""
    for channel, readings in load.readings.items():
        assert {t: value for t, (value, _) in left.archived[channel].items()} == readings, channel
    assert left.archived == expected.archived


def check_transitions(left, expected):
    assert told(left.transitions) == told(expected.transitions)
    assert len({transition.id for transition in left.transitions}) == len(left.transitions)
    raised = [t.alarm.id for t in left.transitions if t.kind is TransitionKind.RAISED]
    assert len(set(raised)) == len(raised)
    told_of = Counter(notice.transition_id for notice in left.notices)
    assert set(told_of.values()) == {1}
    assert len(left.notices) == len(expected.notices)


def check_commands(left, operator):
    """What was answered with 200 has happened, and nothing has happened twice."""
    done = [t for t in left.transitions if t.kind is TransitionKind.ACKNOWLEDGED]
    assert Counter(t.alarm.id for t in done) == dict.fromkeys(operator.answers, 1)
    reasons = {t.reason for t in done}
    for answers in operator.answers.values():
        assert {comment for comment, status in answers if status == 200} <= reasons
        assert {status for _, status in answers} <= {200, 409, 503, None}
    assert len({command.command_id for command in left.commands}) == len(left.commands)


def check_books(left, load, expected):
    assert without_duplicates(left.accounts) == expected.accounts
    assert left.inbox == load.unregistered
    for gateway in GATEWAYS:

        def count(unit, fate, gateway=gateway):
            return sum(
                n
                for a, n in left.accounts.items()
                if (a.gateway, a.unit, a.fate) == (gateway, unit, fate)
            )

        frames = [
            count(Unit.FRAMES, fate)
            for fate in (Fate.DECODED, Fate.DUPLICATE, Fate.UNDECODABLE, Fate.REFUSED)
        ]
        assert count(Unit.FRAMES, Fate.RECEIVED) == sum(frames)
        readings = [
            count(Unit.READINGS, fate)
            for fate in (Fate.STORED, Fate.UNREGISTERED, Fate.REJECTED, Fate.QUARANTINED)
        ]
        assert count(Unit.READINGS, Fate.RECEIVED) == sum(readings)
        assert count(Unit.READINGS, Fate.QUARANTINED) == load.future[gateway]


def check_journal(left, service, load):
    """A frame stands in the journal twice only where a kill came before it was settled."""
    if left.first_seq > 1:
        return  # its beginning was retired
    rows = defaultdict(list)
    for frame in left.frames:
        rows[frame.topic, frame.payload].append(frame.redelivered)
    assert set(rows) == {(message.topic, message.payload) for message in load.messages}
    for redelivered in rows.values():
        assert all(redelivered[1:])
        assert len(redelivered) <= service.starts
    again = len(left.frames) - len(rows)
    assert again == sum(n for a, n in left.accounts.items() if a.fate is Fate.DUPLICATE)
