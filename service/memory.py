"""Memory that is freed goes back to the system.

Once a large block was freed, glibc takes blocks as large (up to 32 MB) from its heaps, of which each
thread may have its own. An array that is freed there is a hole among what is small and stays, and does
not go back. Under a city's load 210 to 360 MB lay free so in the process that judges, and 50 to 90 since.
See mallopt(3).
"""

import ctypes

# Numbers from glibc's malloc.h. A block above the first is a mapping of its own, gone when it is freed.
_M_MMAP_THRESHOLD, MAPPED_ABOVE_BYTES = -3, 1 << 20
_M_TRIM_THRESHOLD, FREE_AT_THE_END_BYTES = -1, 8 << 20  # of a heap, beyond which it goes back
_M_ARENA_MAX, HEAPS = -8, 2  # threads that hold the interpreter's lock never ask at once


def give_back() -> None:
    """Have freed memory go back from now on; changes nothing where there is another C library."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return
    libc.mallopt(_M_MMAP_THRESHOLD, MAPPED_ABOVE_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, FREE_AT_THE_END_BYTES)
    libc.mallopt(_M_ARENA_MAX, HEAPS)
