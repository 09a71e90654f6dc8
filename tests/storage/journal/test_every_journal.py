"""What every journal must do, over all of ``JOURNALS``."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.journal import CatalogueChange, Command, Frame, Rows, Tick
from storage.journal import JOURNALS, JournalError, JournalRetired, codec, journal_class
from storage.state import StateEngine

ROOT = Path(__file__).resolve().parents[3]


def segment_places(request):
    folder = request.getfixturevalue("tmp_path_factory").mktemp("journal")
    for number in count():
        yield {"folder": folder / str(number)}


def postgresql_places(request):
    url = request.getfixturevalue("postgres").new_database()

    async def migrate():
        await (await StateEngine.open(url)).close()

    asyncio.run(migrate())
    for number in count():
        yield {"url": url, "schema": f"journal_{number}"}


PLACES = {"segments": segment_places, "postgresql": postgresql_places}


@pytest.fixture(scope="module", params=sorted(JOURNALS))
def kind(request):
    """A journal's name, and places for it where nothing was ever written."""
    return request.param, PLACES[request.param](request)


def open_given(name, given, **options):
    """Open a journal in another process, from what stands in its arguments."""
    place = {k: Path(v) if k == "folder" else v for k, v in json.loads(given).items()}
    return journal_class(name).open(**place, **options)


OPENER = """
import asyncio, sys
from storage.journal import JournalError
from tests.storage.journal.test_every_journal import open_given
try: asyncio.run(open_given(*sys.argv[1:]))
except JournalError: sys.exit(7)
"""


class Place:
    """A place for a journal of one kind, to be opened more than once."""

    def __init__(self, kind):
        self.name, places = kind
        self.given = next(places)

    async def open(self, **options):
        return await journal_class(self.name).open(**self.given, **options)

    @asynccontextmanager
    async def opened(self, **options):
        journal = await self.open(**options)
        try:
            yield journal
        finally:
            await journal.close()


@pytest.fixture
def place(kind):
    return Place(kind)


def frame(n, size=16):
    return Frame(f"lifeline/v1/north/gw{n % 3}/data/json", n.to_bytes(8, "little") * (size // 8), n)


def rows(first, last, size=16):
    return [frame(n, size) if n % 5 else Tick(n, n, True) for n in range(first, last + 1)]


def all_rows(journal, after=0):
    read = []
    for run in journal.read_span(after, journal.last_seq):
        assert run.first_seq == after + len(read) + 1
        read += run.records
    return read


async def first_rows(journal, after, count):
    """Follow ``journal`` until ``count`` rows have come."""
    read = []
    async for run in journal.read(after):
        assert run.first_seq == after + len(read) + 1
        read += run.records
        if len(read) >= count:
            return read
    raise AssertionError("the journal closed")


async def test_an_empty_journal_has_no_rows(place):
    async with place.opened() as journal:
        assert (journal.first_seq, journal.last_seq) == (1, 0)
        assert all_rows(journal) == []
        assert await journal.append([]) == 0
        assert journal.stats().segments == 0


async def test_every_kind_of_row_is_kept_in_order_over_a_reopening(place):
    written = [
        Frame("a/b", b"\x00\xff", 7, True),
        Tick(1, 2, False),
        Command("c1", "acknowledge", {"alarm_id": "x", "comment": "看过"}, "wang", 9),
        CatalogueChange(3, 4),
        Frame("a/c", b"", 8),
    ]
    async with place.opened() as journal:
        assert await journal.append(written[:3]) == 3
        assert await journal.append(written[3:]) == 5
        assert await first_rows(journal, 0, 5) == written
    async with place.opened() as journal:
        assert all_rows(journal) == written
        assert await first_rows(journal, 0, 5) == written
        assert all_rows(journal, 2) == written[2:]


steps = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 12)),
    st.tuples(st.just("together"), st.integers(1, 5)),
    st.tuples(st.just("reopen"), st.booleans()),
    st.tuples(st.just("read"), st.integers(0, 100)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=12), st.integers(100, 1500), st.sampled_from([0, 500, 1 << 20]))
def test_any_appends_and_reopenings_give_the_rows_back_in_order(
    kind, plan, segment_bytes, tail_bytes
):
    options = {"segment_bytes": segment_bytes, "tail_bytes": tail_bytes}

    async def run(place):
        journal = await place.open(**options)
        last = 0
        for step, n in plan:
            if step == "append":
                assert await journal.append(rows(last + 1, last + n)) == last + n
                last += n
            elif step == "together":
                calls = [journal.append(rows(last + i, last + i)) for i in range(1, n + 1)]
                assert await asyncio.gather(*calls) == list(range(last + 1, last + n + 1))
                last += n
            elif step == "reopen":
                await journal.close()
                journal = await place.open(**options)
            elif n < last:
                assert (await first_rows(journal, n, last - n))[: last - n] == rows(n + 1, last)
                for end in range(n, last + 1, 7):
                    span = [record for run in journal.read_span(n, end) for record in run.records]
                    assert span == rows(n + 1, end)
            assert journal.last_seq == last
        assert all_rows(journal) == rows(1, last)
        await journal.close()

    asyncio.run(run(Place(kind)))


async def test_concurrent_appends_get_consecutive_numbers(place):
    async with place.opened() as journal:
        lasts = await asyncio.gather(*(journal.append([frame(n)] * 3) for n in range(200)))
        assert lasts == list(range(3, 601, 3))
        payloads = [record.payload for record in all_rows(journal)]
        assert payloads == [frame(n).payload for n in range(200) for _ in range(3)]


async def test_a_cancelled_append_disturbs_nobody(place):
    async with place.opened() as journal:
        given_up = asyncio.ensure_future(journal.append(rows(1, 1)))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await journal.append(rows(2, 2)) == 2
        assert all_rows(journal) == rows(1, 2)


async def test_a_reader_follows_and_many_readers_see_the_same(place):
    async with place.opened(segment_bytes=2000) as journal:
        await journal.append(rows(1, 10))
        readers = [
            asyncio.ensure_future(first_rows(journal, after, 90 - after)) for after in (0, 5, 9)
        ]
        for n in range(11, 91):
            await journal.append(rows(n, n))
        assert await readers[0] == rows(1, 90)
        assert await readers[1] == rows(6, 90)
        assert await readers[2] == rows(10, 90)


async def test_a_slow_reader_that_fell_out_of_memory_reads_what_was_kept(place):
    async with place.opened(tail_bytes=3000, segment_bytes=5000) as journal:
        reader = journal.read(0)
        await journal.append(rows(1, 1))
        read = (await anext(reader)).records
        for n in range(2, 500):
            await journal.append(rows(n, n))
        while len(read) < 499:
            read += (await anext(reader)).records
        assert read == rows(1, 499)
        await reader.aclose()


@pytest.mark.parametrize("tail_bytes", [0, 1 << 28])
async def test_a_read_is_bounded(place, tail_bytes):
    many = [Frame("t", b"", n) for n in range(120_000)]
    large = [Frame("t", bytes(1_000_000), n) for n in range(9)]
    huge = [Frame("t", bytes(9_000_000), 1)]
    async with place.opened(tail_bytes=tail_bytes) as journal:
        for written in (many, large, huge, many):
            await journal.append(written)
        read = []
        async for run in journal.read(0):
            payload = sum(len(record.payload) for record in run.records)
            assert len(run.records) <= codec.ROWS_MAX
            assert payload <= codec.BYTES_MAX or len(run.records) == 1
            read += run.records
            if len(read) == journal.last_seq:
                break
        assert read == many + large + huge + many


async def test_readers_end_when_the_journal_closes(place):
    journal = await place.open()
    await journal.append(rows(1, 3))

    async def follow():
        return [run async for run in journal.read(0)]

    reader = asyncio.ensure_future(follow())
    await first_rows(journal, 0, 3)
    await asyncio.sleep(0)
    await journal.close()
    assert await reader == [Rows(1, rows(1, 3))]
    with pytest.raises(JournalError, match="closed"):
        await journal.append(rows(4, 4))
    await journal.close()


async def test_a_reader_ahead_of_the_journal_is_told_that_it_is_another_one(place):
    async with place.opened() as journal:
        await journal.append(rows(1, 3))
        with pytest.raises(JournalError, match="ends at 3"):
            await anext(journal.read(4))
        with pytest.raises(JournalError, match="ends at 3"):
            list(journal.read_span(0, 4))


async def test_a_second_opener_is_refused_until_the_first_lets_go(place):
    async with place.opened():
        with pytest.raises(JournalError, match="another process") as refused:
            await place.open()
        assert refused.value.permanent
        command = [sys.executable, "-c", OPENER, place.name, json.dumps(place.given, default=str)]
        other = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        assert await other.wait() == 7
    async with place.opened():
        pass


async def test_cursors_survive_a_reopening(place):
    async with place.opened() as journal:
        assert journal.cursor("alarms") is None
        await journal.append(rows(1, 9))
        journal.advance("alarms", 4)
        journal.advance("archive", 2)
        journal.advance("old", 1)
        journal.forget("old")
    async with place.opened() as journal:
        assert journal.stats().cursors == {"alarms": 4, "archive": 2}


class Clock:
    now_ns = 1_700_000_000_000_000_000

    def __call__(self):
        return self.now_ns


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 9)),
            st.tuples(st.sampled_from(["alarms", "archive"]), st.floats(0, 1)),
        ),
        max_size=25,
    ),
    st.integers(0, 2000),
)
def test_retention_never_drops_what_a_consumer_needs(kind, plan, retain_bytes):
    async def run(place):
        async with place.opened(
            segment_bytes=300, retain_bytes=retain_bytes, retain_each_s=0.0, tail_bytes=0
        ) as journal:
            last, floors = 0, {"alarms": 0, "archive": 0}
            for consumer in floors:
                journal.advance(consumer, 0)
            for step, amount in plan:
                if step == "append":
                    await journal.append(rows(last + 1, last + amount))
                    last += amount
                else:
                    floors[step] = max(floors[step], int(amount * last))
                    journal.advance(step, floors[step])
                needed = min(floors.values())
                assert journal.first_seq <= needed + 1
                assert all_rows(journal, needed) == rows(needed + 1, last)
                first = journal.first_seq
                if first > 1:
                    with pytest.raises(JournalRetired, match=f"begins at {first}"):
                        await anext(journal.read(first - 2))

    asyncio.run(run(Place(kind)))


async def test_retention_by_bytes_lets_go_of_what_is_old(place):
    async with place.opened(segment_bytes=1000, retain_bytes=5000) as journal:
        for n in range(1, 400):
            await journal.append(rows(n, n))
        assert journal.first_seq == 1  # nobody has registered yet
        journal.advance("alarms", 399)
        for n in range(400, 500):
            await journal.append(rows(n, n))
            journal.advance("alarms", n)
        assert 300 < journal.first_seq < 500
        assert journal.stats().bytes <= 5000 + 1000 + 200
        assert all_rows(journal, journal.first_seq - 1) == rows(journal.first_seq, 499)


async def test_retention_by_age_keeps_what_is_young(place):
    clock = Clock()
    clock.now_ns = Clock.now_ns
    async with place.opened(segment_bytes=200, retain_age_s=3600, clock=clock) as journal:
        await journal.append(rows(1, 20))
        await journal.append(rows(21, 40))
        journal.advance("alarms", 40)
        clock.now_ns += 3_000 * 10**9
        await journal.append(rows(41, 60))
        assert journal.first_seq == 1
        assert journal.stats().oldest_age_s == 3000
        clock.now_ns += 3_000 * 10**9
        await journal.append(rows(61, 80))
        assert journal.first_seq == 21  # rows 21 to 40 lasted until 3,000 s ago
    async with place.opened() as journal:
        assert all_rows(journal, 20) == rows(21, 80)


WRITER = """
import asyncio, random, sys
from domain.journal import Frame
from tests.storage.journal.test_every_journal import open_given

async def main(name, given, seed):
    dice = random.Random(seed)
    journal = await open_given(name, given, segment_bytes=200_000)
    async def appender(name):
        for n in range(10**9):
            last = await journal.append([Frame(name, b"%d" % n, 1)] * dice.randint(1, 40))
            print(name, n, last, flush=True)
    await asyncio.gather(*(appender(f"a{i}") for i in range(8)))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def killed_under_load(place, seed):
    """Return what a writer had said it had appended when it was killed."""
    given = json.dumps(place.given, default=str)
    command = [sys.executable, "-c", WRITER, place.name, given, str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        said = [process.stdout.readline() for _ in range(100 + 150 * seed)]
        process.kill()
        said += process.stdout.readlines()
    return [line.split() for line in said if line[0] == "a" and line.endswith("\n")]


async def opened_once_the_writer_is_gone(place):
    """The server frees the lead of a process that was killed when it sees the closed socket."""
    deadline_s = time.monotonic() + 10
    while True:
        try:
            return await place.open()
        except JournalError:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", range(3))
async def test_a_kill_loses_nothing_that_was_appended(place, seed):
    said = await asyncio.to_thread(killed_under_load, place, seed)
    journal = await opened_once_the_writer_is_gone(place)
    written = all_rows(journal)
    for name, n, last in said:
        record = written[int(last) - 1]
        assert (record.topic, record.payload) == (name, n.encode())
    for name in {record.topic for record in written}:
        numbers = [int(record.payload) for record in written if record.topic == name]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(numbers[-1] + 1))
    last = journal.last_seq
    assert await journal.append(rows(1, 3)) == last + 3
    await journal.close()
