"""Heavy work gets what processor time the others leave."""

import os
import threading

from service.threads import nice_threads


def test_threads_of_lower_precedence_leave_the_others_as_they_are():
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = niceness()
    with nice_threads("test", 1, 3) as threads:
        assert threads.submit(niceness).result() == own + 3
    assert niceness() == own
