"""Torn tails, flipped bits, failing disks."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from domain.journal import Frame, Tick
from storage.journal import JournalDamaged, JournalError, SegmentJournal, blocks

ROOT = Path(__file__).resolve().parents[3]


def rows(first, last):
    return [
        Frame("t", n.to_bytes(8, "little"), n) if n % 5 else Tick(n, n, True)
        for n in range(first, last + 1)
    ]


@asynccontextmanager
async def opened(folder, **options):
    journal = await SegmentJournal.open(folder, **options)
    try:
        yield journal
    finally:
        await journal.close()


def all_rows(journal, after=0):
    return [record for run in journal.read_span(after, journal.last_seq) for record in run.records]


def last_file(folder):
    return max(folder.glob("*.seg"))


def copied(folder, to):
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)
    return to


async def appended(folder, lasts, **options):
    """Write a journal whose appends end at ``lasts``; return the durable sizes of its last file."""
    sizes = []
    async with opened(folder, **options) as journal:
        for last in lasts:
            await journal.append(rows(journal.last_seq + 1, last))
            sizes.append(last_file(folder).stat().st_size)
    return sizes


async def test_a_file_cut_at_any_byte_gives_its_good_rows_back_and_goes_on(tmp_path):
    lasts = [30, 33, 37, 40]
    whole = tmp_path / "whole"
    sizes = await appended(whole, lasts)
    header = blocks.SEGMENT_HEADER_BYTES
    for size in range(last_file(whole).stat().st_size):
        folder = copied(whole, tmp_path / "cut")
        os.truncate(last_file(folder), size)
        good = max((last for last, end in zip(lasts, sizes, strict=True) if end <= size), default=0)
        with capture_logs() as logs:
            journal = await SegmentJournal.open(folder)
        cut = size - max(
            (end for end in sizes if end <= size), default=header if size >= header else 0
        )
        said = [log["bytes"] for log in logs if log["event"] == "journal_tail_cut"]
        assert said == ([cut] if cut or size < header else [])
        assert journal.last_seq == good
        assert await journal.append(rows(good + 1, good + 2)) == good + 2
        await journal.close()
        async with opened(folder) as journal:
            assert all_rows(journal) == rows(1, good + 2)


async def test_a_cut_header_of_a_fresh_file_keeps_the_numbers(tmp_path):
    await appended(tmp_path, range(5, 41, 5), segment_bytes=1)
    newest = last_file(tmp_path)
    assert newest.stem.endswith("36")
    for size in (0, 20):
        os.truncate(newest, size)
        async with opened(tmp_path) as journal:
            assert journal.last_seq == 35
            assert all_rows(journal) == rows(1, 35)
    async with opened(tmp_path) as journal:
        assert await journal.append(rows(36, 36)) == 36
    async with opened(tmp_path) as journal:
        assert all_rows(journal) == rows(1, 36)


async def flipped(folder, path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << offset % 8
    path.write_bytes(data)
    try:
        async with opened(folder) as journal:
            return all_rows(journal), await journal.append(rows(99, 99))
    except JournalDamaged as damaged:
        return damaged


@pytest.mark.parametrize("which", [0, 1, -1])
async def test_any_flipped_byte_is_said(tmp_path, which):
    whole = tmp_path / "whole"
    await appended(whole, [4, 8, 12, 16, 20, 24], segment_bytes=250)
    files = sorted(whole.glob("*.seg"))
    assert len(files) > 2
    path = files[which]
    mark = path.stat().st_size - blocks.BLOCK_HEADER_BYTES if which == -1 else path.stat().st_size
    for offset in range(path.stat().st_size):
        folder = copied(whole, tmp_path / "flipped")
        with capture_logs() as logs:
            outcome = await flipped(folder, folder / path.name, offset)
        if offset >= mark:  # the mark of an orderly end holds no row
            assert outcome == (rows(1, 24), 25)
            assert "journal_tail_cut" in [log["event"] for log in logs]
        else:
            assert isinstance(outcome, JournalDamaged)
            assert outcome.file.name == path.name
            assert outcome.offset <= offset
            assert f"damaged at byte {outcome.offset}" in str(outcome)
            assert "Restore it from a copy" in str(outcome)


async def test_a_reader_may_go_on_behind_the_damage_and_appends_do(tmp_path):
    sizes = await appended(tmp_path, [10, 20, 30])
    path = last_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[sizes[0] + 60] ^= 4
    path.write_bytes(data)
    for _ in range(2):
        async with opened(tmp_path) as journal:
            last = journal.last_seq
            assert await journal.append(rows(last + 1, last + 1)) == last + 1
            assert [run.records for run in journal.read_span(0, 10)] == [rows(1, 10)]
            reader = journal.read(0)
            assert (await anext(reader)).records == rows(1, 10)
            with pytest.raises(JournalDamaged) as damaged:
                await anext(reader)
            assert (damaged.value.first_lost_seq, damaged.value.next_seq) == (11, 21)
            assert damaged.value.offset == sizes[0]
            assert "reading after row 20" in str(damaged.value)
            assert all_rows(journal, 20) == rows(21, last + 1)
            with pytest.raises(JournalDamaged):
                all_rows(journal, 15)


async def test_a_lost_file_is_said(tmp_path):
    await appended(tmp_path, range(5, 41, 5), segment_bytes=1)
    sorted(tmp_path.glob("*.seg"))[2].unlink()
    async with opened(tmp_path) as journal:
        with pytest.raises(JournalDamaged, match="rows 11 to 15 cannot be read"):
            all_rows(journal)
        assert all_rows(journal, 15) == rows(16, 40)


async def test_a_bad_mark_between_two_runs_costs_no_rows(tmp_path):
    sizes = await appended(tmp_path, [10])
    await appended(tmp_path, [20, 30])
    path = last_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[sizes[0] + 3] ^= 4
    path.write_bytes(data)
    async with opened(tmp_path) as journal:
        assert all_rows(journal) == rows(1, 30)
        assert all_rows(journal, 10) == rows(11, 30)


async def test_a_commit_that_lost_pages_in_a_power_cut_is_a_torn_tail(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.append(rows(1, 5))
        start = last_file(tmp_path).stat().st_size
        await asyncio.gather(*(journal.append(rows(n, n)) for n in range(6, 20)))
        data = bytearray(last_file(tmp_path).read_bytes())
    view, salt = memoryview(data), blocks.parse_segment_header(data).salt
    first = blocks.parse_block_header(view, start, salt)
    second = blocks.parse_block_header(view, start + first.bytes_total, salt)
    third_at = start + first.bytes_total + second.bytes_total
    assert second.commit_seq <= 7  # the second and the third are of one commit
    third = blocks.parse_block_header(view, third_at, salt)
    assert third.commit_seq == second.commit_seq
    data[start + first.bytes_total] ^= 1
    data = data[: third_at + third.bytes_total]
    last_file(tmp_path).write_bytes(data)
    async with opened(tmp_path) as journal:
        assert all_rows(journal) == rows(1, 6)


async def test_a_payload_cannot_pretend_to_be_a_block(tmp_path):
    forged = blocks.pack_block_header(b"x" * 9, 1_000_000, 1_000_000, 1, 0) + b"x" * 9
    async with opened(tmp_path) as journal:
        await journal.append([Frame("t", forged, 1)])
        await journal.append([Frame("t", forged, 2)])
        size = last_file(tmp_path).stat().st_size
    os.truncate(last_file(tmp_path), size - 1)
    async with opened(tmp_path) as journal:
        assert journal.last_seq == 1


async def test_a_file_of_a_later_version_is_refused(tmp_path):
    await appended(tmp_path, [3])
    path = last_file(tmp_path)
    data = path.read_bytes()
    body = data[:8] + b"\x09" + data[9:36]
    check = blocks.xxhash.xxh3_64_intdigest(body)
    path.write_bytes(body + check.to_bytes(8, "little") + data[44:])
    with pytest.raises(JournalError, match="version 9"):
        await SegmentJournal.open(tmp_path)


async def test_a_strange_file_is_refused_by_name(tmp_path):
    (tmp_path / "strange.seg").write_bytes(b"")
    with pytest.raises(JournalError, match=r"strange\.seg"):
        await SegmentJournal.open(tmp_path)


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("cutting", ["works", "fails"])
async def test_a_failed_append_leaves_nothing_and_the_next_one_works(tmp_path, disk, call, cutting):
    async with opened(tmp_path, disk=disk) as journal:
        await journal.append(rows(1, 5))
        disk.failing = {call: errno.EIO} | ({"truncate": errno.EIO} if cutting == "fails" else {})
        with pytest.raises(JournalError) as failed:
            await journal.append(rows(6, 9))
        assert failed.value.permanent
        assert journal.last_seq == 5
        disk.failing = {}
        assert await journal.append(rows(6, 7)) == 7
        assert all_rows(journal) == rows(1, 7)
        given_up = call == "sync" or cutting == "fails"
        assert len(list(tmp_path.glob("*.seg"))) == (2 if given_up else 1)
    async with opened(tmp_path) as journal:
        assert all_rows(journal) == rows(1, 7)
        assert await journal.append(rows(8, 8)) == 8


async def test_a_first_file_that_cannot_be_synced_is_begun_again(tmp_path, disk):
    async with opened(tmp_path, disk=disk) as journal:
        disk.failing = {"sync": errno.EIO}
        for _ in range(2):
            with pytest.raises(JournalError):
                await journal.append(rows(1, 2))
        disk.failing = {}
        assert await journal.append(rows(1, 2)) == 2
        assert all_rows(journal) == rows(1, 2)


@pytest.mark.parametrize("room", range(0, 700, 7))
async def test_a_full_disk_refuses_appends_until_there_is_room(tmp_path, disk, room):
    disk.room = room
    async with opened(tmp_path, disk=disk, segment_bytes=200) as journal:
        last = 0
        for _ in range(12):
            appended_to = asyncio.ensure_future(journal.append(rows(last + 1, last + 3)))
            await asyncio.wait([appended_to])
            failed = appended_to.exception()
            if failed is None:
                last = appended_to.result()
            else:
                assert isinstance(failed, JournalError)
                assert not failed.permanent
            assert journal.last_seq == last
            assert all_rows(journal) == rows(1, last)
        disk.room = None
        assert await journal.append(rows(last + 1, last + 3)) == last + 3
    async with opened(tmp_path) as journal:
        assert all_rows(journal) == rows(1, last + 3)


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from domain.journal import Frame
from storage.journal import JournalError, SegmentJournal

async def main(folder):
    journal = await SegmentJournal.open(Path(folder))
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    last = failures = 0
    for _ in range(100):
        try:
            last = await journal.append([Frame("t", bytes(700), last)])
        except JournalError:
            failures += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    last = await journal.append([Frame("t", bytes(700), last)])
    await journal.close()
    print(last, failures)

asyncio.run(main(sys.argv[1]))
"""


def test_a_real_limit_on_file_size_is_survived(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    last, failures = map(int, said.splitlines()[-1].split())
    assert failures > 0
    assert last + failures == 101

    async def read():
        async with opened(tmp_path) as journal:
            return [record.received_ns for record in all_rows(journal)]

    assert asyncio.run(read()) == list(range(last))
