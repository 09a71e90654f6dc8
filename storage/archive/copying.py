"""A copy of the embedded archive while it is in use."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import duckdb

from storage.archive import ArchiveError
from storage.archive.slices import read_slices
from storage.archive.summaries import read_files

DATABASE_FILES = ("archive.duckdb", "archive.duckdb.wal", "channels.parquet")


@dataclass(frozen=True, slots=True)
class Held:
    """An archive at one moment: its cursor, how long writes waited, and its files.

    ``copied`` are names in the folder given, ``sealed`` the files that go with them.
    """

    cursor: int
    pause_s: float
    copied: list[str]
    sealed: list[Path]


def copy_database(folder: Path, target: Path) -> list[str]:
    """Copy the database's files into ``target`` while nobody writes them; return their names.

    Another process copies: when this one closes any descriptor of the file, POSIX takes away the lock
    that DuckDB holds on it.
    """
    names = [name for name in DATABASE_FILES if (folder / name).exists()]
    program = shutil.which("cp") or "/bin/cp"
    command = [
        program,
        "--reflink=auto",
        "--",
        *(str(folder / name) for name in names),
        str(target),
    ]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  names of our own
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()[-500:]
        raise ArchiveError(f"the archive cannot be copied: {message}", permanent=False)
    return names


def sealed_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the files that the database names: slices and summaries."""
    slices = [str(piece.file) for piece in read_slices(connection) if piece.file is not None]
    return slices + [one.file for one in read_files(connection)]
