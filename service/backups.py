"""Backups asked for through the interface: one at a time, beside everything else."""

import asyncio
import time
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.ports import Refused
from service.backup import BackupMaker, Progress
from service.disk import Audit
from service.manifest import BackupError
from storage.archive import ArchiveError

KEPT_MAX = 20

log = structlog.get_logger(__name__)


class Backups:
    """Begins backups and remembers how they went."""

    def __init__(self, maker: BackupMaker, audit: Audit, version: str) -> None:
        self._maker = maker
        self._audit = audit
        self._version = version
        self._made: list[Progress] = []
        self._task: asyncio.Task[None] | None = None

    async def backups(self) -> list[Progress]:
        """Return the backups of this process, the newest first."""
        return self._made[::-1]

    async def start(self, folder: str, author: str) -> Progress:
        """Begin a backup; raises ``Refused`` where one is being made."""
        if self._task is not None and not self._task.done():
            raise Refused(409, "A backup is being made.", "Wait for its end: GET the list.")
        progress = Progress(folder, author, time.time_ns())
        self._made = [*self._made, progress][-KEPT_MAX:]
        self._task = asyncio.create_task(self._make(progress), name="backup")
        return progress

    async def _make(self, progress: Progress) -> None:
        try:
            await self._maker.make(Path(progress.folder), self._version, progress)
            progress.step = "done"
        except (BackupError, ArchiveError, SQLAlchemyError, OSError) as error:
            progress.problem = str(error)
            log.error("backup failed", folder=progress.folder, problem=progress.problem)
        except BaseException as error:
            progress.problem = f"it was broken off: {error!r}"
            raise
        finally:
            progress.ended_ns = time.time_ns()
        outcome = progress.problem or f"{progress.files} files, to row {progress.last_row}"
        await self._audit.record_audit(
            progress.author, "backup", progress.folder, progress.ended_ns, outcome
        )

    async def close(self) -> None:
        """Break off a backup that is being made; nothing of it stays."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
