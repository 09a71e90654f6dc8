"""The command line with small files: ``python -m tests.service.small_service serve``.

Slices of the archive are sealed and segments of the journal retired every few seconds, and frames
stand in the journal for a moment before they are settled: what a load of tests does not bring
about otherwise, and a kill is to find.
"""

import asyncio
from functools import partial

from ingest.source import Source
from service.__main__ import main
from storage.archive.duck import DuckArchive
from storage.journal import SegmentJournal

SETTLE_DELAY_S = 0.05


async def settle_slowly(source, gathered, settle=Source.settle):
    await asyncio.sleep(SETTLE_DELAY_S)
    await settle(source, gathered)


if __name__ == "__main__":
    DuckArchive.open = partial(DuckArchive.open, slice_rows=10_000)
    SegmentJournal.open = partial(SegmentJournal.open, segment_bytes=50_000, tail_bytes=20_000)
    Source.settle = settle_slowly
    main()
