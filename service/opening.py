"""The durable parts, opened as the settings name them."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from service.settings import Settings
from service.snapshots import SnapshotFolder
from storage.archive import Archive, ArchiveError
from storage.archive.duck import DuckArchive
from storage.installation import installation_name
from storage.journal import Journal, SegmentJournal
from storage.state import StateEngine

log = structlog.get_logger(__name__)


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
    archive = await _open_archive(settings, state)
    stack.callback(archive.close)
    return Stores(journal, state, archive, SnapshotFolder(settings.data_dir / "snapshots"))


async def _open_journal(settings: Settings) -> Journal:
    return await SegmentJournal.open(
        settings.journal_folder(),
        retain_bytes=settings.journal_bytes_max,
        retain_age_s=settings.journal_age_s_max,
    )


async def _open_archive(settings: Settings, state: StateEngine) -> Archive:
    url = settings.archive_server()
    if url is None:
        return DuckArchive.open(settings.archive_folder())
    from storage.archive.influx import InfluxArchive  # noqa: PLC0415  not everybody needs it

    archive = InfluxArchive.open(url, await installation_name(state), connect=False)
    try:
        await asyncio.to_thread(archive.connect)
    except ArchiveError as error:
        # Alarms do not wait for an archive: what it misses meanwhile it gets from the journal.
        log.error("the archive cannot be reached yet", error=str(error))
    return archive
