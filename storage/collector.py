"""The interpreter's cycle collector, where there are objects by the million."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_off() -> Iterator[None]:
    """Hold the collector off: it would go through a million new objects again and again for nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def leave_what_is_there() -> None:
    """Have the collector look at nothing that is there by now; what is in no cycles is freed as ever."""
    gc.freeze()


# Some libraries count what is left at the end, and what is never collected would be.
atexit.register(gc.unfreeze)
