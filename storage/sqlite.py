"""What is SQLite's own: a full disk, and a copy of a database that others go on writing to."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.exc import DBAPIError

# Full, and what a quota (EDQUOT) or a limit on file sizes is to SQLite.
_DISK_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}


def is_disk_full(error: DBAPIError) -> bool:
    """Whether SQLite had no room: nothing of the transaction was kept, and trying again may help."""
    cause = error.orig.__cause__ or error.orig if error.orig is not None else None
    return getattr(cause, "sqlite_errorcode", None) in _DISK_FULL


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite database as of one moment, while others go on writing to it; blocks.

    Raises ``OSError`` where there is no room for it.
    """
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        try:
            reading.backup(writing)  # in one step: nobody waits, since readers see a past moment
        except sqlite3.OperationalError as error:
            raise OSError(errno.ENOSPC, str(error), str(target)) from error
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
