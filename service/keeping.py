"""``lifeline backup`` and ``lifeline restore``: asks the running service, or does it itself."""

import asyncio
import http.client
import json
import time
import urllib.error
import urllib.request
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from service.backup import BackupMaker, Progress
from service.manifest import BackupError, Manifest
from service.opening import open_stores
from service.restore import advice, check, restore
from service.settings import Settings, SettingsError, load_settings
from storage.archive import ArchiveError
from storage.journal import JournalError
from storage.state import StateError

LOOK_S = 0.2
ASK_TIMEOUT_S = 30.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where to ask, not to listen


def program_version() -> str:
    """Return the version of this program."""
    try:
        return version("lifeline")
    except PackageNotFoundError:
        return "0.1.0"


def ask_service(settings: Settings, folder: Path, key: str) -> dict[str, Any] | None:
    """Have the running service make the backup; ``None`` where none is listening.

    Raises ``BackupError`` where it refuses or fails.
    """
    begun = _ask(settings, key, {"folder": str(folder)})
    while begun is not None and begun["state"] == "running":
        time.sleep(LOOK_S)
        listed = _ask(settings, key, None)
        if listed is None:
            raise BackupError("the service ended before the backup did: there is none")
        begun = next(one for one in listed["items"] if one["started_at"] == begun["started_at"])
    if begun is not None and begun["state"] == "failed":
        raise BackupError(begun["problem"])
    return begun


def _ask(settings: Settings, key: str, body: dict[str, str] | None) -> dict[str, Any] | None:
    host = _ANYWHERE.get(settings.http_host, settings.http_host)
    place = f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}/api/v1/backups"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(place, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=ASK_TIMEOUT_S) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        with error:
            told = json.loads(error.read() or b"{}")
        raise BackupError(f"{told.get('detail', error)} {told.get('remedy', '')}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return None
        raise BackupError(f"the service at {place} does not answer: {error.reason}") from None
    except TimeoutError:
        raise BackupError(f"the service at {place} does not answer") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        message = f"the service at {place} broke off its answer ({error!r}): see whether it runs"
        raise BackupError(message) from None


async def make_offline(settings: Settings, folder: Path) -> Manifest:
    """Make a backup of what no service is at work with; raises ``BackupError`` and stores' errors."""
    if not settings.journal_folder().exists():
        raise BackupError(f"there is nothing to back up: {settings.journal_folder()} is not there")
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        maker = BackupMaker(settings, stores, time.time_ns)
        progress = Progress(str(folder), "command line", time.time_ns())
        return await maker.make(folder, program_version(), progress)


def _fail(message: object) -> typer.Exit:
    typer.echo(str(message), err=True)
    return typer.Exit(1)


def backup_command(folder: Path, key: str | None) -> None:
    """Make a backup of everything, by the running service or, where none runs, directly."""
    try:
        settings = load_settings()
        folder = folder.absolute()
        secret = key or (settings.admin_key.get_secret_value() if settings.admin_key else "")
        made = ask_service(settings, folder, secret)
        if made is None:
            asyncio.run(make_offline(settings, folder))
        manifest = check(folder)
    except (BackupError, SettingsError, JournalError, StateError, ArchiveError, OSError) as error:
        raise _fail(f"no backup was made: {error}") from None
    _tell(manifest, "a backup")
    for remark in manifest.remarks:
        typer.echo(remark)


def restore_command(folder: Path, *, check_only: bool) -> None:
    """Check a backup and put it in the (empty) place of the data directory."""
    try:
        manifest = check(folder) if check_only else restore(folder, load_settings())
    except (BackupError, SettingsError) as error:
        raise _fail(error) from None
    _tell(manifest, "a whole backup" if check_only else "restored")
    if not check_only:
        typer.echo(advice(manifest))


def _tell(manifest: Manifest, what: str) -> None:
    typer.echo(
        f"{what}: made {manifest.made_at} by version {manifest.version}, journal rows "
        f"{manifest.first_row} to {manifest.last_row}, catalogue revision {manifest.revision}, "
        f"{len(manifest.files)} files, {manifest.bytes} bytes"
    )
