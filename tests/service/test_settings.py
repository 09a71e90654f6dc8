"""Settings: one TOML file, the environment of the same names, and clear errors for bad values."""

from pathlib import Path

import pytest

from service.settings import Settings, SettingsError, load_settings
from tests.servers.receiver import SECRET as SIGNING


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LIFELINE_{name.upper()}", raising=False)
    monkeypatch.delenv("LIFELINE_SETTINGS", raising=False)


@pytest.fixture
def file(tmp_path, monkeypatch):
    def write(text: str) -> Path:
        path = tmp_path / "lifeline.toml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("LIFELINE_SETTINGS", str(path))
        return path

    return write


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name):
    assert Settings.model_fields[name].description


def test_without_any_setting_it_listens_on_loopback_with_open_reads():
    settings = load_settings()
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert settings.open_reads
    assert settings.journal_folder() == Path(".lifeline/journal")
    assert settings.state_location() == "sqlite:///.lifeline/state.db"
    assert settings.archive_folder() == Path(".lifeline/archive")


def test_the_environment_wins_over_the_file_and_arguments_over_both(file, monkeypatch):
    file('http_listen = "127.0.0.1:1"\nmqtt_client_id = "file"\nclock = "data"\n')
    monkeypatch.setenv("LIFELINE_MQTT_CLIENT_ID", "environment")
    settings = load_settings(clock="wall", data_dir=None)
    assert settings.http_port == 1
    assert settings.mqtt_client_id == "environment"
    assert settings.clock == "wall"


def test_urls_say_where_things_are_kept(file):
    file(
        'state_url = "sqlite:////var/lib/state.db"\narchive_url = "duckdb:///var/lib/archive"\n'
        'journal_dir = "/var/lib/journal"\n'
    )
    settings = load_settings()
    assert settings.state_location() == "sqlite:////var/lib/state.db"
    assert settings.archive_folder() == Path("/var/lib/archive")
    assert settings.journal_folder() == Path("/var/lib/journal")


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ('["a.yaml", "b.yaml"]', ["a.yaml", "b.yaml"]),
        ("a.yaml", ["a.yaml"]),
        ("a.yaml:sites/b.yaml", ["a.yaml", "sites/b.yaml"]),
    ],
)
def test_catalogue_files_are_a_list_or_paths(monkeypatch, text, files):
    monkeypatch.setenv("LIFELINE_CATALOGUE", text)
    assert load_settings().catalogue == [Path(name) for name in files]


def test_catalogue_files_in_the_settings_file_are_a_list(file):
    file('catalogue = ["a.yaml"]\n')
    assert load_settings().catalogue == [Path("a.yaml")]


@pytest.mark.parametrize(
    ("listen", "open_reads"),
    [("[::1]:80", True), ("localhost:80", True), ("0.0.0.0:80", False), ("10.0.0.1:80", False)],
)
def test_reads_are_open_on_loopback_only(listen, open_reads):
    assert load_settings(http_listen=listen).open_reads is open_reads


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("HTTP_LISTEN", "8080", "host:port"),
        ("HTTP_LISTEN", "127.0.0.1:http", "host:port"),
        ("HTTP_LISTEN", "127.0.0.1:70000", "host:port"),
        ("MQTT_URL", "http://broker", "mqtt[s]://user:password@host:port"),
        ("STATE_URL", "mysql://x", "sqlite:// or postgresql://"),
        ("ARCHIVE_URL", "influxdb://x", "influxdb[s]://"),
        ("ARCHIVE_URL", "parquet:///x", "duckdb:///folder"),
        ("ARCHIVE_URL", "duckdb://", "duckdb:///folder"),
        ("CATALOGUE", '["a.yaml"', "delimiter"),
        ("CLOCK", "moon", "'wall' or 'data'"),
        ("SNAPSHOT_INTERVAL_S", "0", "greater than 0"),
        ("JOURNAL_BYTES_MAX", "much", "integer"),
        ("LOG_LEVEL", "loud", "'debug'"),
    ],
)
def test_a_bad_value_is_named_with_what_to_write(monkeypatch, name, value, remedy):
    monkeypatch.setenv(f"LIFELINE_{name}", value)
    with pytest.raises(SettingsError) as told:
        load_settings()
    assert f"LIFELINE_{name}: " in str(told.value)
    assert remedy in str(told.value)


def test_all_bad_values_are_told_at_once_and_no_secret_with_them(monkeypatch):
    monkeypatch.setenv("LIFELINE_MQTT_URL", "amqp://user:hunter2@broker")
    monkeypatch.setenv("LIFELINE_CLOCK", "moon")
    with pytest.raises(SettingsError) as told:
        load_settings()
    assert str(told.value).count("LIFELINE_") == 2
    assert "hunter2" not in str(told.value)


def test_no_secret_is_shown_by_the_settings_themselves():
    settings = load_settings(mqtt_url="mqtt://user:hunter2@broker", admin_key="hunter3")
    assert "hunter" not in repr(settings)


def test_a_settings_file_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("LIFELINE_SETTINGS", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"nowhere\.toml.*No such file"):
        load_settings()


def test_a_settings_file_that_is_not_toml_is_an_error(file):
    file("http_listen = [")
    with pytest.raises(SettingsError, match=r"lifeline\.toml: "):
        load_settings()


def test_a_name_that_is_no_setting_is_an_error_in_the_file(file):
    file('http_listne = "127.0.0.1:1"\n')
    with pytest.raises(SettingsError, match=r"http_listne: there is no such setting.*http_listen"):
        load_settings()


def test_webhooks_stand_in_tables_of_the_file(file, tmp_path):
    secrets = tmp_path / "secrets"
    secrets.write_text(f"{SIGNING}\n{SIGNING[:-4]}AAAA\n")
    file(
        f'[[webhooks]]\nname = "city"\nurl = "https://city.example/x"\nsecret = "{SIGNING}"\n'
        f'[[webhooks]]\nname = "two"\nurl = "http://10.0.0.7/"\nsecret_file = "{secrets}"\n'
        'grade_min = "orange"\nfacility_kinds = ["bridge"]\nfaults = false\n'
    )
    first, second = [given.endpoint() for given in load_settings().webhooks]
    assert (first.name, first.secrets, first.grade_min) == ("city", (SIGNING,), 1)
    assert len(second.secrets) == 2
    assert (second.grade_min, second.facility_kinds, second.faults) == (3, {"bridge"}, False)


def test_webhooks_stand_as_json_in_the_environment_and_show_nothing(monkeypatch):
    hook = f'[{{"name": "city", "url": "https://city.example/path", "secret": ["{SIGNING}"]}}]'
    monkeypatch.setenv("LIFELINE_WEBHOOKS", hook)
    settings = load_settings()
    assert settings.webhooks[0].endpoint().url == "https://city.example/path"
    assert SIGNING not in repr(settings)
    assert "path" not in repr(settings.webhooks)


@pytest.mark.parametrize(
    "wrong",
    [
        '"url": "https://user:hidden@x/", "secret": "%s"' % SIGNING,  # noqa: UP031
        '"url": "ftp://hidden/", "secret": "%s"' % SIGNING,  # noqa: UP031
        '"url": "https://x/hidden", "secret": "hidden"',
        '"url": "https://x/hidden"',
        '"url": "https://x/hidden", "secret": "%s", "grade_min": "pink"' % SIGNING,  # noqa: UP031
    ],
)
def test_a_webhook_that_makes_no_sense_is_refused_without_being_repeated(monkeypatch, wrong):
    monkeypatch.setenv("LIFELINE_WEBHOOKS", f'[{{"name": "city", {wrong}}}]')
    with pytest.raises(SettingsError, match="LIFELINE_WEBHOOKS") as caught:
        load_settings()
    assert "hidden" not in str(caught.value)
    assert SIGNING not in str(caught.value)


def test_two_webhooks_of_one_name_are_refused(monkeypatch):
    hook = f'{{"name": "city", "url": "https://x/", "secret": "{SIGNING}"}}'
    monkeypatch.setenv("LIFELINE_WEBHOOKS", f"[{hook}, {hook}]")
    with pytest.raises(SettingsError, match="twice"):
        load_settings()


@pytest.mark.parametrize("text", [None, "", "nonsense"])
def test_a_secret_file_that_is_of_no_use_is_said(monkeypatch, tmp_path, text):
    path = tmp_path / "secrets"
    if text is not None:
        path.write_text(text)
    hook = f'[{{"name": "city", "url": "https://x/", "secret_file": "{path}"}}]'
    monkeypatch.setenv("LIFELINE_WEBHOOKS", hook)
    [given] = load_settings().webhooks
    with pytest.raises(ValueError, match="secrets"):
        given.endpoint()


def test_a_journal_in_postgresql_has_no_folder_here(monkeypatch, tmp_path):
    """Or the watch over the disks looks at a folder that nobody makes, and nothing starts."""
    monkeypatch.setenv("LIFELINE_DATA_DIR", str(tmp_path))
    assert load_settings().folders()["journal"] == tmp_path / "journal"
    url = "postgresql://lifeline:secret@db/lifeline"
    monkeypatch.setenv("LIFELINE_STATE_URL", url)
    monkeypatch.setenv("LIFELINE_JOURNAL_URL", url)
    assert set(load_settings().folders()) == {"snapshots", "archive"}
