"""What is freed goes back to the system, also where something small that stays lies behind it."""

import ctypes
import subprocess
import sys

import pytest

FREED_MB = 200
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from service.memory import give_back

if "give back" in sys.argv:
    give_back()

def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6

np.ones(30 << 17)  # 30 MB: from now on glibc would take blocks of this size from its heap
before_mb = resident_mb()
large, small = [], []
for _ in range(50):
    large.append(np.ones(4 << 17))
    small.append(bytearray(100_000))
large.clear()
print(resident_mb() - before_mb)
"""

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="a C library other than glibc"
)


def kept_mb(*words):
    return float(subprocess.check_output([sys.executable, "-c", PROGRAM, *words], text=True))


def test_large_blocks_go_back_when_they_are_freed():
    assert kept_mb("give back") < FREED_MB / 10


def test_they_would_not_if_nothing_was_said():
    assert kept_mb() > FREED_MB / 2
