"""Threads that get what processor time those who judge leave."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

NICENESS_MAX = 19


def be_nice(niceness: int) -> None:
    """Lower the precedence of this thread; Linux has one for each."""
    thread = threading.get_native_id()
    niceness += os.getpriority(os.PRIO_PROCESS, thread)
    with suppress(PermissionError):  # of a kernel that lets nobody change it
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, NICENESS_MAX))


def nice_threads(name: str, threads: int, niceness: int) -> ThreadPoolExecutor:
    """Return so many threads of lower precedence."""
    return ThreadPoolExecutor(
        threads, thread_name_prefix=name, initializer=partial(be_nice, niceness)
    )
