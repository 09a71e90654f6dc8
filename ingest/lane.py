"""The short way of plain JSON records: the payloads of a whole step in one compiled pass.

One reading a message is what most gateways send, and at 20,000 messages a second the time of an alarm
is the time of the interpreter. What the pass cannot read goes the long way, frame by frame; which of
the two a frame went is not to be seen in what becomes of it.
"""

from collections.abc import Sequence

import numpy as np

from domain.catalogue import Catalogue
from domain.journal import Frame
from domain.readings import Batch, Int32s, Int64s
from ingest.columns import mark_future
from ingest.wire.json_lane import Scanned, make_table, scan

FRAMES_MIN = 8  # fewer are not worth a pass
_PAYLOAD_BYTES_MAX = 4096


class Short:
    """What the pass read of a step's frames. ``readings`` by frame; -1: this frame is left."""

    def __init__(self, frames: int, places: Int64s, received_ns: Int64s, scanned: Scanned) -> None:
        self._places = places  # of the frames that were read, among those of the step
        self._received_ns = received_ns
        self._scanned = scanned
        self._taken = bytearray(frames)
        if len(places) == frames:
            self.readings: list[int] = scanned.readings.tolist()
        else:
            readings = np.full(frames, -1, np.int32)
            readings[places] = scanned.readings
            self.readings = readings.tolist()

    def take(self, place: int) -> None:
        """Have the readings of a frame in the batch: it is neither a duplicate nor refused."""
        self._taken[place] = 1

    def batch(self, first_seq: int) -> Batch:
        """Return the readings of the frames taken; the step's frame 0 has the number ``first_seq``."""
        scanned = self._scanned
        taken = np.frombuffer(self._taken, np.uint8)[self._places] != 0
        counts = np.maximum(scanned.readings, 0)
        frame = np.repeat(np.arange(len(counts)), counts)
        channel, value = scanned.channel, scanned.value
        if not taken[frame].all():
            kept = taken[frame]
            frame, channel, value = frame[kept], channel[kept], value[kept]
        time_ns, received_ns = scanned.time_ns[frame], self._received_ns[frame]
        flags = np.zeros(len(frame), np.uint8)
        mark_future(flags, time_ns, received_ns)
        seq = first_seq + self._places[frame]
        return Batch(seq, channel, time_ns, value, received_ns, flags)


class Lane:
    """The pass with the names of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        gateways = catalogue.gateway_index
        self._table = make_table(
            (gateways[gateway], name, channel)
            for (gateway, name), channel in catalogue.sent_index.items()
            if gateway in gateways
        )
        scan(self._table, [b"{}"], np.zeros(1, np.int32))  # compiled now, not at the first frames

    def read(self, frames: Sequence[Frame], gateways: Sequence[int]) -> Short | None:
        """Read what can be read of ``frames``; ``gateways`` are their indices, -1: not for this way."""
        pairs = enumerate(zip(frames, gateways, strict=True))
        chosen = [
            place
            for place, (frame, gateway) in pairs
            if gateway >= 0 and len(frame.payload) <= _PAYLOAD_BYTES_MAX
        ]
        if len(chosen) < FRAMES_MIN:
            return None
        count = len(frames)
        if len(chosen) < count:
            frames = [frames[place] for place in chosen]
            gateways = [gateways[place] for place in chosen]
        of: Int32s = np.array(gateways, np.int32)
        scanned = scan(self._table, [frame.payload for frame in frames], of)
        received_ns = np.array([frame.received_ns for frame in frames], np.int64)
        return Short(count, np.array(chosen, np.int64), received_ns, scanned)


def join(one: Batch, other: Batch) -> Batch:
    """Return two batches of one step as one, in the order of their frames."""
    if not len(one) or not len(other):
        return one if len(one) else other
    seq = np.concatenate([one.seq, other.seq])
    order = np.argsort(seq, kind="stable")
    return Batch(
        seq[order],
        np.concatenate([one.channel, other.channel])[order],
        np.concatenate([one.time_ns, other.time_ns])[order],
        np.concatenate([one.value, other.value])[order],
        np.concatenate([one.received_ns, other.received_ns])[order],
        np.concatenate([one.flags, other.flags])[order],
    )
