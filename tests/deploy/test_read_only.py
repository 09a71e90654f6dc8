"""An installation that the service may only read: as the image's root, as /opt on a host.

The code is root's and compiled ahead; the service runs as nobody and writes to its data alone.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import pytest

from service.settings import ROOT
from tests.conftest import free_port
from tests.service.running import AUTHORIZED, KEY, SMALL_CITY, Sender, environment, wait_for
from tests.test_architecture import PACKAGES

NOBODY = 65_534
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
    "--bounding-set=-all", "--inh-caps=-all",
)  # fmt: skip


def nobody_can_run_python():
    """Whether there is a nobody to become, who may read this interpreter (not one in /root)."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    attempt = [*AS_NOBODY, sys.executable, "-c", "import numba"]
    return subprocess.run(attempt, capture_output=True, check=False, cwd="/").returncode == 0


pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not nobody_can_run_python(), reason="needs root, to become nobody, who can run this Python"
    ),
]


@pytest.fixture(scope="module")
def installation():
    """Return a folder with the code, warmed by root as the Dockerfile does, and data of nobody's."""
    with tempfile.TemporaryDirectory(prefix="lifeline-") as name:
        folder = Path(name)
        code, data = folder / "code", folder / "data"
        leave = shutil.ignore_patterns("__pycache__")
        for package in (*PACKAGES, "config"):
            shutil.copytree(ROOT / package, code / package, ignore=leave)
        shutil.copy(ROOT / "pyproject.toml", code)
        run(code, "-m", "service", "warm")
        data.mkdir()
        os.chown(data, NOBODY, NOBODY)
        folder.chmod(0o755)
        subprocess.run(["chmod", "-R", "a-w,a+rX", code], check=True)
        yield folder


def run(code, *arguments, before=()):
    done = subprocess.run(
        [*before, sys.executable, *arguments],
        cwd=code,
        env=environment() | {"NUMBA_CPU_NAME": "generic"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nobody_compiles_anything_again(installation):
    told = run(installation / "code", "-m", "service", "warm", before=AS_NOBODY)
    assert told.startswith("compiled 0 passes, found ")
    assert int(told.split()[4]) > 0


def test_the_service_runs_with_nothing_but_its_data_to_write_to(installation, broker):
    (installation / "city.yaml").write_text(SMALL_CITY, encoding="utf-8")
    (installation / "city.yaml").chmod(0o644)
    port = free_port()
    given = environment(
        mqtt_url=broker.url,
        mqtt_client_id="lifeline-read-only",
        http_listen=f"127.0.0.1:{port}",
        data_dir=installation / "data",
        catalogue=installation / "city.yaml",
        admin_key=KEY,
    )
    log = (installation / "service.log").open("wb")
    process = subprocess.Popen(
        [*AS_NOBODY, sys.executable, "-m", "service", "serve"],
        cwd=installation / "code",
        env=given | {"NUMBA_CPU_NAME": "generic"},
        stdout=log,
        stderr=log,
    )
    sender = Sender(broker.port, "read-only-sender")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=AUTHORIZED) as http:

            def ready():
                assert process.poll() is None, (installation / "service.log").read_text()
                try:
                    return http.get("/health/ready").status_code == 200
                except httpx.TransportError:
                    return False

            wait_for(ready, "the service is ready", 60)
            sender.reading("gw-bridge", "D1", 155.5)
            alarms = "/api/v1/alarms?channel=bridge/test/deflection"
            wait_for(lambda: http.get(alarms).json()["items"], "an alarm")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (installation / "service.log").read_text()
    finally:
        sender.close()
        process.kill()
        process.wait()
        log.close()
    owners = {path.stat().st_uid for path in (installation / "data").rglob("*")}
    assert owners == {NOBODY}
