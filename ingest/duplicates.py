"""The duplicate window: which frames came within the last minutes, as a bounded set of hashes."""

from collections import deque
from typing import Any

import numpy as np
import xxhash

from domain.time import NS_PER_S

WINDOW_S = 600
HASHES_MAX = 1_000_000
_DIGEST_BYTES = 16


class DuplicateWindow:
    """Remembers each frame's hash for 10 minutes of received time, at most a million of them.

    Time is whole seconds of the frames' own ``received_ns``; what is forgotten, and when, depends on
    the frames seen and on nothing else. Hashes are 128 bits: a false match would lose a frame.
    """

    def __init__(self, window_s: int = WINDOW_S, hashes_max: int = HASHES_MAX) -> None:
        self._window_s = window_s
        self._hashes_max = hashes_max
        # A hash seen again moves up: its older entry in the queue is then stale, and is told by
        # its second, which no longer is the one in the dictionary.
        self._last_seen_s: dict[bytes, int] = {}
        self._queue_hash: deque[bytes] = deque()
        self._queue_s: deque[int] = deque()
        self._second = 0

    def __len__(self) -> int:
        return len(self._last_seen_s)

    def saw(self, seed: int, payload: bytes, received_ns: int) -> bool:
        """Remember a frame; return whether the same came within the window before.

        ``seed`` stands for the gateway: the same bytes of another gateway are another frame.
        """
        digest = xxhash.xxh3_128_digest(payload, seed)
        second = received_ns // NS_PER_S
        if second == self._second:
            second = self._second  # one object for the second, not one a frame
        else:
            self._second = second
        seen_s = self._last_seen_s.get(digest)
        if seen_s != second:
            self._last_seen_s[digest] = second
            self._queue_hash.append(digest)
            self._queue_s.append(second)
            self._forget(second - self._window_s)
        return seen_s is not None and second - seen_s <= self._window_s

    def _forget(self, before_s: int) -> None:
        queue_s = self._queue_s
        while queue_s[0] < before_s or len(queue_s) > self._hashes_max:
            second, digest = queue_s.popleft(), self._queue_hash.popleft()
            if self._last_seen_s.get(digest) == second:
                del self._last_seen_s[digest]

    def snapshot(self) -> dict[str, Any]:
        """Return the window: hashes (n * 16 bytes) and their seconds, in order."""
        return {
            "hashes": b"".join(self._queue_hash),
            "seconds": np.fromiter(self._queue_s, np.int64),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take a window back."""
        hashes = snapshot["hashes"]
        digests = [hashes[at : at + _DIGEST_BYTES] for at in range(0, len(hashes), _DIGEST_BYTES)]
        seconds = np.asarray(snapshot["seconds"], np.int64).tolist()
        if len(digests) != len(seconds):
            raise ValueError("the duplicate window's snapshot is torn: restore an older one")
        self._queue_hash, self._queue_s = deque(digests), deque(seconds)
        self._last_seen_s = dict(zip(digests, seconds, strict=True))
        self._second = seconds[-1] if seconds else 0
