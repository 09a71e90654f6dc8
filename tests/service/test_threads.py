"""Heavy work gets what processor time the others leave."""

import ctypes
import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from service import threads
from service.threads import be_prompt, nice_threads, patient_threads


def test_threads_of_lower_precedence_leave_the_others_as_they_are():
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = niceness()
    with nice_threads("test", 1, 3) as nice:
        assert nice.submit(niceness).result() == own + 3
    assert niceness() == own


def slice_ns():
    """Return the slice of this thread, as the kernel says it."""
    attributes = ctypes.create_string_buffer(threads._ATTRIBUTES.size)
    number = {314: 315, 274: 275}[threads._SCHED_SETATTR]
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(number, 0, attributes, len(attributes), 0) == 0
    return threads._ATTRIBUTES.unpack(attributes)[5]


kernel_with_slices = pytest.mark.skipif(
    tuple(map(int, platform.release().split(".")[:2])) < (6, 12) or threads._SCHED_SETATTR is None,
    reason="this kernel gives every thread the same slice",
)


@kernel_with_slices
def test_a_prompt_thread_has_a_shorter_slice_than_the_others():
    def prompt():
        before_ns = slice_ns()
        be_prompt()
        return before_ns, slice_ns()

    with ThreadPoolExecutor(1) as one:
        before_ns, after_ns = one.submit(prompt).result()
    assert after_ns == threads.PROMPT_SLICE_NS < before_ns
    assert slice_ns() == before_ns


@kernel_with_slices
@pytest.mark.parametrize("make", [patient_threads, partial(nice_threads, niceness=1)])
def test_threads_that_compute_do_not_take_over_a_short_slice(make):
    def started_by_a_prompt_one():
        before_ns = slice_ns()
        be_prompt()
        with make("computing", 1) as computing:
            return before_ns, computing.submit(slice_ns).result()

    with ThreadPoolExecutor(1) as one:
        before_ns, computing_ns = one.submit(started_by_a_prompt_one).result()
    assert computing_ns == before_ns


def test_a_thread_of_another_policy_is_left_as_it_is():
    def idle():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        be_prompt()
        return os.sched_getscheduler(0)

    with ThreadPoolExecutor(1) as one:
        assert one.submit(idle).result() == os.SCHED_IDLE
