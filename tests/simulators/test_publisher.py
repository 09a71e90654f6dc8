"""The publisher against a real broker."""

import asyncio
import getpass
import shutil
import socket
import subprocess
import time

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from simulators.publisher import Publisher, PublishError, paced
from simulators.world import Message

pytestmark = pytest.mark.skipif(shutil.which("mosquitto") is None, reason="needs mosquitto")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class Broker:
    """A mosquitto that can be stopped and started again on the same port."""

    def __init__(self, folder, anonymous=True):
        self.port = free_port()
        self.process = None
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous {str(anonymous).lower()}\n"
            "max_queued_messages 100000\nmax_inflight_messages 1000\n"
            # as root mosquitto becomes another user, who may not write here
            f"user {getpass.getuser()}\npersistence true\npersistence_location {folder}/\n"
        )

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            ["mosquitto", "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not answers(self.port):
            time.sleep(0.02)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


@pytest.fixture
async def broker(tmp_path):
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


class Listener:
    """A subscriber on a thread of its own, so that nothing of it is the publisher's."""

    def __init__(self, port):
        self.seen = []
        self.ready = asyncio.Event()
        self.changed = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False
        )
        self.client.on_connect = lambda client, *_: client.subscribe("lifeline/v1/#", qos=1)
        self.client.on_subscribe = lambda *_: self.loop.call_soon_threadsafe(self.ready.set)
        self.client.on_message = lambda _c, _u, message: self.loop.call_soon_threadsafe(
            self.take, message
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def take(self, message):
        self.seen.append((message.topic, message.payload, message.retain))
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition(self.seen):
                self.changed.clear()
                await self.changed.wait()

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def message(number, gateway="gw-a"):
    return Message(number, gateway, "north", "json", b"%d" % number)


def data(seen):
    return [payload for topic, payload, _ in seen if "/data/" in topic]


async def test_everything_arrives_once_and_in_order_each_gateway_under_its_own_topic(broker):
    listener = Listener(broker.port)
    await listener.ready.wait()
    async with Publisher(broker.url) as publisher:
        for number in range(500):
            await publisher.publish(message(number, f"gw-{number % 2}"))
        await publisher.drain()
        await listener.until(lambda seen: len(data(seen)) == 500)
    listener.close()
    for parity in (0, 1):
        topic = f"lifeline/v1/north/gw-{parity}/data/json"
        numbers = [int(payload) for heard, payload, _ in listener.seen if heard == topic]
        assert numbers == list(range(parity, 500, 2))


async def test_a_gateway_is_online_while_it_is_connected_and_says_so_to_those_who_come_later(
    broker,
):
    status = "lifeline/v1/north/gw-a/status"
    async with Publisher(broker.url) as publisher:
        await publisher.publish(message(1))
        await publisher.drain()
        listener = Listener(broker.port)
        await listener.until(lambda seen: (status, b"online", True) in seen)
    await listener.until(lambda seen: (status, b"offline", False) in seen)
    listener.close()


async def test_what_is_under_way_when_the_broker_dies_is_sent_when_it_is_back(broker):
    async with Publisher(broker.url) as publisher:
        await publisher.publish(message(0))
        await publisher.drain()
        listener = Listener(broker.port)  # its session outlives the broker's absence
        await listener.ready.wait()
        broker.stop()
        for number in range(1, 60):
            await publisher.publish(message(number))
        broker.start()
        await listener.until(lambda seen: set(data(seen)) >= {b"%d" % n for n in range(1, 60)})
        await publisher.drain()
    listener.close()


async def test_without_a_broker_the_sender_waits_after_a_bounded_number(broker):
    async with Publisher(broker.url) as publisher:
        await publisher.publish(message(0))
        await publisher.drain()
        broker.stop()
        for number in range(100):
            await publisher.publish(message(number))
        one_more = asyncio.create_task(publisher.publish(message(100)))
        done, _ = await asyncio.wait([one_more], timeout=0.3)
        assert not done
        broker.start()
        await one_more
        await publisher.drain()


async def test_a_refused_gateway_is_an_error(tmp_path):
    broker = Broker(tmp_path, anonymous=False)
    broker.start()
    try:
        async with Publisher(broker.url) as publisher:
            with pytest.raises(PublishError, match="gw-a"):
                await publisher.publish(message(0))
    finally:
        broker.stop()


async def test_pacing_waits_for_each_message_s_time_and_lets_the_past_go_at_once():
    clock = [1_000]
    waits = []

    async def sleep(seconds):
        waits.append(round(seconds * 1e9))
        clock[0] += waits[-1]

    messages = [message(number) for number in (400, 900, 1_500, 4_000)]
    out = [m.time_ns async for m in paced(messages, now_ns=lambda: clock[0], sleep=sleep)]
    assert out == [400, 900, 1_500, 4_000]
    assert waits == [0, 0, 500, 2_500]


async def test_at_another_speed_time_runs_from_the_first_message_on():
    clock = [1_000_000]
    waits = []

    async def sleep(seconds):
        waits.append(round(seconds * 1e9))
        clock[0] += waits[-1]

    messages = [message(number) for number in (400, 1_400, 2_400)]
    [m async for m in paced(messages, speed=10.0, now_ns=lambda: clock[0], sleep=sleep)]
    assert waits == [0, 100, 100]
