"""Backups as documents."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Document, TimeText


class BackupIn(BaseModel):
    """Where a backup is to be made."""

    model_config = ConfigDict(extra="forbid")

    folder: str = Field(
        min_length=1,
        max_length=1024,
        description="A new or empty folder on the service's own machine, from / on.",
    )


class BackupOut(Document):
    """A backup, and how far it has come."""

    folder: str
    state: Literal["running", "done", "failed"]
    step: str = Field(description="What is being copied.")
    author: str
    started_at: TimeText
    ended_at: TimeText | None
    files: int
    bytes: int
    last_row: int = Field(description="The last journal row in it.")
    pause_s: float = Field(description="How long the archive's writes waited.")
    problem: str = Field(description="Why it failed; empty where it did not.")
