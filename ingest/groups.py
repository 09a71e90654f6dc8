"""Frames on their way from the broker to the journal: grouped, counted, and bounded."""

from collections import deque
from dataclasses import dataclass, field

from domain.accounting import Reason
from domain.journal import Frame, Refusal
from ingest.wire import PAYLOAD_BYTES_MAX

GROUP_BYTES_MAX = 1_000_000
GROUP_FRAMES_MAX = 10_000
UNSETTLED_BYTES_MAX = 64 << 20
UNSETTLED_FRAMES_MAX = 50_000
REFUSED_HELD_MAX = 256  # more of them, not settled, would fill the broker's window
PAYLOAD_BYTES_WHOLE = 2 << 20
"""A payload beyond this is cut to one byte more than 1 MiB: enough to be judged oversize."""


@dataclass(slots=True)
class Gathered:
    """Frames that are journaled together and settled together.

    All came by one connection to the broker. ``packet_ids`` are those that the broker waits for
    (none for QoS 0); ``size`` counts the bytes of topics and payloads. ``refusals`` tell of frames
    over the limits of their gateways: they are settled with the others, and their payloads gone.
    """

    connection: int
    frames: list[Frame] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    packet_ids: list[int] = field(default_factory=list)
    size: int = 0
    refused_frames: int = 0
    settled: bool = False


@dataclass(slots=True)
class _Refused:
    """Frames that were refused and are not told yet: their number and bytes by gateway."""

    connection: int = -1
    by_gateway: dict[str, tuple[int, int]] = field(default_factory=dict)
    packet_ids: list[int] = field(default_factory=list)
    frames: int = 0


class Groups:
    """Groups waiting to be journaled, and how much is unsettled in all."""

    def __init__(
        self,
        frames_max: int = UNSETTLED_FRAMES_MAX,
        bytes_max: int = UNSETTLED_BYTES_MAX,
    ) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._waiting: deque[Gathered] = deque()
        self._refused = _Refused()
        self.unsettled_frames = 0
        self.unsettled_bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """True while no more should be taken in."""
        return self.unsettled_frames >= self._frames_max or self.unsettled_bytes >= self._bytes_max

    def add(self, connection: int, frame: Frame, packet_id: int | None) -> None:
        """Take a frame; groups hold at most 1 MB (or a single frame) and 10,000 frames."""
        if len(frame.payload) > PAYLOAD_BYTES_WHOLE:
            cut = frame.payload[: PAYLOAD_BYTES_MAX + 1]
            frame = Frame(frame.topic, cut, frame.received_ns, frame.redelivered)
        size = len(frame.payload) + len(frame.topic)
        group = self._waiting[-1] if self._waiting else None
        if (
            group is None
            or group.connection != connection
            or group.size + size > GROUP_BYTES_MAX
            or len(group.frames) >= GROUP_FRAMES_MAX
        ):
            group = Gathered(connection)
            self._waiting.append(group)
        group.frames.append(frame)
        group.size += size
        if packet_id is not None:
            group.packet_ids.append(packet_id)
        self.unsettled_frames += 1
        self.unsettled_bytes += size

    def refuse(self, connection: int, gateway: str, size: int, packet_id: int | None) -> bool:
        """Count a frame over its gateway's limits; return True where it is time to tell of them."""
        refused = self._refused
        if refused.connection != connection:
            self._forget_refused()
            refused = self._refused = _Refused(connection)
        frames, total = refused.by_gateway.get(gateway, (0, 0))
        refused.by_gateway[gateway] = (frames + 1, total + size)
        refused.frames += 1
        if packet_id is not None:
            refused.packet_ids.append(packet_id)
        self.unsettled_frames += 1
        return refused.frames >= REFUSED_HELD_MAX

    def _forget_refused(self) -> None:
        """Forget what came by a connection that has ended: the broker delivers it again."""
        self.unsettled_frames -= self._refused.frames
        self._refused = _Refused()

    def tell_refused(self, connection: int, now_ns: int) -> None:
        """Tell, with the group that waits last, what this connection brought and was refused."""
        if self._refused.connection != connection:
            self._forget_refused()
            return
        refused, self._refused = self._refused, _Refused()
        group = self._waiting[-1] if self._waiting else None
        if group is None or group.connection != connection:
            group = Gathered(connection)
            self._waiting.append(group)
        group.refusals += [
            Refusal(gateway, Reason.RATE, frames, size, now_ns)
            for gateway, (frames, size) in refused.by_gateway.items()
        ]
        group.packet_ids += refused.packet_ids
        group.refused_frames += refused.frames

    def pop(self) -> Gathered:
        """Return the oldest group; raises ``IndexError`` where there is none."""
        return self._waiting.popleft()

    def settle(self, gathered: Gathered) -> bool:
        """Count a group as settled; return False where it was before."""
        if gathered.settled:
            return False
        gathered.settled = True
        self.unsettled_frames -= len(gathered.frames) + gathered.refused_frames
        self.unsettled_bytes -= gathered.size
        return True
