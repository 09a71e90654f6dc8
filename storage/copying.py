"""Copies of a PostgreSQL database, by its own tool."""

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy.engine import URL


def pg_dump_path() -> str | None:
    """Return where pg_dump is, ``None`` where it is not on the path."""
    return shutil.which("pg_dump")


def dump_postgresql(program: str, url: URL, path: Path) -> str:
    """Write a custom-format dump of one moment to ``path``; return what went wrong, if anything.

    The password goes by the environment, where other users cannot see it.
    """
    command = [program, "-Fc", "--no-owner", "--no-password", "--file", str(path)]
    options = {"--host": url.host, "--port": url.port, "--username": url.username}
    for name, value in options.items():
        command += [name, str(value)] if value is not None else []
    environment = dict(os.environ)
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    done = subprocess.run(  # noqa: S603  the program that the path names
        [*command, str(url.database)], env=environment, capture_output=True, check=False
    )
    return "" if done.returncode == 0 else done.stderr.decode(errors="replace").strip()[-500:]
