"""Readings as columns: what goes into the core, and what comes out of it."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from domain.grade import Grade, Side

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
UInt8s = npt.NDArray[np.uint8]
Float64s = npt.NDArray[np.float64]

# Bits of ``Batch.flags`` and ``Readings.flags``.
FLAG_RECEIVED_TIME = 1  # the reading had no time of its own and carries its frame's received time
FLAG_FUTURE = 2  # more than 5 min ahead of received_ns: quarantined, never stored
FLAG_LATE = 4  # not newer than its channel's watermark: stored, without effect on the live state


@dataclass(slots=True)
class Batch:
    """Readings of registered channels in journal order; each frame's are sorted by event time.

    All columns have one length: ``seq`` (journal number of the frame), ``channel`` (index in the
    active catalogue), ``time_ns`` (event time), ``value`` (finite), ``received_ns``, ``flags``.
    ``heard`` are the indices of gateways that any frame came from; ``status`` are the gateways'
    own words (gateway index, online), in order.
    """

    seq: Int64s
    channel: Int32s
    time_ns: Int64s
    value: Float64s
    received_ns: Int64s
    flags: UInt8s
    heard: list[int] = field(default_factory=list)
    status: list[tuple[int, bool]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.channel)

    @classmethod
    def empty(cls) -> "Batch":
        """Return a batch of no readings."""
        return cls(
            seq=np.empty(0, np.int64),
            channel=np.empty(0, np.int32),
            time_ns=np.empty(0, np.int64),
            value=np.empty(0, np.float64),
            received_ns=np.empty(0, np.int64),
            flags=np.empty(0, np.uint8),
        )


@dataclass(slots=True)
class Readings:
    """Judged readings on their way to the archive: measured ones and derived ones.

    ``channel_ids[channel[i]]`` is the channel of reading i. Fault channels are not among them
    (their values are states of the core, not history), nor are readings in quarantine.
    """

    channel_ids: tuple[str, ...]
    channel: Int32s
    time_ns: Int64s
    value: Float64s
    quality: UInt8s

    def __len__(self) -> int:
        return len(self.channel)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Enough to run the judgement of one rise again.

    ``state`` is the channel's state in the core before ``readings`` (a mapping that the core
    reads back); ``readings`` are up to 512 (event time ns, value, quality) that led to the rise, the
    last being the one that raised; ``limits`` are those in force, by ``profile``; ``first_seq`` and
    ``last_seq`` are the journal's span.
    """

    revision: int
    first_seq: int
    last_seq: int
    state: dict[str, object]
    readings: list[tuple[int, float, int]]
    limits: list[dict[str, object]]
    profile: str = "normal"


@dataclass(frozen=True, slots=True)
class GradeChange:
    """The worst held grade of one side of one channel changed, at one reading.

    ``channel`` is an index of the active catalogue; ``time_ns`` the event time of the reading
    that did it; ``limit`` the value of the worst limit now held, or, on return to normal, of the
    one released last. ``evidence`` is given where the grade rises.
    """

    seq: int
    channel: int
    side: Side
    previous: Grade
    grade: Grade
    time_ns: int
    received_ns: int
    value: float
    limit: float
    evidence: Evidence | None = None


@dataclass(slots=True)
class Judged:
    """What one step of the core says: readings for the archive, and changes of grade.

    ``changes`` are in journal order; within one row in the order of the readings, a derived
    channel after its inputs. ``late``, ``stored`` and ``future`` count measured readings by gateway
    index (one entry a gateway of the catalogue).
    """

    readings: Readings
    changes: list[GradeChange]
    stored: Int64s
    late: Int64s
    future: Int64s


@dataclass(frozen=True, slots=True)
class Latest:
    """The live picture of one channel; ``time_ns`` 0 where it never had a reading."""

    time_ns: int
    value: float
    quality: int
    grade: Grade
