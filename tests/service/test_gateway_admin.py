"""``lifeline gateway`` and ``lifeline keys``: secrets made once, verified by who has to take them."""

import asyncio
import subprocess

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from typer.testing import CliRunner

from service.__main__ import app
from service.gateway_secrets import password_line, put_password
from service.settings import Settings
from storage.audit import AuditLog
from storage.gateway_keys import GatewayKeyStore
from storage.keys import KeyStore
from storage.state import StateEngine
from tests.servers.certificates import Authority
from tests.servers.edge import EdgeBroker
from tests.service.running import SMALL_CITY


@pytest.fixture
def run(monkeypatch, tmp_path):
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
def state(tmp_path):
    """Ask the database that the commands write."""

    def ask(work):
        async def within():
            engine = await StateEngine.open(f"sqlite:///{tmp_path / 'data' / 'state.db'}")
            try:
                return await work(engine)
            finally:
                await engine.close()

        return asyncio.run(within())

    return ask


def shown(result, word):
    lines = [line for line in result.stdout.splitlines() if line.startswith(f"{word}: ")]
    return lines[0].partition(": ")[2]


def find(secret):
    return lambda engine: GatewayKeyStore(engine).find_gateway_key(secret)


def connects(url_port, ca, user=None, password=None, certificate=None):
    """Return what a broker answers to a gateway's CONNECT: 0 is welcome."""
    answers = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "probe", protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(user, password)
    files = (str(certificate.file), str(certificate.key)) if certificate else (None, None)
    client.tls_set(str(ca), *files)
    client.on_connect = lambda _c, _d, _f, reason, _p: answers.append(reason.value)
    client.connect("127.0.0.1", url_port)
    while not answers:
        assert client.loop(1.0) == 0 or answers
    client.disconnect()
    return answers[0]


def test_the_password_line_is_the_one_that_mosquitto_takes(run, tmp_path):
    """Beside one that mosquitto_passwd wrote, in the file of a running broker."""
    broker = EdgeBroker(tmp_path / "edge", {"older": "its-password"})
    broker.start()
    try:
        made = run(
            "gateway", "add", "gw-1", "--district", "north", "--password-file", broker.passwords
        )
        assert made.exit_code == 0, made.stderr
        assert "is not in the catalogue" in made.stderr
        broker.reload()
        password = shown(made, "mqtt password")
        ca = broker.authority.file
        assert connects(broker.port, ca, "older", "its-password") == 0
        assert connects(broker.port, ca, "gw-1", password) == 0
        assert connects(broker.port, ca, "gw-1", password[:-1]) == 135
        run("gateway", "revoke", "gw-1", "--password-file", broker.passwords)
        broker.reload()
        assert connects(broker.port, ca, "gw-1", password) == 135
        assert connects(broker.port, ca, "older", "its-password") == 0
    finally:
        broker.stop()


def test_a_client_certificate_is_signed_and_taken_by_the_broker(run, tmp_path):
    broker = EdgeBroker(tmp_path / "edge", {})
    broker.start()
    try:
        folder, authority = tmp_path / "new", broker.authority
        made = run(
            "gateway", "add", "gw-2", "--district", "north", "--ca-cert", authority.file,
            "--ca-key", authority.key, "--certificate-folder", folder,
        )  # fmt: skip
        assert made.exit_code == 0, made.stderr
        certificate = type(broker.server)(folder / "gw-2.crt", folder / "gw-2.key")
        assert certificate.key.stat().st_mode & 0o777 == 0o600
        assert connects(broker.certificate_port, authority.file, certificate=certificate) == 0
        again = run(
            "gateway", "rotate", "gw-2", "--ca-cert", authority.file, "--ca-key", authority.key,
            "--certificate-folder", folder,
        )  # fmt: skip
        assert again.exit_code == 1
        assert "gw-2.crt is there already" in again.stderr
    finally:
        broker.stop()


def test_secrets_are_shown_once_and_kept_as_hashes_only(run, state, tmp_path):
    made = run("gateway", "add", "gw-1", "--district", "north")
    password, key = shown(made, "mqtt password"), shown(made, "http key")
    assert shown(made, "password line").startswith("gw-1:$7$101$")
    found = state(find(key))
    assert (found.gateway, found.district) == ("gw-1", "north")
    listed = run("gateway", "list").output
    assert f"gw-1\tnorth\tkey {found.id}" in listed
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    for secret in (password, key):
        assert secret not in listed
        assert secret.encode() not in kept


def test_a_gateway_is_rotated_with_an_overlap_or_without(run, state):
    first = shown(run("gateway", "add", "gw-1", "--district", "north"), "http key")
    second = shown(run("gateway", "rotate", "gw-1"), "http key")
    assert state(find(first))
    assert state(find(second)).district == "north"
    third = shown(run("gateway", "rotate", "gw-1", "--revoke-old"), "http key")
    assert [bool(state(find(secret))) for secret in (first, second, third)] == [False, False, True]
    assert "1 HTTP key(s) ended" in run("gateway", "revoke", "gw-1").stdout
    assert state(find(third)) is None


def test_what_the_catalogue_says_of_the_gateway_is_told(run, tmp_path):
    city = tmp_path / "city.yaml"
    city.write_text(SMALL_CITY, encoding="utf-8")
    assert run("catalogue", "import", city).exit_code == 0
    assert "gw-bridge\t\tno key" in run("gateway", "list").stdout
    agreed = run("gateway", "add", "gw-bridge", "--district", "north", "--facility", "bridge/test")
    assert "catalogue" not in agreed.stderr
    other = run("gateway", "add", "gw-gas", "--district", "north", "--facility", "gas/other")
    assert "the catalogue has it in district south, not north" in other.stderr
    assert "the catalogue has it in facility gas/test, not gas/other" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gateway", "add", "GW!", "--district", "north"), "not an id: 'GW!'"),
        (("gateway", "add", "gw", "--district", "No rth"), "not an id: 'No rth'"),
        (("gateway", "rotate", "gw"), "gateway gw has no keys"),
        (("gateway", "revoke", "gw"), "gateway gw has no keys"),
        (("gateway", "add", "gw", "--district", "n", "--ca-cert", "x"), "belong together"),
        (
            ("gateway", "add", "gw", "--district", "n", "--ca-cert", "x", "--ca-key", "y"),
            "openssl: ",
        ),
        (
            ("gateway", "add", "gw", "--district", "n", "--password-file", "/nowhere/passwords"),
            "password file /nowhere/passwords: No such file",
        ),
        (("keys", "revoke", "nobody"), "there is no key 'nobody'"),
        (("keys", "add", "x", "--role", "king"), "king"),
    ],
)
def test_nonsense_is_refused_and_leaves_nothing_behind(
    run, state, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert state(lambda engine: GatewayKeyStore(engine).keys()) == []
    assert not list(tmp_path.glob("gw.*"))


def test_a_second_add_does_not_shut_the_first_out(run, state):
    first = shown(run("gateway", "add", "gw-1", "--district", "north"), "http key")
    again = run("gateway", "add", "gw-1", "--district", "north")
    assert again.exit_code == 1
    assert "lifeline gateway rotate gw-1" in again.stderr
    assert state(find(first))


def test_keys_of_people_are_added_listed_and_revoked(run, state):
    secret = shown(run("keys", "add", "li.na", "--role", "operator"), "key")
    found = state(lambda engine: KeyStore(engine).find_key(secret))
    assert (found.name, found.role) == ("li.na", "operator")
    assert run("keys", "list").stdout == "li.na\toperator\n"
    taken = run("keys", "add", "li.na", "--role", "admin")
    assert "there is a key 'li.na' already" in taken.stderr
    assert run("keys", "revoke", "li.na").exit_code == 0
    assert state(lambda engine: KeyStore(engine).find_key(secret)) is None


def test_what_is_done_on_the_command_line_is_in_the_audit(run, state):
    secrets = [shown(run("gateway", "add", "gw-1", "--district", "north"), "http key")]
    secrets.append(shown(run("keys", "add", "li.na", "--role", "viewer"), "key"))
    run("keys", "revoke", "li.na")
    run("gateway", "revoke", "gw-1")
    acts = state(lambda engine: AuditLog(engine).audit()).items
    assert [(act.action, act.target) for act in reversed(acts)] == [
        ("gateway add", "gw-1"), ("keys add", "li.na"), ("keys revoke", "li.na"),
        ("gateway revoke", "gw-1"),
    ]  # fmt: skip
    assert all(act.author.startswith("command line") for act in acts)
    assert not any(secret in repr(acts) for secret in secrets)


def test_the_password_file_keeps_its_permissions_and_its_other_users(tmp_path):
    file = tmp_path / "passwords"
    assert not put_password(file, "a", password_line("a", "1"))
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o640)
    put_password(file, "ab", password_line("ab", "2"))
    assert put_password(file, "a", password_line("a", "3"))
    assert [line.partition(":")[0] for line in file.read_text().splitlines()] == ["ab", "a"]
    assert file.stat().st_mode & 0o777 == 0o640
    assert put_password(file, "a", None)
    assert not put_password(file, "a", None)
    assert list(tmp_path.iterdir()) == [file]


def test_the_certificate_says_what_it_is_for(run, tmp_path):
    authority = Authority(tmp_path / "authority")
    run(
        "gateway", "add", "gw-3", "--district", "north", "--ca-cert", authority.file,
        "--ca-key", authority.key, "--certificate-folder", tmp_path,
    )  # fmt: skip
    text = subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "gw-3.crt"), "-noout", "-text"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "CN = gw-3" in text
    assert "TLS Web Client Authentication" in text
