"""The command line with small files: ``python -m tests.service.small_service serve``.

Slices of the archive are sealed and segments of the journal are retired every few seconds, which
a load of tests does not bring about otherwise.
"""

from functools import partial

from service.__main__ import main
from storage.archive.duck import DuckArchive
from storage.journal import SegmentJournal

if __name__ == "__main__":
    DuckArchive.open = partial(DuckArchive.open, slice_rows=10_000)
    SegmentJournal.open = partial(SegmentJournal.open, segment_bytes=50_000, tail_bytes=20_000)
    main()
