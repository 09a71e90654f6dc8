"""What only the journal in segment files does; test_every_journal.py has the rest."""

import asyncio
import shutil
from contextlib import asynccontextmanager

from storage.journal import SegmentJournal
from tests.storage.journal.test_every_journal import all_rows, first_rows, frame, rows


@asynccontextmanager
async def opened(folder, **options):
    journal = await SegmentJournal.open(folder, **options)
    try:
        yield journal
    finally:
        await journal.close()


async def test_concurrent_appends_share_syncs(tmp_path, disk):
    async with opened(tmp_path, disk=disk) as journal:
        await asyncio.gather(*(journal.append([frame(n)] * 3) for n in range(200)))
        assert disk.syncs < 100


async def test_a_reader_at_the_head_never_reads_a_file(tmp_path, monkeypatch):
    async with opened(tmp_path) as journal:
        monkeypatch.setattr(journal._segments, "read", None)
        await journal.append(rows(1, 10))
        assert await first_rows(journal, 0, 10) == rows(1, 10)
        following = asyncio.ensure_future(first_rows(journal, 10, 5))
        await journal.append(rows(11, 15))
        assert await following == rows(11, 15)


async def test_a_file_of_cursors_that_is_damaged_keeps_every_row(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.append(rows(1, 9))
        journal.advance("alarms", 4)
    (tmp_path / "cursors.json").write_bytes(b"{")
    async with opened(tmp_path) as journal:
        assert journal.cursor("alarms") is None


async def test_retention_unlinks_whole_old_files(tmp_path):
    async with opened(tmp_path, segment_bytes=1000, retain_bytes=5000) as journal:
        journal.advance("alarms", 0)
        for n in range(1, 100):
            await journal.append(rows(n, n))
            journal.advance("alarms", n)
        assert journal.first_seq > 1
        assert len(list(tmp_path.glob("*.seg"))) == journal.stats().segments


async def test_a_folder_can_be_copied_and_read_elsewhere(tmp_path):
    async with opened(tmp_path / "a") as journal:
        await journal.append(rows(1, 30))
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        async with opened(tmp_path / "b") as copy:
            assert all_rows(copy) == rows(1, 30)
