"""Gathers readings frame by frame into the columns of a ``Batch``."""

import numpy as np

from domain.readings import FLAG_FUTURE, Batch, Float64s, Int64s, UInt8s
from domain.time import NS_PER_S

FUTURE_NS = 300 * NS_PER_S


def mark_future(flags: UInt8s, time_ns: Int64s, received_ns: Int64s) -> None:
    """Mark in ``flags`` the readings that are more than 5 min ahead of their frame."""
    flags[time_ns - FUTURE_NS > received_ns] |= FLAG_FUTURE


class Columns:
    """Readings in journal order, kept as runs: ``count`` readings of one frame and one channel.

    Times and values of single readings gather in lists, those of blocks stay arrays; everything is
    put together once, in ``batch``.
    """

    def __init__(self) -> None:
        self._frame_seq = 0
        self._frame_received_ns = 0
        self._seq: list[int] = []
        self._received_ns: list[int] = []
        self._channel: list[int] = []
        self._flags: list[int] = []
        self._count: list[int] = []
        self._times_ns: list[int] = []
        self._values: list[float] = []
        self._time_chunks: list[Int64s] = []
        self._value_chunks: list[Float64s] = []

    def open_frame(self, seq: int, received_ns: int) -> None:
        """Begin a frame: what is added next is of it."""
        self._frame_seq, self._frame_received_ns = seq, received_ns

    def add(self, channel: int, time_ns: int, value: float, flags: int) -> None:
        """Take one reading."""
        self._seq.append(self._frame_seq)  # written out: it is done once a reading
        self._received_ns.append(self._frame_received_ns)
        self._channel.append(channel)
        self._flags.append(flags)
        self._count.append(1)
        self._times_ns.append(time_ns)
        self._values.append(value)

    def _open_run(self, channel: int, count: int, flags: int) -> None:
        self._seq.append(self._frame_seq)
        self._received_ns.append(self._frame_received_ns)
        self._channel.append(channel)
        self._flags.append(flags)
        self._count.append(count)

    def add_block(self, channel: int, time_ns: Int64s, value: Float64s) -> None:
        """Take readings of one channel, sorted by time."""
        self._close_lists()
        self._open_run(channel, len(value), 0)
        self._time_chunks.append(time_ns)
        self._value_chunks.append(value)

    def add_blocks(
        self, channels: list[int], time_chunks: list[Int64s], value_chunks: list[Float64s]
    ) -> None:
        """Take several blocks of one frame, sorting them together by time (stable)."""
        channel = np.repeat(channels, [len(chunk) for chunk in value_chunks])
        time_ns, value = np.concatenate(time_chunks), np.concatenate(value_chunks)
        if (np.diff(time_ns) < 0).any():
            order = np.argsort(time_ns, kind="stable")
            channel, time_ns, value = channel[order], time_ns[order], value[order]
        self._close_lists()
        for one in channel.tolist():
            self._open_run(one, 1, 0)
        self._time_chunks.append(time_ns)
        self._value_chunks.append(value)

    def _close_lists(self) -> None:
        if self._times_ns:
            self._time_chunks.append(np.array(self._times_ns, np.int64))
            self._value_chunks.append(np.array(self._values, np.float64))
            self._times_ns, self._values = [], []

    def batch(self) -> Batch:
        """Return all readings, those of the future marked with ``FLAG_FUTURE``."""
        self._close_lists()
        if not self._time_chunks:
            return Batch.empty()
        seq = np.array(self._seq, np.int64)
        received_ns = np.array(self._received_ns, np.int64)
        channel = np.array(self._channel, np.int32)
        flags = np.array(self._flags, np.uint8)
        time_ns = np.concatenate(self._time_chunks)
        if len(time_ns) != len(seq):
            count = np.array(self._count, np.int64)
            seq, received_ns = np.repeat(seq, count), np.repeat(received_ns, count)
            channel, flags = np.repeat(channel, count), np.repeat(flags, count)
        mark_future(flags, time_ns, received_ns)
        value = np.concatenate(self._value_chunks)
        return Batch(seq, channel, time_ns, value, received_ns, flags)
