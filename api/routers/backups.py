"""Backups: begun here, made by the service beside its work."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from api.auth import Writer
from api.context import Here
from api.errors import ApiError
from api.ports import Backups, BackupStatus, Key
from api.present import time_text
from api.schemas import BackupIn, BackupOut, Listed

router = APIRouter(tags=["backups"])


async def administrator(key: Writer) -> Key:
    """Return the caller's key, which must be an admin's."""
    if key.role != "admin":
        raise ApiError(403, f"The role {key.role!r} may not do this.", "Use the key of an admin.")
    return key


Administrator = Annotated[Key, Depends(administrator)]


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
    return backup_out(await _backups(here).start(body.folder, key.name))


@router.get("/backups", summary="List the backups made since the service started")
async def list_backups(here: Here, _key: Administrator) -> Listed[BackupOut]:
    """Return them, the newest first."""
    return Listed(items=[backup_out(one) for one in _backups(here).backups()], next=None)
