"""What the interface needs of backups."""

# ruff: noqa: D102  protocols of plain data say what their fields mean in one place

from collections.abc import Sequence
from typing import Protocol


class BackupStatus(Protocol):
    """How far a backup has come; ``problem`` says why it failed, ``ended_ns`` is 0 before its end."""

    @property
    def folder(self) -> str: ...
    @property
    def author(self) -> str: ...
    @property
    def started_ns(self) -> int: ...
    @property
    def ended_ns(self) -> int: ...
    @property
    def step(self) -> str: ...
    @property
    def files(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def last_row(self) -> int: ...
    @property
    def pause_s(self) -> float: ...
    @property
    def problem(self) -> str: ...


class Backups(Protocol):
    """Backups made by the running service, one at a time."""

    async def start(self, folder: str, author: str) -> BackupStatus:
        """Begin one; raises ``Refused``, with 409 where one is being made."""

    async def backups(self) -> Sequence[BackupStatus]:
        """Return those of this process, the newest first."""
