import errno

import pytest

from storage.journal import Disk


class FaultyDisk(Disk):
    """A disk that fails the calls named in ``failing`` with an error number."""

    def __init__(self):
        self.failing = {}
        self.room = None  # bytes that may still be written
        self.writes = 0
        self.syncs = 0

    def _may(self, call):
        if call in self.failing:
            raise OSError(self.failing[call], "no")

    def write(self, descriptor, data, offset):
        self._may("write")
        self.writes += 1
        if self.room is not None:
            data = data[: self.room]
            if not data:
                raise OSError(errno.ENOSPC, "no room")
            self.room -= len(data)
        return super().write(descriptor, data, offset)

    def sync(self, descriptor):
        self._may("sync")
        self.syncs += 1
        super().sync(descriptor)

    def truncate(self, descriptor, size):
        self._may("truncate")
        super().truncate(descriptor, size)


@pytest.fixture
def disk():
    return FaultyDisk()
