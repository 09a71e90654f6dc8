"""The demonstration's broker: mosquitto where it is installed, else amqtt, each with the source."""

import asyncio
import subprocess
import sys
import time

import pytest

from ingest.source import Source
from service import broker
from service.broker import broker_command, find_mosquitto
from service.publish import publish_once
from service.settings import ROOT
from tests.conftest import free_port


@pytest.fixture(params=["mosquitto", "amqtt"])
def running(request, tmp_path, monkeypatch):
    """Run either broker as the demonstration does; yield its URL."""
    if request.param == "amqtt":
        monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    port = free_port()
    command = broker_command(port, tmp_path / "broker")
    assert ("mosquitto" in command[0]) == (request.param == "mosquitto")
    with (tmp_path / "broker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    yield f"mqtt://127.0.0.1:{port}{broker.mqtt_options()}"
    process.terminate()
    assert process.wait(20) == 0, (tmp_path / "broker.log").read_text(encoding="utf-8")


async def test_what_is_published_reaches_the_source_and_is_settled(running):
    async with Source(running, clock=time.time_ns) as source:
        groups = source.gathered()

        async def frames_of(topic: str):
            async for gathered in groups:
                await source.settle(gathered)
                for frame in gathered.frames:
                    if frame.topic == topic:
                        return frame
            raise AssertionError

        while not source.connected:  # noqa: ASYNC110  the test's timeout ends it
            await asyncio.sleep(0.02)
        topic, payload = await publish_once(running, "north", "my-gateway", ["temperature=21.5"])
        assert (await frames_of(topic)).payload == payload
        assert source.unsettled_frames == 0


def test_mosquitto_is_found_where_it_is_installed(monkeypatch, tmp_path):
    assert find_mosquitto()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "MOSQUITTO_PLACES", (str(tmp_path),))
    assert find_mosquitto() is None
    (tmp_path / "mosquitto").touch()
    assert find_mosquitto() == f"{tmp_path}/mosquitto"


def test_without_mosquitto_the_broker_is_our_own_process(monkeypatch, tmp_path):
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    assert broker_command(1883, tmp_path) == [sys.executable, "-m", "service.broker", "1883"]


def test_the_broker_listens_on_loopback_only(tmp_path):
    broker_command(1884, tmp_path / "new folder")
    text = (tmp_path / "new folder" / "mosquitto.conf").read_text(encoding="utf-8")
    assert "listener 1884 127.0.0.1\n" in text
