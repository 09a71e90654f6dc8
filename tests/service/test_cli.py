"""The command line: exit codes and messages, never a traceback."""

import json
import socket

import pytest
from typer.testing import CliRunner

from service.__main__ import app
from service.settings import ROOT, Settings
from tests.conftest import free_port, start_broker
from tests.service.running import SMALL_CITY, run_lifeline

COMMANDS = (
    "serve", "demo", "simulate", "health", "warm", "publish", "replay", "real", "check", "catalogue",
    "catalogue import",
)  # fmt: skip


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in this process: what needs no service of its own is over at once."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LIFELINE_{name.upper()}", raising=False)
    monkeypatch.setenv("LIFELINE_DATA_DIR", str(tmp_path / "data"))
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return invoke


@pytest.fixture
def city(tmp_path):
    path = tmp_path / "city.yaml"
    path.write_text(SMALL_CITY, encoding="utf-8")
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_the_help_names_every_command(run):
    output = run("--help").output
    assert all(command.split()[0] in output for command in COMMANDS)


def test_a_good_catalogue_is_summed_up(run, city):
    result = run("check", city)
    assert result.exit_code == 0
    assert "gateways: 2" in result.stdout
    assert result.stderr == ""


def test_the_demonstrations_catalogue_is_good(run):
    result = run("check", ROOT / "config" / "sites" / "demo.yaml")
    assert result.exit_code == 0
    assert "facilities: 10" in result.stdout


def test_every_recordings_catalogue_is_good(run):
    files = sorted((ROOT / "recordings").glob("*/catalogue.yaml"))
    assert files
    for file in files:
        assert run("check", file).exit_code == 0, file


def test_a_bad_catalogue_is_told_with_file_line_and_count(run, city):
    city.write_text(SMALL_CITY.replace("quantity: methane", "quantity: joy"), encoding="utf-8")
    result = run("check", city)
    assert result.exit_code == 1
    assert f"{city}:54: " in result.stderr
    assert "1 fault" in result.stderr


def test_a_catalogue_file_that_is_not_there_is_named(run):
    for command in (("check",), ("catalogue", "import")):
        result = run(*command, "nowhere.yaml")
        assert result.exit_code == 1
        assert "nowhere.yaml" in result.stderr


def test_importing_makes_a_revision_of_what_changed_and_none_of_what_is_bad(tmp_path, city):
    def imported(text):
        city.write_text(text, encoding="utf-8")
        told = run_lifeline("catalogue", "import", city, data_dir=tmp_path)
        return told.returncode, json.loads(told.stdout or "null")

    assert imported(SMALL_CITY) == (0, {"revision": 1})
    assert imported(SMALL_CITY) == (0, {"revision": 1})
    assert imported(SMALL_CITY.replace("quantity: methane", "quantity: joy")) == (1, None)
    assert imported(SMALL_CITY.replace("Testville", "Testtown")) == (0, {"revision": 2})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("north", "gw", "temperature=warm"), "temperature: 'warm' is not a number"),
        (("north", "gw", "temperature=nan"), "temperature: 'nan' is not a number"),
        (("north", "gw", "temperature"), "write name=value"),
        (("north", "gw", "=5"), "write name=value"),
        (("north", "Gw!", "temperature=5"), "not an id: 'Gw!'"),
        (("north", "gw", "t=5", "--mqtt-url", "http://u:hunter2@x"), "write mqtt[s]://"),
    ],
)
def test_publishing_nonsense_is_refused_before_anything_is_sent(run, arguments, words):
    result = run("publish", *arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "hunter2" not in result.output


def test_publishing_to_nobody_says_so_and_keeps_the_password(run, monkeypatch):
    monkeypatch.setattr("service.publish.TIMEOUT_S", 0.5)
    url = f"mqtt://user:hunter2@127.0.0.1:{free_port()}"
    result = run("publish", "north", "gw", "t=5", "--mqtt-url", url)
    assert result.exit_code == 1
    assert "no broker answers at mqtt://user@127.0.0.1:" in result.stderr
    assert "hunter2" not in result.output


def test_publishing_with_wrong_credentials_says_that_the_broker_refuses(run, tmp_path):
    broker = start_broker(tmp_path / "broker", allow_anonymous="false")
    result = run("publish", "north", "gw", "t=5", "--mqtt-port", broker.port)
    broker.stop()
    assert result.exit_code == 1
    assert "the broker refuses: lifeline/v1/north/gw/status" in result.stderr


def test_publishing_shows_the_topic_and_the_payload(run, tmp_path):
    broker = start_broker(tmp_path / "broker")
    result = run("publish", "north", "gw", "t=5", "水位=1.5", "--mqtt-port", broker.port)
    broker.stop()
    assert result.exit_code == 0
    topic, _, payload = result.stdout.partition(" ")
    assert topic == "lifeline/v1/north/gw/data/json"
    assert json.loads(payload)["values"] == {"t": 5, "水位": 1.5}


def test_serving_from_a_folder_that_cannot_be_made_says_so():
    result = run_lifeline("serve", http_listen="127.0.0.1:0", data_dir="/dev/null/x")
    assert result.returncode == 1
    assert "data_dir /dev/null/x: Not a directory" in result.stderr
    assert "Traceback" not in result.stderr


def test_serving_beyond_loopback_without_a_key_names_the_remedy(tmp_path):
    listen = f"0.0.0.0:{free_port()}"
    result = run_lifeline("serve", http_listen=listen, data_dir=tmp_path)
    assert result.returncode == 1
    assert "LIFELINE_ADMIN_KEY" in result.stderr
    assert listen in result.stderr
    assert "Traceback" not in result.stderr


def test_serving_on_a_taken_port_names_the_remedy(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        result = run_lifeline("serve", http_listen=listen, data_dir=tmp_path)
    assert result.returncode == 1
    assert f"cannot listen on {listen} (Address already in use)" in result.stderr
    assert "LIFELINE_HTTP_LISTEN" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--clock", "moon"),
        ("real", "--data", "nowhere", "nonsense"),
        ("replay", "nowhere", "--data", "nowhere"),
        ("unknown",),
        ("publish",),
    ],
)
def test_a_wrong_call_fails_without_a_traceback(run, arguments):
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert result.stderr
    assert "Traceback" not in result.output
