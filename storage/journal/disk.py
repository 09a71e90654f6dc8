"""The calls by which the journal changes a disk, in one place, so that a test can make them fail."""

import os


class Disk:
    """The real disk."""

    def write(self, descriptor: int, data: bytes, offset: int) -> int:
        """Write at ``offset`` and return how many bytes went down."""
        return os.pwrite(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        """Make what was written durable."""
        os.fdatasync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        os.ftruncate(descriptor, size)
