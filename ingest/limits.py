"""What a gateway may send: buckets of tokens, so that a mad one cannot starve the others.

A bucket fills at a rate and holds a burst. The burst is large, for a gateway that sends what an
outage has left it; only what goes on for longer meets the rate.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ingest.topics import TopicError, parse_topic

WAYS_MAX = 50_000
BUCKETS_MAX = 20_000
OTHER_GATEWAY = "other"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Frames and payload bytes a second, and how much of each at once; infinity is no limit."""

    frames_per_s: float = math.inf
    bytes_per_s: float = math.inf
    frames_burst: float = math.inf
    bytes_burst: float = math.inf


class Bucket:
    """Tokens of one gateway, for frames and for bytes.

    It is filled only when it runs dry, by the time passed since it was filled last: that costs
    nothing on the hot path, and is never stricter than a bucket that drips.
    """

    __slots__ = ("_allowance", "_bytes", "_clock", "_filled_s", "_frames")

    def __init__(self, allowance: Allowance, clock: Callable[[], float]) -> None:
        self._allowance = allowance
        self._clock = clock
        self._frames, self._bytes = allowance.frames_burst, allowance.bytes_burst
        self._filled_s = clock()

    def take(self, size: int) -> bool:
        """Take tokens for a frame of ``size`` bytes; return False where there are too few."""
        if self._frames < 1 or self._bytes < size:
            self._fill()
            if self._frames < 1 or self._bytes < size:
                return False
        self._frames -= 1
        self._bytes -= size
        return True

    def _fill(self) -> None:
        now_s = self._clock()
        passed_s, self._filled_s = now_s - self._filled_s, now_s
        allowed = self._allowance
        self._frames = min(allowed.frames_burst, self._frames + passed_s * allowed.frames_per_s)
        self._bytes = min(allowed.bytes_burst, self._bytes + passed_s * allowed.bytes_per_s)

    def wait_s(self, size: int) -> float:
        """Return how long it takes until a frame of ``size`` bytes is allowed."""
        allowed = self._allowance
        frames_s = (1 - self._frames) / allowed.frames_per_s
        return max(0.0, frames_s, (size - self._bytes) / allowed.bytes_per_s)


@dataclass(frozen=True, slots=True)
class Way:
    """A topic as it came, and the gateway whose tokens its frames take."""

    topic: str
    gateway: str
    bucket: Bucket


@dataclass(slots=True)
class Limits:
    """The buckets of all gateways: ``default``, but for those named in ``own``.

    Topics that are none of ours share a bucket, and so do gateways beyond 20,000.
    """

    default: Allowance = field(default_factory=Allowance)
    own: Mapping[str, Allowance] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _ways: dict[bytes, Way] = field(default_factory=dict)

    def find(self, topic: bytes) -> Way:
        """Return the way of a topic; what it is, is found once."""
        way = self._ways.get(topic)
        if way is None:
            way = self._make_way(topic)
            if len(self._ways) >= WAYS_MAX:
                self._ways.clear()
            self._ways[topic] = way
        return way

    def bucket_of(self, gateway: str) -> Bucket:
        """Return a gateway's bucket."""
        bucket = self._buckets.get(gateway)
        if bucket is None:
            if len(self._buckets) >= BUCKETS_MAX and gateway not in self.own:
                gateway = OTHER_GATEWAY
            bucket = Bucket(self.own.get(gateway, self.default), self.clock)
            bucket = self._buckets.setdefault(gateway, bucket)
        return bucket

    def _make_way(self, topic: bytes) -> Way:
        # A topic that is not UTF-8 is none of ours, and will be told as such.
        text = topic.decode(errors="replace")
        try:
            gateway = parse_topic(text).gateway
        except TopicError:
            gateway = ""
        return Way(text, gateway, self.bucket_of(gateway))
