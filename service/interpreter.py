"""The interpreter's own settings, and its allocator's, the same in both processes of a service."""

import asyncio
import gc
import sys

from service.memory import give_back
from service.threads import be_prompt, patient_threads

# A thread that wants the interpreter waits this long for one that computes: at Python's 5 ms, an
# event loop and the journal's writer spend most of a busy second waiting for what computes beside them.
SWITCH_INTERVAL_S = 0.0005
# A walk over all that is new stops every alarm for as long as it takes. Frames and counts on their way
# are many, live for seconds and are in no cycles: it begins when so many objects came that did not go.
COLLECT_AFTER = (200_000, 10, 100)
ASIDE_THREADS = 8


def tune() -> None:
    """Set them; called on the event loop, before there is any other thread."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
    asyncio.get_running_loop().set_default_executor(patient_threads("aside", ASIDE_THREADS))
    be_prompt()
    give_back()
