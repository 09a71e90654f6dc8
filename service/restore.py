"""A backup put in the place of a data directory: checked whole first, renamed whole last."""

import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import make_url

from service.manifest import BackupError, Manifest, check_files, read_manifest
from service.settings import Settings

SUFFIX = ".restoring"
ADVICE = """\
What Lifeline took after row {row} ({made_at}) is not in it, and was settled: neither the broker nor a
gateway sends it again by itself. What was not settled the broker still has, and delivers. Gateways
that keep their own readings can send them again: what is older than a channel's newest reading is
archived as late, and duplicates change nothing."""


def check(folder: Path, seen: Callable[[int], None] = lambda _count: None) -> Manifest:
    """Return the manifest of a backup that is whole; raises ``BackupError`` naming what is not."""
    manifest = read_manifest(folder)
    check_files(folder, manifest, seen)
    return manifest


def restore(
    folder: Path, settings: Settings, seen: Callable[[int], None] = lambda _count: None
) -> Manifest:
    """Put the backup where the settings say that everything is kept; return its manifest.

    Raises ``BackupError``, with nothing changed, where the backup is damaged or something is there.
    """
    targets = _targets(settings)
    for target in targets.values():
        _check_free(target)
    manifest = check(folder, seen)
    made: list[tuple[Path, Path]] = []
    try:
        for place, target in targets.items():
            beside = target.with_name(target.name + SUFFIX)
            _remove(beside)
            beside.parent.mkdir(parents=True, exist_ok=True)
            made.append((beside, target))
            _copy(folder, place, manifest, beside, [p for p in targets if p != place])
        for beside, target in made:
            beside.replace(target)
            _sync(target.parent)
    except OSError as error:
        for beside, _ in made:
            _remove(beside)
        raise BackupError(f"{error.filename}: {error.strerror}") from error
    return manifest


def advice(manifest: Manifest) -> str:
    """Return what the operator must know about what came after the backup, and what is left to do."""
    told = ADVICE.format(row=manifest.last_row, made_at=manifest.made_at)
    return "\n".join([told, *manifest.remarks])


def _targets(settings: Settings) -> dict[str, Path]:
    """Return where each part goes, by its place in the backup; "" is all that is not elsewhere."""
    targets = {"": settings.data_dir}
    state = make_url(settings.state_location())
    if state.get_backend_name() == "sqlite":
        targets["state.db"] = Path(str(state.database))
    targets["journal"] = settings.journal_folder()
    if "archive" in settings.folders():
        targets["archive"] = settings.archive_folder()
    return {
        place: target
        for place, target in targets.items()
        if not place or target.resolve() != (settings.data_dir / place).resolve()
    }


def _check_free(target: Path) -> None:
    """Raise where something is there already, and say so where a service is at work with it."""
    lock = target / "journal" / "lock"
    for file in (lock, target / "lock"):
        if file.exists() and _is_locked(file):
            raise BackupError(f"a service is running on {target}: stop it first")
    occupied = target.is_file() or (target.is_dir() and any(target.iterdir()))
    if occupied:
        raise BackupError(
            f"{target} is not empty: move it away, or restore to another place "
            "(LIFELINE_DATA_DIR). Nothing was changed"
        )


def _is_locked(file: Path) -> bool:
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _copy(folder: Path, place: str, manifest: Manifest, beside: Path, others: list[str]) -> None:
    """Copy the files of one part durably; never links, since what is restored is written to."""
    if place != "state.db":
        for name in ("", *(("snapshots", "journal", "archive/sealed") if not place else ())):
            if not any(name.split("/")[0] == other for other in others if other):
                (beside / name).mkdir(parents=True, exist_ok=True)
    for entry in manifest.files:
        if place and entry.path != place and not entry.path.startswith(f"{place}/"):
            continue
        if not place and any(entry.path == o or entry.path.startswith(f"{o}/") for o in others):
            continue
        inner = entry.path.removeprefix(place).removeprefix("/")
        target = beside / inner if inner else beside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / entry.path, target)
        _sync(target)
    if beside.is_dir():
        for path in [beside, *(path for path in beside.rglob("*") if path.is_dir())]:
            _sync(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
