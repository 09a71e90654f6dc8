"""deploy/secrets.sh makes what the parts need of each other, once, and the broker lets them in."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker_url import BrokerUrl
from service.city import read_passwords
from service.settings import ROOT
from simulators.feed import Message
from simulators.publisher import Publisher, PublishError
from tests.conftest import find_mosquitto, free_port
from tests.deploy.files import DEPLOY, compose
from tests.service.running import environment, wait_for

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
GATEWAY = "gw-bridge-riverside"


def make(folder, *arguments):
    return subprocess.run(
        [DEPLOY / "secrets.sh", *arguments],
        env={**os.environ, "SECRETS_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets") / "made"
    make(folder, "--demo", "lifeline.example", "10.1.2.3")
    return folder


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_secret_that_compose_hands_over_is_made(secrets):
    for name, secret in compose()["secrets"].items():
        file = secrets / secret["file"].removeprefix("deploy/secrets/")
        assert file.is_file(), name
        assert file.stat().st_size > 0, name


def test_nobody_else_can_read_anything(secrets):
    for path in secrets.rglob("*"):
        allowed = (
            0o2750 if path.name == "broker" else 0o640 if path.parent.name == "broker" else 0o700
        )
        assert path.stat().st_mode & 0o7777 & ~allowed == 0, path
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_nothing_that_is_there_is_changed(secrets):
    before = content(secrets)
    told = make(secrets, "--demo", "another.example")
    assert content(secrets) == before
    assert told.stdout == ""


def test_a_secret_taken_away_is_made_anew_and_the_rest_stays(secrets, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(secrets, folder)
    before = content(folder)
    (folder / "grafana" / "admin_password").unlink()
    make(folder)
    after = content(folder)
    assert {name for name in after if after[name] != before.get(name)} == {"grafana/admin_password"}


def test_secrets_are_strong_and_differ(secrets):
    made = [
        (secrets / name).read_text(encoding="ascii").strip()
        for name in (
            "lifeline/admin_key", "lifeline/viewer_key", "postgres/password", "influxdb/password",
            "influxdb/token", "influxdb/reader_password", "grafana/admin_password",
            "broker/lifeline_password",
        )
    ]  # fmt: skip
    assert len(set(made)) == len(made)
    assert all(len(secret) == 64 for secret in made)


def test_the_demonstration_s_gateways_are_those_of_its_site(secrets):
    known = read_passwords(secrets / "simulators" / "passwords")
    text = (ROOT / "config" / "sites" / "demo.yaml").read_text(encoding="utf-8")
    assert len(known) == 10
    assert all(f"id: {gateway}," in text for gateway in known)


def test_no_secret_is_told(tmp_path):
    told = make(tmp_path / "made", "--demo")
    words = told.stdout + told.stderr
    for secret in content(tmp_path / "made").values():
        assert secret.decode().strip() not in words


@pytest.fixture(scope="module")
def broker(secrets, tmp_path_factory):
    """Run the deployed mosquitto.conf with these secrets, on a free port."""
    folder = tmp_path_factory.mktemp("mosquitto")
    port = free_port()
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    for old, new in (
        ("listener 8883", f"listener {port} 127.0.0.1"),
        ("listener 8884", f"listener {free_port()} 127.0.0.1"),
        ("/mosquitto/config/certs/", f"{secrets}/mosquitto/"),
        ("/mosquitto/users/", f"{secrets}/broker/"),
        ("/mosquitto/config/acl", str(DEPLOY / "mosquitto" / "acl")),
        ("/mosquitto/data/", f"{folder}/"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "mosquitto.conf").write_text(f"{text}user root\n", encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [find_mosquitto(), "-c", folder / "mosquitto.conf"], stdout=log, stderr=log
        )

    def listens():
        assert process.poll() is None, (folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_for(listens, "mosquitto listens")
    yield port
    process.terminate()
    process.wait(15)


@pytest.fixture
def heard(secrets, broker):
    """Listen as the service does: with the URL that it is given."""
    url = BrokerUrl.parse((secrets / "lifeline" / "mqtt_url").read_text(encoding="ascii").strip())
    assert (url.host, url.port, url.ca_file) == ("mosquitto", 8883, "/run/secrets/ca.crt")
    topics = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "heard")
    client.username_pw_set(url.user, url.password)
    client.tls_set_context(ssl.create_default_context(cafile=str(secrets / "lifeline" / "ca.crt")))
    subscribed = []
    client.on_connect = lambda *_: client.subscribe("lifeline/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.append(True)
    client.on_message = lambda _client, _data, message: topics.append(message.topic)
    client.connect("localhost", broker)
    client.loop_start()
    wait_for(lambda: subscribed, "a subscription")
    yield topics
    client.disconnect()
    client.loop_stop()


def message(gateway):
    return Message(1, gateway, "binjiang", "json", b'{"values": {"D1": 1}}')


def url_of(secrets, broker):
    return f"mqtts://localhost:{broker}?ca={secrets}/lifeline/ca.crt"


async def test_a_gateway_with_its_password_is_heard_by_the_service(secrets, broker, heard):
    known = read_passwords(secrets / "simulators" / "passwords")
    async with Publisher(url_of(secrets, broker), known) as publisher:
        await publisher.publish(message(GATEWAY))
        await publisher.drain()
    topic = f"lifeline/v1/binjiang/{GATEWAY}/data/json"
    await asyncio.to_thread(wait_for, lambda: topic in heard, "the reading")


async def publish_once(url, passwords):
    async with asyncio.timeout(20), Publisher(url, passwords) as publisher:
        await publisher.publish(message(GATEWAY))


async def test_a_gateway_with_another_password_is_refused(secrets, broker):
    with pytest.raises(PublishError):
        await publish_once(url_of(secrets, broker), {GATEWAY: "wrong"})


def test_the_simulated_city_sends_through_the_deployed_broker(secrets, broker, heard, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable, "-m", "service", "simulate", "--mqtt-url", url_of(secrets, broker),
            "--passwords", str(secrets / "simulators" / "passwords"),
            "--progress-file", str(tmp_path / "city.json"),
        ],
        cwd=ROOT,
        env=environment(),
    )  # fmt: skip
    try:
        gateways = set(read_passwords(secrets / "simulators" / "passwords"))
        wait_for(
            lambda: {topic.split("/")[3] for topic in heard if "/data/" in topic} >= gateways,
            "all ten gateways",
        )
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    finally:
        process.kill()
        process.wait()


def test_a_city_that_is_refused_says_so_without_a_traceback(secrets, broker, tmp_path):
    wrong = tmp_path / "passwords"
    wrong.write_text(f"{GATEWAY}:wrong\n", encoding="ascii")
    told = subprocess.run(
        [
            sys.executable, "-m", "service", "simulate", "--mqtt-url", url_of(secrets, broker),
            "--passwords", str(wrong),
        ],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "wrong" not in told.stderr
