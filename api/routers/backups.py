"""Backups: begun here, made by the service beside its work."""

from typing import Literal

from fastapi import APIRouter

from api.auth import Administrator
from api.backup_ports import Backups, BackupStatus
from api.backup_schemas import BackupIn, BackupOut
from api.context import Here
from api.errors import ApiError
from api.present import time_text
from api.schemas import Listed

router = APIRouter(tags=["backups"])


def backup_out(status: BackupStatus) -> BackupOut:
    """Return a backup as a document."""
    state: Literal["running", "done", "failed"] = "failed" if status.problem else "done"
    if status.ended_ns == 0:
        state = "running"
    return BackupOut(
        folder=status.folder,
        state=state,
        step=status.step,
        author=status.author,
        started_at=time_text(status.started_ns),
        ended_at=time_text(status.ended_ns) if status.ended_ns else None,
        files=status.files,
        bytes=status.bytes,
        last_row=status.last_row,
        pause_s=status.pause_s,
        problem=status.problem,
    )


def _backups(here: Here) -> Backups:
    if here.ports.backups is None:
        raise ApiError(501, "This service makes no backups.", "Ask its administrator.")
    return here.ports.backups


@router.post("/backups", summary="Begin a backup", status_code=202)
async def start_backup(here: Here, key: Administrator, body: BackupIn) -> BackupOut:
    """Return the backup that was begun; GET the list to see how it goes."""
    begun = await _backups(here).start(body.folder, key.name)
    await here.ports.audit.record(key.name, "begin backup", body.folder)
    return backup_out(begun)


@router.get("/backups", summary="List the backups made since the service started")
async def list_backups(here: Here, _key: Administrator) -> Listed[BackupOut]:
    """Return them, the newest first."""
    return Listed(items=[backup_out(one) for one in await _backups(here).backups()], next=None)
