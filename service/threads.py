"""Which threads get a processor at once, and which get what time the others leave.

An alarm's way changes its thread ten times. On busy processors each change waits until whoever computes has
used up its slice, some milliseconds; but a thread with a shorter slice than that one's goes first (Linux
6.12 and later, without any right; see sched(7) and ``sched_setattr`` in sched.h of the kernel). So the threads
on the way of an alarm are *prompt*, and those that compute for long are *patient*.
"""

import ctypes
import os
import platform
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import structlog

NICENESS_MAX = 19
PROMPT_SLICE_NS = 100_000  # the least that the kernel takes
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}.get(platform.machine())
# struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
_LIBC = ctypes.CDLL(None, use_errno=True)

log = structlog.get_logger(__name__)


def be_prompt() -> None:
    """Have this thread, and those that it starts, wait for no long slice of another."""
    _set_slice(PROMPT_SLICE_NS)


def be_patient() -> None:
    """Give this thread the slice that threads have where nobody says anything."""
    _set_slice(0)


def _set_slice(slice_ns: int) -> None:
    thread = threading.get_native_id()
    policy = os.sched_getscheduler(thread)
    if _SCHED_SETATTR is None or policy != os.SCHED_OTHER:  # whoever chose another knows why
        return
    niceness = os.getpriority(os.PRIO_PROCESS, thread)
    wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, policy, 0, niceness, 0, slice_ns, 0, 0)
    if _LIBC.syscall(_SCHED_SETATTR, thread, wanted, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        log.debug("the slice of a thread stays as it is", why=why)


def be_nice(niceness: int) -> None:
    """Lower the precedence of this thread; Linux has one for each."""
    be_patient()
    thread = threading.get_native_id()
    niceness += os.getpriority(os.PRIO_PROCESS, thread)
    with suppress(PermissionError):  # of a kernel that lets nobody change it
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, NICENESS_MAX))


def patient_threads(name: str, threads: int) -> ThreadPoolExecutor:
    """Return so many threads for what computes for long."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=be_patient)


def nice_threads(name: str, threads: int, niceness: int) -> ThreadPoolExecutor:
    """Return so many threads of lower precedence."""
    return ThreadPoolExecutor(
        threads, thread_name_prefix=name, initializer=partial(be_nice, niceness)
    )
