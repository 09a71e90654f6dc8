"""The duplicate window: which frames came within the last minutes, as a bounded set of hashes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from compiled import njit
from domain.readings import Int32s, Int64s
from domain.time import NS_PER_S

WINDOW_S = 600
HASHES_MAX = 1_000_000
_DIGEST_BYTES = 16
# Of the state: the oldest entry's place, entries, distinct hashes.
_FIRST, _COUNT, _KNOWN = range(3)

UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


class DuplicateWindow:
    """Remembers each frame's hash for 10 minutes of received time, at most a million of them.

    Time is whole seconds of the frames' own ``received_ns``; what is forgotten, and when, depends on
    the frames seen and on nothing else. Hashes are 128 bits: a false match would lose a frame.

    Entries stand in a ring in the order they came, and a table of open addressing says where the
    latest of each hash is: a hash seen again moves up, and its older entry is then of no meaning.
    All of it is in four arrays of fixed size, which take what is used of them.
    """

    def __init__(self, window_s: int = WINDOW_S, hashes_max: int = HASHES_MAX) -> None:
        self._window_s = window_s
        self._hashes_max = hashes_max
        self._clear()
        self.saw([], [], [])  # compiled now, not at the first frames
        self.restore(self.snapshot())

    def _clear(self) -> None:
        room = 1 << self._hashes_max.bit_length()  # an entry is put in before others are taken out
        self._hashes = np.zeros((room, 2), np.uint64)
        self._seconds = np.zeros(room, np.int64)
        self._table = np.zeros(2 * room, np.int32)  # place + 1; 0: free
        self._state = np.zeros(3, np.int64)

    def __len__(self) -> int:
        return int(self._state[_KNOWN])

    def saw(
        self, seeds: Sequence[int], payloads: Sequence[bytes], received_ns: Sequence[int]
    ) -> list[bool]:
        """Remember frames in order; return of each whether the same came within the window before.

        ``seeds`` stand for the gateways: the same bytes of another gateway are another frame.
        """
        digest = xxhash.xxh3_128_digest
        hashes = b"".join([digest(*one) for one in zip(payloads, seeds, strict=True)])
        seconds = np.array(received_ns, np.int64) // NS_PER_S
        own = np.frombuffer(hashes, np.uint64).reshape(-1, 2)
        known = np.zeros(len(own), np.bool_)
        bounds = self._window_s, self._hashes_max
        _see(self._hashes, self._seconds, self._table, self._state, own, seconds, bounds, known)
        found: list[bool] = known.tolist()
        return found

    def snapshot(self) -> dict[str, Any]:
        """Return the window: hashes (n * 16 bytes) and their seconds, in order."""
        first, count = int(self._state[_FIRST]), int(self._state[_COUNT])
        end, over = first + count, max(0, first + count - len(self._seconds))
        return {
            "hashes": b"".join([self._hashes[first:end].data, self._hashes[:over].data]),
            "seconds": np.concatenate([self._seconds[first:end], self._seconds[:over]]),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take a window back; raises ``ValueError`` where it is torn."""
        hashes, seconds = snapshot["hashes"], np.asarray(snapshot["seconds"], np.int64)
        if len(hashes) != _DIGEST_BYTES * len(seconds):
            raise ValueError("the duplicate window's snapshot is torn: restore an older one")
        kept = seconds[-self._hashes_max :]
        own = np.frombuffer(hashes, np.uint64).reshape(-1, 2)[len(seconds) - len(kept) :]
        self._clear()
        self._state[_COUNT] = len(kept)
        self._hashes[: len(kept)], self._seconds[: len(kept)] = own, kept
        _list_again(self._hashes, self._table, self._state)


@njit
def _see(
    hashes: UInt64s,
    seconds: Int64s,
    table: Int32s,
    state: Int64s,
    own: UInt64s,
    own_s: Int64s,
    bounds: tuple[int, int],
    known: Bools,
) -> None:
    """Look frames up and put them in, one after the other; writes into all but ``own``."""
    window_s, hashes_max = bounds
    for at in range(len(own)):
        second = own_s[at]
        slot = _slot_of(hashes, table, own[at])
        place = table[slot] - 1
        if place >= 0:
            known[at] = second - seconds[place] <= window_s
            if seconds[place] == second:
                continue
        else:
            state[_KNOWN] += 1
        new = (state[_FIRST] + state[_COUNT]) & (len(seconds) - 1)
        hashes[new] = own[at]
        seconds[new] = second
        table[slot] = new + 1
        state[_COUNT] += 1
        _forget(hashes, seconds, table, state, second - window_s, hashes_max)


@njit
def _forget(
    hashes: UInt64s, seconds: Int64s, table: Int32s, state: Int64s, before_s: int, hashes_max: int
) -> None:
    """Take out the oldest entries: those of before, and those that are too many."""
    while state[_COUNT] > hashes_max or (state[_COUNT] > 0 and seconds[state[_FIRST]] < before_s):
        place = state[_FIRST]
        slot = _slot_of(hashes, table, hashes[place])
        if table[slot] == place + 1:  # not seen again since
            _take_out(hashes, table, slot)
            state[_KNOWN] -= 1
        state[_FIRST] = (place + 1) & (len(seconds) - 1)
        state[_COUNT] -= 1


@njit
def _slot_of(hashes: UInt64s, table: Int32s, one: UInt64s) -> np.int64:
    """Return the slot that holds a hash, or the free one where it belongs."""
    mask = len(table) - 1
    slot = np.int64(one[0]) & mask
    while table[slot] != 0:
        place = table[slot] - 1
        if hashes[place, 0] == one[0] and hashes[place, 1] == one[1]:
            break
        slot = (slot + 1) & mask
    return slot


@njit
def _take_out(hashes: UInt64s, table: Int32s, slot: np.int64) -> None:
    """Free a slot, and move up what stands behind it only because it was taken."""
    mask = len(table) - 1
    behind = slot
    while True:
        behind = (behind + 1) & mask
        if table[behind] == 0:
            break
        home = np.int64(hashes[table[behind] - 1, 0]) & mask
        if ((behind - home) & mask) >= ((behind - slot) & mask):
            table[slot] = table[behind]
            slot = behind
    table[slot] = 0


@njit
def _list_again(hashes: UInt64s, table: Int32s, state: Int64s) -> None:
    """Fill an empty table from the entries, of which the later counts."""
    for place in range(state[_COUNT]):
        slot = _slot_of(hashes, table, hashes[place])
        if table[slot] == 0:
            state[_KNOWN] += 1
        table[slot] = place + 1
