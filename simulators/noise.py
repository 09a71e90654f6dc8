"""Noise that is a function of a key and a sample's number: no state, no order, no seam.

Everything is exact integer arithmetic, so that a value does not depend on how many others were
computed beside it.
"""

import hashlib

import numpy as np
import numpy.typing as npt

from domain.readings import Float64s, Int64s

UInt64s = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key_of(*parts: object) -> int:
    """Return a 64-bit key that depends on ``parts`` only."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def hashed(key: int, index: Int64s) -> UInt64s:
    """Return 64 random bits for each index: SplitMix64 (Steele et al. 2014) at that counter."""
    bits = (np.atleast_1d(index).astype(np.uint64) + np.uint64(1)) * _GOLDEN ^ np.uint64(key)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def uniform(key: int, index: Int64s) -> Float64s:
    """Return numbers in [0, 1), one for each index."""
    return (hashed(key, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def bell(key: int, index: Int64s) -> Float64s:
    """Return numbers of mean 0 and deviation 1, one for each index, never beyond ±3.47.

    The sum of four uniform numbers (Irwin-Hall): bounded, so that a world's noise alone can be
    shown not to cross a limit.
    """
    bits = hashed(key, index)
    low = np.uint64(0xFFFF)
    total = sum(((bits >> np.uint64(shift)) & low).astype(np.float64) for shift in (0, 16, 32, 48))
    return np.asarray((total - 131_070.0) / (65_536.0 * (4.0 / 12.0) ** 0.5), np.float64)
