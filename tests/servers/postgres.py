"""A real PostgreSQL of our own: made, started, killed as by a power failure, started again.

``with PostgresServer() as server: server.new_database()``. Its folder is a temporary one, because the
server refuses to run as root and its own user cannot enter the folders of tests.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any, Self

PASSWORD = "secret of the tests"
START_TIMEOUT_S = 30.0
OPTIONS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_min_messages": "warning",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def find_programs() -> Path:
    """Return the folder of initdb and postgres: Debian keeps them out of the path, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    path = shutil.which("postgres")
    assert path, "PostgreSQL is not installed: apt-get install postgresql"
    return Path(path).parent


class PostgresServer:
    """A server on a free port of the loopback, stopped and removed by ``close``."""

    def __init__(self, **options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lifeline-postgres-"))
        self.port = free_port()
        self.options = {**OPTIONS, **options}
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        self._programs = find_programs()
        self._user = self._become()
        self._init()

    def _become(self) -> dict[str, Any]:
        """Return how child processes are started: as another user where we are root."""
        if os.geteuid() != 0:
            return {}
        account = pwd.getpwnam("postgres")
        os.chown(self.folder, account.pw_uid, account.pw_gid)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _init(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", self._data, "-U", "lifeline", "-E", "UTF8", "--locale=C", "--no-sync",
            "--auth=scram-sha-256", f"--pwfile={secret}",
        )  # fmt: skip

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self._programs / program, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": PASSWORD},
            check=True,
            capture_output=True,
            **self._user,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def url(self, database: str = "postgres") -> str:
        return (
            f"postgresql://lifeline:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"
        )

    def start(self, *, wait: bool = True) -> None:
        settings = {**self.options, "port": self.port, "unix_socket_directories": self.folder}
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, *given],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._user,
            )
        if wait:
            self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process is not None
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline_s, self.log
            time.sleep(0.02)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it in order; SIGINT ends the sessions there are, SIGTERM waits for them."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """End it as a power failure would: the postmaster and each of its children, at once."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no more of them
        children = self._children()
        self._process.kill()
        for child in children:
            with_process(child, signal.SIGKILL)
        self._process.wait(START_TIMEOUT_S)
        for child in children:
            wait_for_end(child)
        self._process = None

    def freeze(self) -> None:
        """Have it stand still, as a machine does whose disk hangs; ``thaw`` ends that."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        for child in self._children():
            with_process(child, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        for child in self._children():
            with_process(child, signal.SIGCONT)
        self._process.send_signal(signal.SIGCONT)

    def _children(self) -> list[int]:
        assert self._process is not None
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(number) for number in listed.split()]

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self, template: str = "template0") -> str:
        """Make a database, empty or a copy of another one of ours; return its URL."""
        name = f"lifeline_{next(self._names)}"
        self._run(
            "createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "lifeline",
            "-T", template, "--strategy=wal_log", name,
        )  # fmt: skip
        return self.url(name)


def with_process(process_id: int, number: signal.Signals) -> None:
    try:
        os.kill(process_id, number)
    except ProcessLookupError:
        return


def wait_for_end(process_id: int) -> None:
    """Wait until a process is gone, or is nothing but a name that nobody asks after."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state in "ZX":
            return
        time.sleep(0.005)
