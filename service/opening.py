"""The durable parts, opened as the settings name them."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from service.settings import Settings
from service.snapshots import SnapshotFolder
from storage.archive import Archive
from storage.archive.duck import DuckArchive
from storage.journal import Journal, SegmentJournal
from storage.state import StateEngine


class StartError(Exception):
    """The service cannot start as it is told to; the message says what to change."""


@dataclass(slots=True)
class Stores:
    """What is kept, opened."""

    journal: Journal
    state: StateEngine
    archive: Archive
    snapshots: SnapshotFolder


async def open_stores(settings: Settings, stack: AsyncExitStack) -> Stores:
    """Open the durable parts; each is closed when the stack ends, the last opened first."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"data_dir {settings.data_dir}: {error.strerror}") from None
    journal = await _open_journal(settings)
    stack.push_async_callback(journal.close)
    state = await StateEngine.open(settings.state_location())
    stack.push_async_callback(state.close)
    archive = _open_archive(settings)
    stack.callback(archive.close)
    return Stores(journal, state, archive, SnapshotFolder(settings.data_dir / "snapshots"))


async def _open_journal(settings: Settings) -> Journal:
    return await SegmentJournal.open(
        settings.journal_folder(),
        retain_bytes=settings.journal_bytes_max,
        retain_age_s=settings.journal_age_s_max,
    )


def _open_archive(settings: Settings) -> Archive:
    return DuckArchive.open(settings.archive_folder())
