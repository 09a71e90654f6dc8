"""The durable journal: what everything that comes goes through first."""

from importlib import import_module
from typing import Any

from storage.journal.disk import Disk
from storage.journal.errors import JournalDamaged, JournalError, JournalRetired
from storage.journal.segment_journal import Journal, JournalStats, SegmentJournal

JOURNALS = {
    "segments": "storage.journal.segment_journal:SegmentJournal",
    "postgresql": "storage.journal.postgres_journal:PostgresJournal",
}
"""Where each journal is. Its class has ``open``, with the same bounds, and the place before them."""


def journal_class(name: str) -> Any:
    """Return a journal's class."""
    module, _, found = JOURNALS[name].partition(":")
    return getattr(import_module(module), found)


__all__ = [
    "JOURNALS",
    "Disk",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalRetired",
    "JournalStats",
    "SegmentJournal",
    "journal_class",
]
