"""What the interface needs of the catalogue's revisions and of limit profiles."""

# ruff: noqa: D102  protocols of plain data say what their fields mean in one place

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.catalogue import Limit
from domain.profiles import ProfileChange


class Revision(Protocol):
    """Who saved a revision of the catalogue, when and why; ``channels`` where it is known."""

    @property
    def revision(self) -> int: ...
    @property
    def at_ns(self) -> int: ...
    @property
    def author(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def channels(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class LimitsChange:
    """A channel's limits before and after."""

    channel: str
    before: tuple[Limit, ...]
    after: tuple[Limit, ...]


@dataclass(frozen=True, slots=True)
class ClosingAlarm:
    """An open alarm that would end, and why."""

    alarm_id: str
    channel: str
    reason: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What goes from one revision to another; ``channels_changed`` names the fields by channel."""

    facilities_added: Sequence[str]
    facilities_removed: Sequence[str]
    gateways_added: Sequence[str]
    gateways_removed: Sequence[str]
    channels_added: Sequence[str]
    channels_removed: Sequence[str]
    channels_changed: Mapping[str, Sequence[str]]
    limits_changed: Sequence[LimitsChange]
    alarms_closing: Sequence[ClosingAlarm]


class DocumentFault(Protocol):
    """What is wrong with a document, where, and what would put it right."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def message(self) -> str: ...
    @property
    def remedy(self) -> str: ...


class FaultyDocuments(Exception):  # noqa: N818  a decision, not a defect
    """Documents that make no catalogue; ``faults`` are all that is wrong with them."""

    def __init__(self, faults: Sequence[DocumentFault]) -> None:
        super().__init__(faults)
        self.faults = faults


class Revisions(Protocol):
    """The catalogue's revisions; a number that is not there raises ``KeyError``."""

    async def revisions(self, before: int | None, limit: int) -> Sequence[Revision]:
        """Return revisions below ``before``, newest first."""

    async def compare(self, revision: int, against: int | None) -> Differences:
        """Return what goes from revision ``against``, or the active one, to ``revision``."""

    async def preview(self, document: bytes) -> Differences:
        """Return what a site's document would change; raises :class:`FaultyDocuments`."""

    async def submit(self, document: bytes, author: str, note: str) -> int:
        """Make a revision of a site's document; raises :class:`FaultyDocuments`."""

    async def activate_again(self, revision: int, author: str) -> int:
        """Make a new revision with the contents of an old one; return its number."""

    async def commission(self, channels: Sequence[str], *, on: bool, author: str) -> int:
        """Put channels into commissioning, or take them out; return the revision."""


class ProfileLog(Protocol):
    """The changes of limit profiles, as committed."""

    async def profile_changes(self, limit: int = 100) -> Sequence[ProfileChange]:
        """Return the newest, the newest first."""
