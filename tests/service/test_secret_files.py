"""Secrets in files: read, stripped, and never shown."""

import subprocess
import sys

import pytest

from service.secret_files import secret_names
from service.settings import ROOT, Settings, SettingsError, load_settings
from tests.conftest import free_port
from tests.service.running import environment, run_lifeline

SECRETS = secret_names(Settings)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LIFELINE_{name.upper()}", raising=False)
    monkeypatch.delenv("LIFELINE_SETTINGS", raising=False)


@pytest.fixture
def secret(tmp_path, monkeypatch):
    def write(name, content, mode=0o600):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        monkeypatch.setenv(f"LIFELINE_{name.upper()}_FILE", str(path))
        return path

    return write


def test_the_settings_that_hold_secrets_are_known():
    assert {"mqtt_url", "state_url", "archive_url", "admin_key"} <= set(SECRETS)
    assert "http_listen" not in SECRETS


VALUES = {
    "journal_url": "postgresql://u:hunter2@database/x",
    "mqtt_url": "mqtt://u:hunter2@broker",
    "state_url": "sqlite:///hunter2.db",
    "archive_url": "duckdb:///hunter2",
}


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_is_read_from_its_file(secret, name):
    value = VALUES.get(name, "hunter2")
    secret(name, f"\n {value} \n")
    if name == "journal_url":  # which must be the state's
        secret("state_url", value)
    settings = load_settings()  # a new secret needs a value in VALUES
    assert getattr(settings, name).get_secret_value() == value
    assert "hunter2" not in repr(settings)


def test_a_secret_given_twice_is_an_error_that_shows_neither(secret, monkeypatch):
    secret("admin_key", "hunter2")
    monkeypatch.setenv("LIFELINE_ADMIN_KEY", "hunter3")
    with pytest.raises(SettingsError, match="LIFELINE_ADMIN_KEY_FILE are both given") as told:
        load_settings()
    assert "hunter" not in str(told.value)


@pytest.mark.parametrize("content", ["", "  \n", b"\xff\xfehunter2", "hunter2" * 10_000])
def test_a_file_without_a_secret_in_it_is_an_error(secret, content):
    path = secret("admin_key", content)
    with pytest.raises(SettingsError, match=f"LIFELINE_ADMIN_KEY_FILE: {path}") as told:
        load_settings()
    assert "hunter2" not in str(told.value)


def test_a_file_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("LIFELINE_MQTT_URL_FILE", "/nowhere/mqtt")
    with pytest.raises(SettingsError, match="LIFELINE_MQTT_URL_FILE: /nowhere/mqtt: No such file"):
        load_settings()


def test_a_bad_secret_in_a_file_is_told_without_it(secret):
    secret("mqtt_url", "amqp://user:hunter2@broker")
    with pytest.raises(SettingsError, match="LIFELINE_MQTT_URL: ") as told:
        load_settings()
    assert "hunter2" not in str(told.value)


def test_files_that_everybody_may_read_are_found(secret, tmp_path, monkeypatch):
    open_file = secret("admin_key", "hunter2", 0o644)
    key = tmp_path / "client.key"
    key.write_text("key")
    key.chmod(0o604)
    url = f"mqtts://broker?cert=client.crt&key={key}"
    secret("mqtt_url", url, 0o640)
    toml = tmp_path / "lifeline.toml"
    toml.write_text('clock = "wall"\n')
    toml.chmod(0o644)
    monkeypatch.setenv("LIFELINE_SETTINGS", str(toml))
    assert sorted(load_settings().exposed_files()) == sorted([str(open_file), str(key)])
    toml.write_text('state_url = "sqlite:///x.db"\n')
    assert str(toml) in load_settings().exposed_files()


def test_a_start_with_everything_wrong_says_no_secret(tmp_path, secret, monkeypatch):
    """Each secret is wrong in turn, and each in a way that gets further."""
    starts = [
        {"mqtt_url": "amqp://u:hunter2@x", "state_url": "mysql://u:hunter2@x/y"},
        {"archive_url": "nothing://u:hunter2@x/y", "admin_key": "hunter2"},
        {"state_url": "sqlite:////dev/null/hunter2-is-a-path/state.db", "admin_key": "hunter2"},
    ]
    for number, wrong in enumerate(starts):
        result = run_lifeline(
            "serve",
            http_listen="127.0.0.1:0",
            data_dir=tmp_path / str(number),
            log_level="debug",
            **wrong,
        )
        assert result.returncode == 1
        assert result.stderr
        shown = (result.stdout + result.stderr).replace("hunter2-is-a-path", "")
        assert "hunter2" not in shown, shown


def test_who_waits_for_the_database_says_so_and_no_secret(tmp_path):
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x"
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve"],
        cwd=ROOT,
        env=environment(
            http_listen="127.0.0.1:0", data_dir=tmp_path, state_url=url, log_level="debug"
        ),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        shown = []
        for line in process.stderr:
            shown.append(line)
            if "waiting for the state database" in line:
                break
        assert "waiting" in shown[-1], shown
        assert "hunter2" not in "".join(shown)
    finally:
        process.terminate()
        process.communicate(timeout=30)
