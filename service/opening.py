"""The durable parts, opened as the settings name them."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from service.settings import Settings
from service.snapshot_table import SnapshotTable
from service.snapshots import SnapshotFolder, Snapshots
from storage.archive import Archive, ArchiveError
from storage.archive.duck import DuckArchive
from storage.installation import installation_name
from storage.journal import Journal, SegmentJournal
from storage.journal.postgres_journal import PostgresJournal
from storage.leadership import Leadership
from storage.postgres import LoopThread
from storage.state import StateEngine

CONNECT_PATIENCE_S = 2.0
START_PATIENCE_S = 60.0  # with a database server that is still starting, too
log = structlog.get_logger(__name__)


class StartError(Exception):
    """The service cannot start as it is told to; the message says what to change."""


@dataclass(slots=True)
class Shared:
    """What two instances share, and who of them leads: only where the journal is in PostgreSQL."""

    leadership: Leadership
    journal: PostgresJournal


@dataclass(slots=True)
class Stores:
    """What is kept, opened."""

    journal: Journal
    state: StateEngine
    archive: Archive
    snapshots: Snapshots
    shared: Shared | None = None


async def open_stores(settings: Settings, stack: AsyncExitStack) -> Stores:
    """Open the durable parts; each is closed when the stack ends, the last opened first."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"data_dir {settings.data_dir}: {error.strerror}") from None
    if settings.journal_url is not None:
        return await _open_shared(settings, stack)
    journal = await _open_journal(settings)
    stack.push_async_callback(journal.close)
    state = await _open_state(settings, stack)
    archive = await _open_archive(settings, state)
    if settings.archive_is_shared:
        await connect_archive(archive)
    stack.callback(archive.close)
    return Stores(journal, state, archive, SnapshotFolder(settings.data_dir / "snapshots"))


async def _open_shared(settings: Settings, stack: AsyncExitStack) -> Stores:
    """Open what is in PostgreSQL; nothing is written there before this instance leads."""
    state = await _open_state(settings, stack)
    url = settings.state_location()
    thread = LoopThread("postgres")
    stack.callback(thread.close)
    leadership = Leadership(url, settings.instance_name(), thread)
    archive = await _open_archive(settings, state, lambda: leadership.is_sure)
    stack.callback(archive.close)
    stack.callback(leadership.close)  # before all else: whoever stands by has it at once
    state.fence(leadership.fence)
    journal = await PostgresJournal.open(
        url,
        leadership=leadership,
        thread=thread,
        retain_bytes=settings.journal_bytes_max,
        retain_age_s=settings.journal_age_s_max,
    )
    stack.push_async_callback(journal.close)
    return Stores(journal, state, archive, SnapshotTable(state), Shared(leadership, journal))


async def _open_journal(settings: Settings) -> Journal:
    return await SegmentJournal.open(
        settings.journal_folder(),
        retain_bytes=settings.journal_bytes_max,
        retain_age_s=settings.journal_age_s_max,
    )


async def _open_state(settings: Settings, stack: AsyncExitStack) -> StateEngine:
    state = await StateEngine.open(settings.state_location(), patience_s=START_PATIENCE_S)
    stack.push_async_callback(state.close)
    return state


async def _open_archive(
    settings: Settings, state: StateEngine, may_write: Callable[[], bool] = lambda: True
) -> Archive:
    url = settings.archive_server()
    if url is None:
        return DuckArchive.open(settings.archive_folder())
    from storage.archive.influx import InfluxArchive  # noqa: PLC0415  not everybody needs it

    name = await installation_name(state)
    return InfluxArchive.open(url, name, connect=False, may_write=may_write)


async def connect_archive(archive: Archive) -> None:
    """Reach a shared archive for its cursor; whoever stands by does so when it leads."""
    try:
        async with asyncio.timeout(CONNECT_PATIENCE_S):  # one that hangs is tried again later, too
            await asyncio.to_thread(archive.connect)
    except (ArchiveError, TimeoutError) as error:
        # Alarms do not wait for an archive: what it misses meanwhile it gets from the journal.
        why = str(error) or f"it has not answered for {CONNECT_PATIENCE_S:.0f} s"
        log.error("the archive cannot be reached yet", error=why)
