"""The manifest of a backup: what is in it, file by file, with sums; written last, checked first."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import xxhash

FORMAT = 1
NAME = "manifest.json"
_CHUNK_BYTES = 1 << 20


class BackupError(Exception):
    """A backup cannot be made, or is none; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a backup: its place within it, its size, and the xxh3 sum of its bytes."""

    path: str
    size: int
    xxh3: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``last_row`` is the last journal row that is in it.

    ``state`` and ``archive`` say which kind they are, ``remarks`` what is not in it and what to do.
    """

    version: str
    made_at: str
    first_row: int
    last_row: int
    committed_row: int
    archived_row: int
    revision: int
    state: str
    archive: str
    journal: str
    pause_s: float
    remarks: list[str]
    files: list[FileEntry] = field(default_factory=list)
    format: int = FORMAT

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(entry.size for entry in self.files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest durably; from then on the folder is a whole backup."""
    body = msgspec.json.encode(asdict(manifest))
    document = {"xxh3": xxhash.xxh3_128_hexdigest(body), "manifest": msgspec.Raw(body)}
    with (folder / NAME).open("wb") as file:
        file.write(msgspec.json.encode(document))
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup; raises ``BackupError`` where it is none, or damaged."""
    path = folder / NAME
    try:
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
        body = bytes(document["manifest"])
        known = msgspec.json.decode(document["xxh3"], type=str)
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup: it has no {NAME}") from None
    except (OSError, KeyError, msgspec.MsgspecError) as error:
        raise BackupError(f"{path} cannot be read ({error}): take another backup") from None
    if xxhash.xxh3_128_hexdigest(body) != known:
        raise BackupError(f"{path} is damaged: take another backup")
    found: dict[str, Any] = msgspec.json.decode(body)
    if found.get("format", 0) > FORMAT:
        raise BackupError(
            f"{path} is of format {found['format']}; this program reads up to {FORMAT}. Restore it "
            f"with the version that made it ({found.get('version')}), or a later one"
        )
    return msgspec.convert(found, Manifest)


def check_files(folder: Path, manifest: Manifest, seen: Callable[[int], None]) -> None:
    """Check every file's size and sum; raises ``BackupError`` naming all that are not as they were.

    ``seen`` is told how many bytes were read, now and then.
    """
    wrong = [
        f"{entry.path}: {why}" for entry in manifest.files if (why := _wrong(folder, entry, seen))
    ]
    named = {entry.path for entry in manifest.files} | {NAME}
    strange = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and str(path.relative_to(folder)) not in named
    )
    wrong += [f"{path}: not in the manifest" for path in strange]
    if wrong:
        raise BackupError("the backup is damaged; take another one:\n" + "\n".join(wrong))


def _wrong(folder: Path, entry: FileEntry, seen: Callable[[int], None]) -> str:
    path = folder / entry.path
    try:
        size, digest = path.stat().st_size, sum_of(path, seen)
    except OSError as error:
        return error.strerror or str(error)
    if size != entry.size:
        return f"{size} bytes instead of {entry.size}"
    return "" if digest == entry.xxh3 else "its bytes have changed"


def chunks(path: Path, size: int | None = None) -> Iterator[bytes]:
    """Yield a file's bytes, the first ``size`` of them where that is given."""
    left = path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def sum_of(path: Path, seen: Callable[[int], None]) -> str:
    """Return the xxh3 sum of a file."""
    digest = xxhash.xxh3_128()
    for chunk in chunks(path):
        digest.update(chunk)
        seen(len(chunk))
    return digest.hexdigest()
