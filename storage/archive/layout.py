"""The embedded archive's own tables and its folder of files, as they must be before work begins."""

from pathlib import Path

import duckdb
import structlog

from storage.archive import ArchiveError
from storage.archive.slices import Slice, read_slices
from storage.archive.summaries import SummaryFile, read_files

_log = structlog.get_logger(__name__)

VERSION = 2
_TIME_NS_MIN = -(2**63)

SUMMARIES = """
CREATE TABLE summaries (number BIGINT, file VARCHAR, first_ns BIGINT, last_ns BIGINT,
    bucket_ns BIGINT, level INTEGER, row_count BIGINT);
"""

SCHEMA = f"""
CREATE TABLE archive (version INTEGER, cursor BIGINT, floor_ns BIGINT, last_slice BIGINT);
INSERT INTO archive VALUES ({VERSION}, 0, {_TIME_NS_MIN}, 0);
CREATE TABLE channels (number INTEGER, id VARCHAR);
CREATE TABLE slices (number BIGINT, file VARCHAR, first_ns BIGINT, last_ns BIGINT);
{SUMMARIES}
"""  # noqa: S608  numbers of our own
# By the version to be left behind. They stay for ever, as every version's archive opens with later ones.
UPGRADES = {1: SUMMARIES}


def first_value(result: duckdb.DuckDBPyConnection) -> int:
    """Return the one number that a query gave."""
    row = result.fetchone()
    return int(row[0]) if row is not None else 0


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables where there are none, and bring earlier ones up to this version.

    Raises ``ArchiveError`` for those of a later version.
    """
    tables = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    if "archive" not in tables:
        connection.execute(f"BEGIN; {SCHEMA} COMMIT;")
    version = first_value(connection.execute("SELECT version FROM archive"))
    for number in range(version, VERSION):
        connection.execute(
            f"BEGIN; {UPGRADES[number]} UPDATE archive SET version = {number + 1}; COMMIT;"  # noqa: S608
        )
    if version > VERSION:
        message = (
            f"an archive of version {version}; this program reads version {VERSION}. Start the "
            "version that wrote it, or restore a backup that was made before the upgrade"
        )
        raise ArchiveError(message, permanent=True)


def tidy(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Remove files that a kill left behind, and see that the others are there.

    An empty file in place of a missing one says that its readings are given up.
    """
    named: dict[str, tuple[str, Slice | SummaryFile]] = {
        p.file: ("slices", p) for p in read_slices(connection) if p.file is not None
    }
    named |= {one.file: ("summaries", one) for one in read_files(connection)}
    for path in folder.iterdir():
        if path.name not in named and path.suffix in (".parquet", ".tmp"):
            _log.info("archive_stray_removed", file=str(path))
            path.unlink()
    for name, (table, piece) in named.items():
        path = folder / name
        if not path.exists():
            raise ArchiveError(
                f"{path} is missing. Restore it from a copy, or put an empty file of that name "
                "there to go on without its readings.",
                permanent=True,
            )
        if path.stat().st_size == 0:
            connection.execute(f"DELETE FROM {table} WHERE number = ?", [piece.number])  # noqa: S608
            path.unlink()
            _log.error("archive_file_given_up", file=str(path), readings_of=str(piece))
