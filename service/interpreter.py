"""The interpreter's own settings, the same in both processes of a service."""

import gc
import sys

# A thread that wants the interpreter waits this long for one that computes: at Python's 5 ms, an
# event loop and the journal's writer spend most of a busy second waiting for what computes beside them.
SWITCH_INTERVAL_S = 0.0005
# Frames on their way are many, live for seconds and are in no cycles: at Python's own thresholds a
# busy service stops every few seconds for a walk over all of them.
COLLECT_AFTER = (20_000, 10, 100)


def tune() -> None:
    """Set them."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
