"""The archive of readings: what an archive is, and which ones there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
import numpy.typing as npt

from domain.catalogue import Retention
from domain.readings import Float64s, Int64s, Readings, UInt8s

ARCHIVES = {
    "duckdb": "storage.archive.duck:DuckArchive",
    "influxdb": "storage.archive.influx:InfluxArchive",
    "influxdb2": "storage.archive.influx:InfluxArchive",
}
"""Where each archive is, by the scheme of its URL; an ``s`` behind it means TLS."""


class ArchiveError(Exception):
    """The archive could not do it. ``permanent``: trying again will not help by itself.

    ``retry_after_s``: how long the server asked to be left alone; 0 where it did not say.
    """

    def __init__(self, message: str, *, permanent: bool, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class RefusedReading:
    """A reading that the archive will never take, and why, in its own words."""

    channel_id: str
    time_ns: int
    value: float
    quality: int
    reason: str


TakeRefused = Callable[[Sequence[RefusedReading]], None]


def nobody_takes(refused: Sequence[RefusedReading]) -> None:
    """Raise ``ArchiveError``: nothing may be refused where nobody keeps what was."""
    raise ArchiveError(f"{len(refused)} readings refused: {refused[0].reason}", permanent=True)


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one channel, ascending by event time, one for each time."""

    time_ns: Int64s
    value: Float64s
    quality: UInt8s

    def __len__(self) -> int:
        return len(self.time_ns)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Figures of one channel by stretch of time, ascending; stretches without a reading left out.

    ``start_ns`` are multiples of the bucket's length since the epoch. Failed and missing readings
    have no part in the figures. ``last`` is the value of the newest reading in the bucket.
    """

    start_ns: Int64s
    count: Int64s
    min: Float64s
    max: Float64s
    mean: Float64s
    last: Float64s

    def __len__(self) -> int:
        return len(self.start_ns)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Readings that had to go because room was short: how many, of which event times, how large."""

    readings: int
    first_ns: int
    last_ns: int
    bytes: int


class Archive(Protocol):
    """Every reading there is, by (channel, event time); the row that came later wins.

    All methods block; one thread writes at a time, any number read meanwhile. They raise
    ``ArchiveError``. A time range is half-open: [start, end).
    """

    @property
    def ready(self) -> bool:
        """Whether the cursor is known: False until a server that was away has answered."""

    @property
    def cursor(self) -> int:
        """The last journal row whose readings are durably in; 0 before ``ready``."""

    @property
    def write_rows_max(self) -> int:
        """How many readings one write had best have."""

    def connect(self) -> None:
        """Become ready; does nothing where it is."""

    def write(
        self, last_seq: int, readings: Sequence[Readings], refused: TakeRefused = nobody_takes
    ) -> None:
        """Store ``readings``, in this order, of the rows up to ``last_seq``, and then the cursor.

        Where ``last_seq`` is not beyond the cursor nothing is done (a replay). A write that failed
        may have stored a part, and changes nothing when it is repeated. Readings that can never be
        stored go to ``refused``, which blocks until they are kept elsewhere, before the cursor moves.
        """

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> Series:
        """Return the first ``limit`` readings of the range; none for an unknown channel."""

    def read_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures by stretches of ``bucket_ns``, of the readings in the range only.

        Where readings are gone their summaries stand in, if ``bucket_ns`` is a multiple of theirs.
        """

    def count(self, channel_id: str | None = None) -> int:
        """Return how many (channel, event time) there are: of one channel, or of all."""

    def maintain(self) -> bool:
        """Do one small step of housekeeping, between writes; True where more may be waiting."""

    def drop_before(self, time_ns: int) -> int:
        """Give up the readings before ``time_ns`` for good; return how many files went at once."""

    def keep(self, rules: Mapping[str, Retention]) -> None:
        """Take how long each channel is kept, by id; others are kept for ever.

        Given at the start and with each revision of the catalogue.
        """

    def expire(self, now_ns: int) -> bool:
        """Do one bounded step of what the rules ask for at ``now_ns``; True where it did one.

        Called as ``maintain`` is. Readings that are kept no longer are summarised and dropped, and
        summaries in their time; somewhat late, but never early.
        """

    def give_way(self) -> GivenUp | None:
        """Give up the oldest readings that can go at once, because room is short on our own disk.

        ``None`` where there is nothing to give, or the room is another server's to look after.
        """

    def close(self) -> None:
        """Let go."""


def archive_class(scheme: str) -> type[Archive]:
    """Return the archive for a URL's scheme; raises ``ArchiveError`` naming those there are."""
    try:
        module, name = ARCHIVES[scheme.removesuffix("s")].split(":")
    except KeyError:
        known = ", ".join(sorted(ARCHIVES))
        raise ArchiveError(f"no archive {scheme!r}; there are {known}", permanent=True) from None
    found: type[Archive] = getattr(import_module(module), name)
    return found


def empty_series() -> Series:
    """Return no readings."""
    return Series(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint8))


def keep_newest_of_each_time(time_ns: Int64s) -> npt.NDArray[np.bool_]:
    """Return a mask of ascending times that leaves the last of each run of equal ones."""
    mask = np.ones(len(time_ns), np.bool_)
    np.not_equal(time_ns[1:], time_ns[:-1], out=mask[:-1])
    return mask
