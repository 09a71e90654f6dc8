"""The archive's housekeeping: its own, and what the catalogue says of how long readings are kept."""

from collections.abc import Callable, Mapping
from typing import Protocol

from domain.catalogue import Catalogue, Retention
from domain.time import NS_PER_S

EXPIRE_INTERVAL_NS = 60 * NS_PER_S


class Archive(Protocol):
    """What is needed of an archive here."""

    def maintain(self) -> bool:
        """Do a bounded step of housekeeping; return whether there is more to do."""
        ...

    def keep(self, rules: Mapping[str, Retention]) -> None:
        """Take how long each channel is kept."""
        ...

    def expire(self, now_ns: int) -> bool:
        """Do a bounded step of what the rules ask for; return whether it did one."""
        ...


class Housekeeping:
    """One step at a time, in the archive's thread.

    ``catalogue`` returns the active revision; the archive is given its rules when that has changed.
    """

    def __init__(
        self, archive: Archive, catalogue: Callable[[], Catalogue], now_ns: Callable[[], int]
    ) -> None:
        self._archive = archive
        self._catalogue = catalogue
        self._now_ns = now_ns
        self._rules_of: int | None = None
        self._looked_ns = 0

    def step(self) -> bool:
        """Do one step; return whether there is more to do."""
        if self._archive.maintain():
            return True
        now_ns = self._now_ns()
        if not self._give_rules() and 0 <= now_ns - self._looked_ns < EXPIRE_INTERVAL_NS:
            return False
        more = self._archive.expire(now_ns)
        if not more:
            self._looked_ns = now_ns
        return more

    def _give_rules(self) -> bool:
        catalogue = self._catalogue()
        if catalogue.revision == self._rules_of:
            return False
        self._archive.keep(retention_of(catalogue))
        self._rules_of = catalogue.revision
        return True


def retention_of(catalogue: Catalogue) -> dict[str, Retention]:
    """Return how long each channel is kept, by id."""
    return {channel.id: channel.retention for channel in catalogue.channels}
