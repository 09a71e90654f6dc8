"""The light writer against a real broker: everything arrives, over as many connections as allowed."""

import shutil
import socket
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from simulators.feed import Message
from simulators.packets import length
from simulators.writer import Writer, WriterError
from tests.simulators.test_publisher import Broker

pytestmark = pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto")


@pytest.fixture
def broker(tmp_path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


class Ear:
    """Hears everything that is published."""

    def __init__(self, port, expected):
        self.heard, self.expected = [], expected
        self.whole = threading.Event()
        ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "ear")
        self.client.on_message = self.hear
        self.client.on_subscribe = lambda *_given: ready.set()
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("lifeline/#", qos=1)
        self.client.loop_start()
        assert ready.wait(10)

    def hear(self, _client, _userdata, message):
        self.heard.append((message.topic, message.payload))
        if len(self.heard) >= self.expected:
            self.whole.set()

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def messages(gateways, each):
    return [
        Message(n, f"gw-{gateway}", "north", "json", b"%d of %d" % (n, gateway) * 20)
        for n in range(each)
        for gateway in range(gateways)
    ]


@pytest.mark.parametrize(("connections_max", "opened"), [(100, 7), (3, 3)])
def test_everything_arrives_in_each_gateways_order(broker, connections_max, opened):
    sent = messages(7, 300)
    ear = Ear(broker.port, len(sent))
    with Writer(broker.url, "city", connections_max=connections_max) as writer:
        for message in sent:
            writer.put(message)
        writer.turn(0.0)
        assert writer.drain(20)
        assert (writer.sent, writer.settled, writer.under_way) == (len(sent), len(sent), 0)
        assert writer.connections == opened
    assert ear.whole.wait(20)
    ear.close()
    for gateway in {message.gateway for message in sent}:
        own = [m.payload for m in sent if m.gateway == gateway]
        assert [p for t, p in ear.heard if f"/{gateway}/" in t] == own


def test_a_silent_connection_says_a_word_now_and_then(broker):
    with Writer(broker.url, "city") as writer:
        writer.put(messages(1, 1)[0])
        assert writer.drain(10)
    with Writer(broker.url, "city") as writer:
        writer.put(messages(1, 1)[0])
        while writer.under_way:
            writer.turn(0.1)
        wire = writer._wires[0]
        wire.said_s -= 3600
        writer.keep_alive()
        writer.turn(0.2)
        writer.turn(0.2)  # the answer to it is no answer to a message
        assert writer.settled == 1
        writer.put(messages(1, 1)[0])
        assert writer.drain(10)
        assert writer.settled == 2


def test_a_broker_that_goes_ends_it_and_names_the_connection(broker):
    with Writer(broker.url, "city") as writer:
        writer.put(messages(1, 1)[0])
        while writer.under_way:
            writer.turn(0.1)
        broker.stop()

        def send_on():
            for message in messages(1, 200):
                writer.put(message)
                writer.turn(0.05)

        with pytest.raises(WriterError, match="connection city-0 is broken"):
            send_on()


def test_a_broker_that_refuses_is_told_of_without_the_password(tmp_path):
    broker = Broker(tmp_path, anonymous=False)
    broker.start()
    try:
        url = broker.url.replace("//", "//somebody:secret@")
        with Writer(url, "city") as writer, pytest.raises(WriterError) as told:
            writer.put(messages(1, 1)[0])
        assert "somebody" in str(told.value)
        assert "secret" not in str(told.value)
    finally:
        broker.stop()


def test_a_broker_that_is_not_there_is_told_of():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Writer(f"mqtt://127.0.0.1:{port}", "c") as writer, pytest.raises(WriterError, match="1:"):
        writer.put(messages(1, 1)[0])


def test_only_plain_mqtt_is_spoken():
    with pytest.raises(WriterError, match="mqtt://"):
        Writer("mqtts://127.0.0.1", "city")


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (16_384, b"\x80\x80\x01")],
)
def test_lengths_are_written_as_mqtt_has_them(value, encoded):
    assert length(value) == encoded
