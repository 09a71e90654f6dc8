"""A backup of everything that is kept, made while the service runs.

Each part is copied as of a moment of its own, in the order that lets a start put them together:
snapshots first, then archive and state, the journal last. So the journal has every row that the others
know of, and what they do not know yet is made again from it, as after any kill. Meanwhile the journal
keeps its rows for the consumer ``backup``.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
import xxhash
from sqlalchemy.engine import make_url

from domain.time import NS_PER_S
from service.manifest import BackupError, FileEntry, Manifest, chunks, write_manifest
from service.opening import Stores
from service.settings import Settings
from storage.alarms import AlarmStore
from storage.archive.duck import DuckArchive
from storage.catalogue.revisions import CatalogueStore
from storage.copying import dump_postgresql, pg_dump_path
from storage.journal import SegmentJournal
from storage.sqlite import copy_sqlite

CONSUMER = "backup"
PART_SUFFIX = ".part"
INFLUX_REMARK = (
    "The archive is on an InfluxDB server and not in here: back it up with its own tools "
    "(influxd backup -portable, or influx backup). A restored service asks it for its readings as before."
)
POSTGRES_REMARK = (
    "The state is a pg_dump of a PostgreSQL database: restore it into an empty one with "
    "pg_restore --no-owner --exit-on-error --single-transaction --dbname=URL state.pgdump"
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """How far a backup has come; ``problem`` says why it failed."""

    folder: str
    author: str
    started_ns: int
    step: str = "begins"
    files: int = 0
    bytes: int = 0
    pause_s: float = 0.0
    ended_ns: int = 0
    last_row: int = 0
    problem: str = ""


class _Copier:
    """Copies files into the backup, and keeps their sums. It blocks."""

    def __init__(self, target: Path, progress: Progress) -> None:
        self.target = target
        self.progress = progress
        self.entries: list[FileEntry] = []

    def copy(self, source: Path, place: str, size: int | None = None) -> None:
        """Copy a file, or its first ``size`` bytes."""
        path = self._path(place)
        with path.open("wb") as file:
            digest = xxhash.xxh3_128()
            for chunk in chunks(source, size):
                file.write(chunk)
                digest.update(chunk)
                self.progress.bytes += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        if size is not None and path.stat().st_size != size:
            raise BackupError(f"{source} is shorter than {size} bytes: is the disk failing?")
        self._enter(place, path, digest.hexdigest())

    def link(self, source: Path, place: str) -> None:
        """Link a file that never changes, or copy it where it lies on another filesystem."""
        path = self._path(place)
        try:
            os.link(source, path)
        except FileNotFoundError:
            raise
        except OSError:
            self.copy(source, place)
        else:
            self.take(place)

    def take(self, place: str) -> None:
        """Take in a file that somebody else wrote there."""
        digest, path = xxhash.xxh3_128(), self.target / place
        for chunk in chunks(path):
            digest.update(chunk)
            self.progress.bytes += len(chunk)
        self._enter(place, path, digest.hexdigest())

    def _path(self, place: str) -> Path:
        path = self.target / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _enter(self, place: str, path: Path, digest: str) -> None:
        self.entries.append(FileEntry(place, path.stat().st_size, digest))
        self.progress.files += 1


class BackupMaker:
    """Makes one backup at a time of open stores."""

    def __init__(self, settings: Settings, stores: Stores, now_ns: Callable[[], int]) -> None:
        self._settings = settings
        self._stores = stores
        self._now_ns = now_ns
        stores.journal.forget(CONSUMER)  # of a backup that a kill broke off

    async def make(self, folder: Path, version: str, progress: Progress) -> Manifest:
        """Make a backup in ``folder``; raises ``BackupError``, and then leaves nothing behind."""
        part = await asyncio.to_thread(self._begin, folder)
        journal = self._stores.journal
        journal.advance(CONSUMER, journal.first_seq - 1)
        try:
            manifest = await self._fill(part, version, progress)
            await asyncio.to_thread(self._finish, part, folder, manifest)
        except BaseException as error:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, part, ignore_errors=True))
            if isinstance(error, OSError):
                raise BackupError(f"{error.filename or folder}: {error.strerror}") from error
            raise
        finally:
            journal.forget(CONSUMER)
        return manifest

    def _begin(self, folder: Path) -> Path:
        """Return the folder to fill, beside the one that it becomes."""
        if not folder.is_absolute():
            raise BackupError(f"{folder}: give the whole path, from / on")
        data = self._settings.data_dir.resolve()
        if folder.resolve().is_relative_to(data):
            raise BackupError(f"{folder} lies within {data}: choose a folder elsewhere")
        try:
            if folder.exists() and any(folder.iterdir()):
                raise BackupError(f"{folder} is not empty: choose a new folder")
            folder.parent.mkdir(parents=True, exist_ok=True)
            part = folder.with_name(folder.name + PART_SUFFIX)
            shutil.rmtree(part, ignore_errors=True)  # left behind by a kill
            part.mkdir(mode=0o700)
        except OSError as error:
            raise BackupError(f"{error.filename or folder}: {error.strerror}") from None
        try:
            self._check_room(part)
        except BackupError:
            part.rmdir()
            raise
        return part

    def _check_room(self, part: Path) -> None:
        """Refuse what would bring the disk below its floor: the archive would have to give way."""
        device = part.stat().st_dev
        needed = 0
        for use, folder in self._settings.folders().items():
            for path in folder.rglob("*") if use != "state" else folder.glob("state.db*"):
                linked = path.suffix in (".parquet", ".seg", ".snapshot")
                with suppress(FileNotFoundError):
                    status = path.stat()
                    needed += 0 if linked and status.st_dev == device else status.st_size
        usage = shutil.disk_usage(part)
        floor = self._settings.disk_free_bytes_min or 0
        if usage.free < needed + floor:
            raise BackupError(
                f"there is no room at {part.parent}: {usage.free} bytes are free, and up to {needed} "
                f"are needed beside the floor of {floor}"
            )

    async def _fill(self, part: Path, version: str, progress: Progress) -> Manifest:
        stores, copier = self._stores, _Copier(part, progress)
        store = AlarmStore(stores.state)
        remarks: list[str] = []
        progress.step = "snapshots"
        await asyncio.to_thread(self._snapshots, copier)
        progress.step = "archive"
        archive, archived_row = await asyncio.to_thread(self._archive, copier, remarks)
        progress.step = "state"
        committed_row, revision = (
            await store.cursor(),
            await CatalogueStore(stores.state).latest_revision(),
        )
        state = await asyncio.to_thread(self._state, copier, remarks)
        progress.step = "journal"
        first_row, last_row = await asyncio.to_thread(self._journal, copier)
        progress.last_row = last_row
        return Manifest(
            version=version,
            made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._now_ns() // NS_PER_S)),
            first_row=first_row,
            last_row=last_row,
            committed_row=committed_row,
            archived_row=archived_row,
            revision=revision,
            state=state,
            archive=archive,
            journal="segments" if isinstance(stores.journal, SegmentJournal) else "postgresql",
            pause_s=progress.pause_s,
            remarks=remarks,
            files=copier.entries,
        )

    def _snapshots(self, copier: _Copier) -> None:
        folder = self._settings.data_dir / "snapshots"
        for path in sorted(folder.glob("*.snapshot"), reverse=True):
            with suppress(FileNotFoundError):  # an old one, retired meanwhile
                copier.link(path, f"snapshots/{path.name}")

    def _archive(self, copier: _Copier, remarks: list[str]) -> tuple[str, int]:
        archive = self._stores.archive
        if not isinstance(archive, DuckArchive):
            remarks.append(INFLUX_REMARK)
            return "influxdb", archive.cursor
        target = copier.target / "archive"
        target.mkdir()
        with archive.held(target) as held:
            copier.progress.pause_s = held.pause_s
            for name in held.copied:
                copier.take(f"archive/{name}")
            for path in held.sealed:
                copier.link(path, f"archive/sealed/{path.name}")
        (target / "sealed").mkdir(exist_ok=True)
        return "duckdb", held.cursor

    def _state(self, copier: _Copier, remarks: list[str]) -> str:
        location = self._settings.state_location()
        url = make_url(location)
        if url.get_backend_name() == "sqlite":
            copy_sqlite(Path(str(url.database)), copier.target / "state.db")
            copier.take("state.db")
            return "sqlite"
        program = pg_dump_path()
        if program is None:
            raise BackupError(
                "pg_dump is not on the path: install the PostgreSQL client of the server's version "
                "(or newer) beside Lifeline"
            )
        problem = dump_postgresql(program, url, copier.target / "state.pgdump")
        if problem:
            raise BackupError(f"pg_dump failed: {problem}")
        copier.take("state.pgdump")
        remarks.append(POSTGRES_REMARK)
        return "postgresql"

    def _journal(self, copier: _Copier) -> tuple[int, int]:
        journal = self._stores.journal
        if not isinstance(journal, SegmentJournal):
            return journal.first_seq, journal.last_seq  # it is in the state's database
        files, last_row = journal.files()
        for path, _ in files[:-1]:
            copier.link(path, f"journal/{path.name}")
        for path, size in files[-1:]:
            copier.copy(path, f"journal/{path.name}", size)
        (copier.target / "journal").mkdir(exist_ok=True)
        return (int(files[0][0].stem) if files else last_row + 1), last_row

    def _finish(self, part: Path, folder: Path, manifest: Manifest) -> None:
        """Make all of it durable, and give it its name."""
        write_manifest(part, manifest)
        for path in [part, *(path for path in part.rglob("*") if path.is_dir())]:
            _sync(path)
        part.replace(folder)  # over an empty folder, too
        _sync(folder.parent)
        log.info("backup made", folder=str(folder), bytes=manifest.bytes, row=manifest.last_row)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
