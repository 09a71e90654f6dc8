"""The core's tables: packed records that the compiled pass walks, one record a channel.

A channel's record holds its parameters and its state side by side, because a reading touches both
at once: one place in memory costs one wait, two places cost two.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from domain.readings import Float64s, Int32s, Int64s, UInt8s

Records = npt.NDArray[Any]
Int8s = npt.NDArray[np.int8]
UInt64s = npt.NDArray[np.uint64]

NEVER = np.iinfo(np.int64).max  # an interval that no time reaches
NONE_NS = np.iinfo(np.int64).min  # no run is under way
HEARD = np.iinfo(np.int64).max  # a mark: the channel was heard since the last tick

LOG_READINGS = 64  # readings kept of a channel whose limits are not at rest, for evidence
LADDER_STEPS = 16  # of the flat line check with a tolerance
NOISE_READINGS = 32

# What a pass is run over.
MEASURED, DERIVED, STATE, PASSING = 0, 1, 2, 3

# Bits of ``verdict.flags`` beside FLAG_FUTURE and FLAG_LATE: the watermark restarted here.
FLAG_RESTARTED = 8

# Bits of ``checks`` and of ``fault_live``.
CHECK_CHANGE, CHECK_FLAT = 1, 2
FAULT_RANGE, FAULT_STUCK, FAULT_NOISE, FAULT_CLOCK = 1, 2, 4, 8

# In the order of their use: a reading at rest needs the first cache line, with checks the second.
_CHANNEL_FIELDS = np.dtype(
    [
        ("newest_ns", "i8"),  # the watermark; 0: never a reading
        ("calm_low", "f8"),  # a value between these two passes the range check and exceeds no limit
        ("calm_high", "f8"),
        ("checks", "u1"),
        ("fault_live", "u1"),  # fault channels that are not at rest
        ("awake", "u1"),  # a limit is held, pending or counting
        ("quality", "u1"),
        ("high", "u1"),  # worst held grade of each side
        ("low", "u1"),
        ("fault_always", "u1"),  # fault channels that 0 itself exceeds the limits of
        ("reserved", "u1"),
        ("value", "f8"),  # of the newest reading
        ("last_good", "f8"),  # not a number: none yet
        ("last_good_ns", "i8"),
        ("behind_since_ns", "i8"),  # received time of the first of a run of late readings; 0: none
        # The second cache line: what the checks need.
        ("previous", "f8"),  # the reading before, where it was in range
        ("flat_since_ns", "i8"),
        ("flat_value", "f8"),
        ("spike", "f8"),
        ("rate_per_ns", "f8"),
        ("gap_ns", "i8"),
        ("flat_ns", "i8"),
        ("ladder", "i4"),  # place in the ladders, -1: the tolerance is 0
        ("log", "i4"),  # place in the logs, -1: at rest
        # The others: what is beyond the usual.
        ("quiet_low", "f8"),  # a value between these two exceeds no limit
        ("quiet_high", "f8"),
        ("fail_low", "f8"),
        ("fail_high", "f8"),
        ("suspect_low", "f8"),
        ("suspect_high", "f8"),
        ("flat_tolerance", "f8"),
        ("restart_ns", "i8"),
        ("noise_bits", "i8"),
        ("noise_count", "i4"),
        ("limit_first", "i4"),
        ("limit_count", "i4"),
        ("range_channel", "i4"),  # indices of the fault channels, -1: none
        ("stuck_channel", "i4"),
        ("noise_channel", "i4"),
        ("clock_channel", "i4"),
    ],
    align=True,
)
CHANNEL = np.dtype(
    {
        "names": list(_CHANNEL_FIELDS.names or ()),
        "formats": [field[0] for field in (_CHANNEL_FIELDS.fields or {}).values()],
        "offsets": [field[1] for field in (_CHANNEL_FIELDS.fields or {}).values()],
        "itemsize": 256,  # whole cache lines
    },
    align=True,
)
CHANNEL_STATE = (
    "newest_ns",
    "fault_live",
    "awake",
    "quality",
    "high",
    "low",
    "value",
    "last_good",
    "last_good_ns",
    "previous",
    "behind_since_ns",
    "flat_since_ns",
    "flat_value",
    "noise_bits",
    "noise_count",
)

LIMIT_STATE = [
    ("held", "u1"),
    ("count", "u1"),  # of the bits of history
    ("on_since_ns", "i8"),
    ("off_since_ns", "i8"),
    ("history", "u8"),  # bit k: the k-th last reading exceeded
]
LIMIT = np.dtype(
    [
        ("value", "f8"),
        ("release", "f8"),
        ("on_ns", "i8"),
        ("off_ns", "i8"),
        ("mask", "u8"),
        ("grade", "u1"),
        ("low", "u1"),
        ("n", "u1"),
        ("m", "u1"),
        *LIMIT_STATE,
    ],
    align=True,
)

CHANGE = np.dtype(
    [
        ("reading", "i8"),
        ("channel", "i4"),
        ("side", "u1"),
        ("previous", "u1"),
        ("grade", "u1"),
        ("time_ns", "i8"),
        ("value", "f8"),
        ("limit", "f8"),
        ("rise", "i4"),  # place in the rises, -1: not a rise
    ],
    align=True,
)


class Ladders(NamedTuple):
    """The longest flat run of each channel: its maxima and, negated, its minima, oldest first.

    ``after_ns`` is the time of the reading behind a step: where the run begins without the step.
    """

    height: Int32s  # (channel, 2)
    value: Float64s  # (channel, 2, LADDER_STEPS)
    after_ns: Int64s


class Logs(NamedTuple):
    """Limits as they stood, and the readings since: evidence, of the channels not at rest.

    The same form holds the copies that a pass takes at each rise.
    """

    length: Int32s  # (slot,)
    first_seq: Int64s
    newest_ns: Int64s
    held: UInt8s  # (slot, 8)
    on_since_ns: Int64s
    off_since_ns: Int64s
    history: UInt64s
    time_ns: Int64s  # (slot, LOG_READINGS)
    value: Float64s
    quality: UInt8s


class Tables(NamedTuple):
    """All that the pass reads and writes of the core."""

    channels: Records
    limits: Records
    marks: Int64s  # by channel: HEARD, or its gateway's quiet time when it was heard last
    ladders: Ladders
    logs: Logs
    free: Int32s  # a stack of free slots of the logs; the first entry is its height


class Columns(NamedTuple):
    """Readings in order, as the pass takes them."""

    seq: Int64s
    channel: Int32s
    time_ns: Int64s
    value: Float64s
    received_ns: Int64s
    flags: UInt8s


class Verdict(NamedTuple):
    """What the pass says of each reading; in a STATE pass the quality is given, not found."""

    quality: UInt8s
    flags: UInt8s


class Findings(NamedTuple):
    """Changes of grade, with the evidence of the rises; ``found`` is (changes, rises)."""

    changes: Records
    rises: Logs
    found: Int64s


def make_records(count: int, dtype: np.dtype[Any]) -> Records:
    """Return zeroed records that begin at a cache line."""
    line = 64
    raw = np.zeros(count * dtype.itemsize + line, np.uint8)
    start = -raw.ctypes.data % line
    return raw[start : start + count * dtype.itemsize].view(dtype)


def make_logs(slots: int) -> Logs:
    """Return room for the evidence of ``slots`` channels."""
    return Logs(
        length=np.zeros(slots, np.int32),
        first_seq=np.zeros(slots, np.int64),
        newest_ns=np.zeros(slots, np.int64),
        held=np.zeros((slots, 8), np.uint8),
        on_since_ns=np.full((slots, 8), NONE_NS, np.int64),
        off_since_ns=np.full((slots, 8), NONE_NS, np.int64),
        history=np.zeros((slots, 8), np.uint64),
        time_ns=np.zeros((slots, LOG_READINGS), np.int64),
        value=np.zeros((slots, LOG_READINGS), np.float64),
        quality=np.zeros((slots, LOG_READINGS), np.uint8),
    )


def make_ladders(channels: int) -> Ladders:
    """Return empty ladders for ``channels`` channels."""
    return Ladders(
        height=np.zeros((channels, 2), np.int32),
        value=np.zeros((channels, 2, LADDER_STEPS), np.float64),
        after_ns=np.zeros((channels, 2, LADDER_STEPS), np.int64),
    )


def make_findings(changes: int, rises: int) -> Findings:
    """Return room for a pass to report into."""
    return Findings(np.zeros(changes, CHANGE), make_logs(rises), np.zeros(2, np.int64))
