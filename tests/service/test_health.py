"""``lifeline health`` and the container's health check."""

import subprocess
import sys

from service.health import ask
from service.settings import ROOT
from tests.conftest import free_port
from tests.service.running import environment, run_lifeline


def check_of_the_container(listen):
    return subprocess.run(
        [sys.executable, "-m", "service.health"],
        cwd=ROOT,
        env=environment(http_listen=listen),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_service_that_is_well_is_told_so(service):
    for listen in (f"127.0.0.1:{service.port}", f"0.0.0.0:{service.port}"):
        told = check_of_the_container(listen)
        assert (told.returncode, told.stdout) == (0, "well\n")
    told = run_lifeline("health", "--ready", http_listen=f"127.0.0.1:{service.port}")
    assert (told.returncode, told.stdout) == (0, "well\n")


def test_nobody_who_answers_is_not_well():
    listen = f"127.0.0.1:{free_port()}"
    for told in (check_of_the_container(listen), run_lifeline("health", http_listen=listen)):
        assert told.returncode == 1
        assert f"no answer at {listen}" in told.stderr
        assert "Traceback" not in told.stderr


def test_who_answers_something_else_is_not_well(broker):
    well, words = ask(broker.host, broker.port, "live")
    assert not well
    assert words.startswith("no answer")
