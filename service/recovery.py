"""Restart: a snapshot, the rows since, and nothing said twice.

The last snapshot at or before what every consumer has taken is restored, and the rows up to the
committed cursor run again with their transitions let go: they are in the database already. What the
archive has not taken yet is offered to it on the way.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

import structlog

from domain.accounting import Accounts, of_parts
from domain.catalogue import Catalogue
from domain.journal import Rows
from service.evaluator import Evaluator
from service.pipeline import Sink
from service.snapshot_versions import NewerSnapshotError
from service.snapshots import Snapshots
from service.threads import patient_threads

SNAPSHOT_CONSUMER = "evaluator"

log = structlog.get_logger(__name__)


class RecoveryError(Exception):
    """The state cannot be made again from what is there; the message says what to do."""


class Journal(Protocol):
    """What recovery needs of the journal."""

    @property
    def first_seq(self) -> int:
        """The number of the oldest row kept."""
        ...

    def read_span(self, after_seq: int, last_seq: int) -> Iterator[Rows]:
        """Return the rows after ``after_seq`` up to ``last_seq``."""
        ...

    def advance(self, consumer: str, seq: int) -> None:
        """Say that a consumer needs no row up to ``seq``."""
        ...


def restore(
    snapshots: Snapshots,
    load_catalogue: Callable[[int], Catalogue],
    seq_max: int,
    first_seq: int,
) -> Evaluator:
    """Return an evaluator that stands at or before row ``seq_max``.

    Without a snapshot it begins before the first row; raises ``RecoveryError`` where that row is
    no longer kept, and where a later version of the program wrote the snapshot.
    """
    for snapshot in snapshots.newest(seq_max):
        evaluator = Evaluator(load_catalogue)
        try:
            evaluator.restore(snapshot)
        except NewerSnapshotError as error:
            raise RecoveryError(str(error)) from None
        except (ValueError, KeyError, TypeError) as error:
            log.error("snapshot unusable, taking the one before", error=str(error))
            continue
        return evaluator
    if first_seq > 1:
        raise RecoveryError(
            f"no usable snapshot at or before row {seq_max}, and the journal begins with row "
            f"{first_seq}; restore a backup of the data directory, snapshots and journal together"
        )
    return Evaluator(load_catalogue)


def archive_begin(cursor: int, snapshots: Snapshots, journal: Journal) -> int:
    """Return the row that an archive goes on after; ``cursor`` is its own.

    A new archive beside a journal that has let its first rows go begins at the oldest snapshot:
    what was before is not in it.
    """
    oldest = snapshots.oldest()
    if cursor or journal.first_seq <= 1 or not oldest:
        return cursor
    log.warning("the archive is new, and begins in the middle of the journal", after_row=oldest)
    return oldest


def run_again(
    evaluator: Evaluator,
    journal: Journal,
    counted_seqs: Sequence[int],
    committed_seq: int,
    archive: Sink,
) -> Accounts:
    """Run the rows up to the committed cursor again, for their state and their readings.

    Returns the accounts that are not in the books yet: of each part of them those after the row up to
    which it is counted. The evaluator is to stand at or before all of these.
    """
    began_s = time.perf_counter()
    from_seq = evaluator.seq
    uncounted: Accounts = Counter()
    for begin_seq, end_seq in pairwise(sorted({from_seq, *counted_seqs, committed_seq})):
        parts = {part for part, seq in enumerate(counted_seqs) if seq <= begin_seq}
        for rows in journal.read_span(begin_seq, end_seq):
            step = evaluator.step(rows)
            archive.offer(step)
            uncounted.update(of_parts(step.accounts, parts))
    log.info(
        "recovered",
        from_row=from_seq,
        to_row=evaluator.seq,
        seconds=round(time.perf_counter() - began_s, 2),
    )
    return uncounted


class SnapshotKeeper:
    """Takes a snapshot now and then, and lets the journal go that nobody needs any more.

    The state is copied in the judging thread, between two steps; encoding and writing happen in a
    thread of their own.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        journal: Journal,
        cursors: Callable[[], int],
        interval_s: float,
    ) -> None:
        self._snapshots = snapshots
        self._journal = journal
        self._cursors = cursors  # the least row that every consumer has taken
        self._interval_s = interval_s
        self._taken_s = time.monotonic()
        self._written_s = self._taken_s
        self._thread = patient_threads("snapshot", 1)
        self.last_seq = 0
        self.problem = ""  # why the last one was not written

    @property
    def age_s(self) -> float:
        """Seconds since a snapshot was last written; since the start before the first."""
        return time.monotonic() - self._written_s

    def due(self, evaluator: Evaluator) -> bool:
        """Whether it is time for a snapshot."""
        passed_s = time.monotonic() - self._taken_s
        return passed_s >= self._interval_s and evaluator.seq > self.last_seq

    def take(self, evaluator: Evaluator) -> None:
        """Copy the state now, and have it written; called in the judging thread."""
        if not evaluator.whole:
            log.warning("no snapshot of a step that was broken off", after_row=evaluator.seq)
            return
        snapshot = evaluator.snapshot()
        self._taken_s, self.last_seq = time.monotonic(), evaluator.seq
        self._thread.submit(self._write, snapshot)

    def _write(self, snapshot: dict[str, Any]) -> None:
        try:
            self._snapshots.write(snapshot)
            self._written_s = time.monotonic()
            self._journal.advance(SNAPSHOT_CONSUMER, self._snapshots.retire(self._cursors()))
        except Exception as error:
            # The rows since the last good one are kept, so nothing is lost by it but room.
            self.problem = f"{type(error).__name__}: {error}"
            log.error("snapshot not written; the journal is kept for it", error=self.problem)
        else:
            self.problem = ""

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()
