"""The unit, its settings' file, and what systemd itself says of them."""

import re
import shutil
import subprocess
import tomllib

import pytest

from service.settings import ROOT, Settings
from tests.deploy.files import DEPLOY, is_setting
from tools.reference import EXAMPLE, example

UNIT = DEPLOY / "systemd" / "lifeline.service"


def settings_of_unit():
    """Return (name, value) of the unit's lines, in order."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("=", 1)) for line in lines if re.match(r"^[A-Z]\w*=", line)]


def all_of(name):
    return [value for each, value in settings_of_unit() if each == name]


def test_it_is_ready_when_the_service_says_so_and_starts_again_for_ever():
    assert all_of("Type") == ["notify"]
    assert all_of("Restart") == ["always"]
    assert all_of("StartLimitIntervalSec") == ["0"]
    assert all_of("WatchdogSec") == ["60"]


def test_every_variable_is_a_setting_and_every_credential_is_used():
    variables = dict(value.split("=", 1) for value in all_of("Environment"))
    for variable in variables:
        assert variable == "NUMBA_CPU_NAME" or is_setting(variable), variable
    loaded = {value.partition(":")[0] for value in all_of("LoadCredential")}
    used = {value.removeprefix("%d/") for value in variables.values() if value.startswith("%d/")}
    assert loaded == used


def test_no_secret_stands_in_the_unit():
    assert not re.search(r"(KEY|URL)=", UNIT.read_text(encoding="utf-8"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_no_fault_and_little_exposure(tmp_path):
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    # What a host has and this machine need not have: the program and its user.
    for theirs, here in (
        ("/opt/lifeline/.venv/bin/lifeline", "/bin/true"),
        ("file:///opt", "file:///etc"),
    ):
        text = text.replace(theirs, here)
    unit.write_text(text, encoding="utf-8")
    told = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert UNIT.name not in told.stderr, told.stderr
    exposed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    level = re.search(r"exposure level for \S+: ([\d.]+)", exposed.stdout)
    assert level is not None, exposed.stderr
    assert float(level[1]) <= 2.0


def test_the_example_of_the_settings_is_up_to_date():
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "run `make reference`"


def test_the_example_says_nothing_and_without_its_marks_it_says_the_defaults(monkeypatch):
    text = EXAMPLE.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}
    given = tomllib.loads(re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE))
    for variable in Settings.model_fields:
        monkeypatch.delenv(f"LIFELINE_{variable.upper()}", raising=False)
    monkeypatch.chdir(ROOT)
    said, plain = Settings(**given), Settings()
    for name in Settings.model_fields:
        if name != "templates":  # relative to the checkout here, whole in the code
            assert getattr(said, name) == getattr(plain, name), name
