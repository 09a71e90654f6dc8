"""The demonstration's small parts; ``make run`` itself is tried in a clean clone."""

import io
import json
import os
import socket
from types import SimpleNamespace

import pytest
from rich.console import Console

from service import broker, demo
from service.demo import DemoError, Places
from tests.conftest import free_port


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("LIFELINE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def places(tmp_path):
    return Places(8080, 1883, "mqtt://127.0.0.1:1883", tmp_path, "key")


@pytest.mark.parametrize("variable", ["LIFELINE_HTTP_PORT", "LIFELINE_MQTT_PORT"])
def test_a_taken_port_names_the_variable_and_the_remedy(variable, monkeypatch, tmp_path):
    monkeypatch.setenv("LIFELINE_HTTP_PORT", str(free_port()))
    monkeypatch.setenv("LIFELINE_MQTT_PORT", str(free_port()))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv(variable, str(port))
        with pytest.raises(DemoError) as told:
            demo._places(tmp_path)
    assert f"port {port} is taken (Address already in use)" in str(told.value)
    assert f"make run {variable}=" in str(told.value)


@pytest.mark.parametrize("text", ["http", "0", "-1", "65536", "", "８０８０"])
def test_a_port_that_is_none_is_told(text, monkeypatch, tmp_path):
    monkeypatch.setenv("LIFELINE_MQTT_PORT", text)
    with pytest.raises(DemoError, match="LIFELINE_MQTT_PORT is a port from 1 to 65535"):
        demo._places(tmp_path)


def test_the_same_port_twice_is_told(monkeypatch, tmp_path):
    port = str(free_port())
    monkeypatch.setenv("LIFELINE_HTTP_PORT", port)
    monkeypatch.setenv("LIFELINE_MQTT_PORT", port)
    with pytest.raises(DemoError, match="the same port"):
        demo._places(tmp_path)


@pytest.mark.parametrize(("installed", "options"), [(True, ""), (False, "?version=3.1.1")])
def test_the_service_speaks_the_brokers_version(installed, options, monkeypatch, tmp_path):
    port = str(free_port())
    monkeypatch.setenv("LIFELINE_HTTP_PORT", str(free_port()))
    monkeypatch.setenv("LIFELINE_MQTT_PORT", port)
    monkeypatch.setattr(broker, "find_mosquitto", lambda: "mosquitto" if installed else None)
    told = demo._service_environment(demo._places(tmp_path))
    assert told["LIFELINE_MQTT_URL"] == f"mqtt://127.0.0.1:{port}{options}"


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path, monkeypatch):
    folder = tmp_path / "new"
    key = demo._key(folder)
    assert key.startswith("demo-")
    assert len(key) > 20
    assert demo._key(folder) == key
    assert (folder / "demonstration.key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("LIFELINE_ADMIN_KEY", "mine")
    assert demo._key(folder) == "mine"


def test_the_service_is_told_where_to_listen_and_settings_given_win(places, monkeypatch):
    told = demo._service_environment(places)
    assert told["LIFELINE_HTTP_LISTEN"] == "127.0.0.1:8080"
    assert told["LIFELINE_MQTT_URL"] == "mqtt://127.0.0.1:1883"
    [catalogue] = json.loads(told["LIFELINE_CATALOGUE"])
    assert catalogue.endswith("demo.yaml")
    monkeypatch.setenv("LIFELINE_DATA_DIR", "/elsewhere")
    assert demo._service_environment(places)["LIFELINE_DATA_DIR"] == "/elsewhere"


def test_a_broker_of_its_own_is_spoken_to_as_it_understands(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_check_free", lambda *_: None)
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    assert demo._places(tmp_path).mqtt_url == "mqtt://127.0.0.1:1883?version=3.1.1"


def test_a_broker_that_is_named_is_used_and_none_started(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_check_free", lambda *_: None)
    monkeypatch.setenv("LIFELINE_MQTT_URL", "mqtt://me:secret@broker:1884")
    places = demo._places(tmp_path)
    assert demo._service_environment(places)["LIFELINE_MQTT_URL"] == places.mqtt_url
    assert places.mqtt_url == "mqtt://me:secret@broker:1884"
    assert not demo._own_broker()
    assert demo._without_password(places.mqtt_url) == "mqtt://broker:1884"


@pytest.mark.parametrize(
    ("text", "live"),
    [('{"live": true}', True), ('{"live": false}', False), ("{", False), (None, False)],
)
def test_the_city_is_live_when_it_says_so(tmp_path, text, live):
    path = tmp_path / "city.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert demo._is_live(path) is live


def test_a_child_that_stopped_is_shown_with_its_last_words():
    children = [
        SimpleNamespace(name="broker", running=True),
        SimpleNamespace(name="service", running=False, last_words=lambda: "out of disk"),
    ]
    with pytest.raises(DemoError, match=r"the service has stopped(?s:.*)out of disk"):
        demo._check_running(children)


def test_a_service_that_does_not_answer_gives_nothing(tmp_path):
    assert (
        demo._fetch(
            Places(free_port(), 1883, "mqtt://127.0.0.1:1883", tmp_path, "key"), "/health/ready"
        )
        is None
    )


def alarm(**changes):
    return {
        "grade": "red",
        "peak_grade": "red",
        "active": True,
        "acknowledged": False,
        "kind": "bridge",
        "active_since": "2026-03-01T08:00:00Z",
        "text": {"zh": "沿江大桥 红色预警", "en": "Riverside [bold]Bridge[/] red"},
        **changes,
    }


def test_the_table_shows_alarms_in_both_languages_and_no_markup_of_theirs():
    shown = Console(file=io.StringIO(), width=120)
    returned = alarm(active=False, grade="normal", peak_grade="blue", acknowledged=True)
    shown.print(demo._table({"items": [alarm(), returned]}))
    text = shown.file.getvalue()
    assert "Riverside [bold]Bridge[/] red" in text
    assert "沿江大桥 红色预警" in text
    assert "08:00:00" in text
    assert "returned, acknowledged" in text
    assert "blue" in text


def test_the_table_is_empty_while_the_service_does_not_answer():
    shown = Console(file=io.StringIO(), width=120)
    shown.print(demo._table(None))
    assert "Open alarms" in shown.file.getvalue()
