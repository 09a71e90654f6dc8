"""The durable journal: what everything that comes goes through first."""

from storage.journal.disk import Disk
from storage.journal.errors import JournalDamaged, JournalError, JournalRetired
from storage.journal.segment_journal import Journal, JournalStats, SegmentJournal

__all__ = [
    "Disk",
    "Journal",
    "JournalDamaged",
    "JournalError",
    "JournalRetired",
    "JournalStats",
    "SegmentJournal",
]
