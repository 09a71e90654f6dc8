import asyncio
import itertools
import math
import subprocess
from collections import Counter
from contextlib import aclosing

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt import publish
from paho.mqtt.enums import CallbackAPIVersion

from domain.accounting import Reason
from ingest.broker_url import BrokerUrl
from ingest.connection import Connection
from ingest.groups import GROUP_BYTES_MAX
from ingest.limits import Allowance, Limits
from ingest.source import Source

TOPIC = "lifeline/v1/north/gw/data/json"
VERSIONS = pytest.mark.parametrize("version", ["", "?version=3.1.1"], ids=["5", "3.1.1"])
client_ids = (f"test-{number}" for number in itertools.count())


def make_source(broker, version="", *, client_id=None, url=None, **options):
    ticks = itertools.count(1)
    return Source(
        (url or broker.url) + version,
        clock=lambda: next(ticks),
        client_id=client_id or next(client_ids),
        **options,
    )


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def run(*command):
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


async def send(broker, payloads, topic=TOPIC, *, retain=False, auth=None):
    messages = [{"topic": topic, "payload": p, "qos": 1, "retain": retain} for p in payloads]
    await asyncio.to_thread(
        publish.multiple, messages, hostname=broker.host, port=broker.port, auth=auth
    )


async def take(source, count, *, settle=True):
    """Return the groups that hold the next ``count`` frames."""
    groups, taken = [], 0
    async with asyncio.timeout(60), aclosing(source.gathered()) as gathered:
        async for group in gathered:
            groups.append(group)
            taken += len(group.frames)
            if settle:
                await source.settle(group)
            if taken >= count:
                break
    assert taken == count
    return groups


def payloads_of(groups):
    return [frame.payload for group in groups for frame in group.frames]


@VERSIONS
async def test_messages_become_frames_in_order_with_the_clocks_time(broker, version):
    async with make_source(broker, version) as source:
        await until(lambda: source.connected)
        sent = [b"%d" % i for i in range(300)]
        await send(broker, sent)
        groups = await take(source, 300)
        frames = [frame for group in groups for frame in group.frames]
        assert [frame.payload for frame in frames] == sent
        assert [frame.received_ns for frame in frames] == list(range(1, 301))
        assert {frame.topic for frame in frames} == {TOPIC}
        assert not any(frame.redelivered for frame in frames)
        assert source.unsettled_frames == 0
    assert not source.connected


@VERSIONS
async def test_only_what_was_settled_is_not_delivered_again(broker, version):
    client_id = next(client_ids)
    async with make_source(broker, version, client_id=client_id) as source:
        await until(lambda: source.connected)
        await send(broker, [b"settled"])
        await take(source, 1)
        await send(broker, [b"lost 1", b"lost 2"])
        stale = await take(source, 2, settle=False)
    async with make_source(broker, version, client_id=client_id) as source:
        again = await take(source, 2, settle=False)
        assert payloads_of(again) == [b"lost 1", b"lost 2"]
        assert all(frame.redelivered for group in again for frame in group.frames)
        for group in (*again, *stale):
            await source.settle(group)
    async with make_source(broker, version, client_id=client_id) as source:
        await until(lambda: source.connected)
        await send(broker, [b"next"])
        assert payloads_of(await take(source, 1)) == [b"next"]


@VERSIONS
async def test_what_is_sent_while_the_source_is_away_waits_at_the_broker(broker, version):
    client_id = next(client_ids)
    async with make_source(broker, version, client_id=client_id) as source:
        await until(lambda: source.connected)
    await send(broker, [b"%d" % i for i in range(2000)])
    async with make_source(broker, version, client_id=client_id) as source:
        assert len(payloads_of(await take(source, 2000))) == 2000


async def test_settling_frames_of_a_lost_connection_is_harmless(private_broker):
    broker = private_broker()
    async with make_source(broker) as source:
        await until(lambda: source.connected)
        await send(broker, [b"before"])
        [old] = await take(source, 1, settle=False)
        broker.restart()
        await until(lambda: source.connected)
        again = await take(source, 1, settle=False)
        assert payloads_of(again) == [b"before"]
        await source.settle(old)
        await source.settle(again[0])
        await source.settle(again[0])
        assert source.unsettled_frames == 0
        await send(broker, [b"after"])
        assert payloads_of(await take(source, 1)) == [b"after"]


@VERSIONS
async def test_the_source_comes_back_after_the_broker_and_says_so(private_broker, version):
    broker = private_broker()
    changes = []
    async with make_source(broker, version, on_connection=changes.append) as source:
        await until(lambda: source.connected)
        broker.kill()
        await until(lambda: not source.connected)
        broker.start()
        await until(lambda: source.connected)
        await send(broker, [b"hello"])
        assert payloads_of(await take(source, 1)) == [b"hello"]
        assert changes == [True, False, True]
    assert changes[-1] is False


@VERSIONS
async def test_wills_and_retained_statuses_arrive_as_frames(private_broker, version):
    broker = private_broker()
    topic = "lifeline/v1/north/gw/status"
    await send(broker, [b"online"], topic, retain=True)
    async with make_source(broker, version) as source:
        assert payloads_of(await take(source, 1)) == [b"online"]
        gateway = mqtt.Client(CallbackAPIVersion.VERSION2, "dying-gateway")
        gateway.will_set(topic, b"offline", qos=1, retain=True)
        gateway.connect(broker.host, broker.port)
        while not gateway.is_connected():
            gateway.loop(0.01)
        gateway._sock_close()  # without a word of farewell
        [group] = await take(source, 1)
        assert (group.frames[0].topic, group.frames[0].payload) == (topic, b"offline")


async def test_a_retained_message_is_told_once_to_a_session(private_broker):
    broker = private_broker()
    await send(broker, [b"kept"], retain=True)
    for version in ("", "?version=3.1.1"):
        client_id = next(client_ids)
        async with make_source(broker, version, client_id=client_id) as source:
            assert payloads_of(await take(source, 1)) == [b"kept"]
        async with make_source(broker, version, client_id=client_id) as source:
            await until(lambda source=source: source.connected)
            await send(broker, [b"live"], "lifeline/other")
            assert payloads_of(await take(source, 1)) == [b"live"]


async def test_wrong_topics_below_the_root_arrive_and_others_do_not(private_broker):
    broker = private_broker()
    async with make_source(broker) as source:
        await until(lambda: source.connected)
        await send(broker, [b"x"], "elsewhere/v1")
        await send(broker, [b"y"], "lifeline/wrong")
        [group] = await take(source, 1)
        assert group.frames[0].topic == "lifeline/wrong"


async def test_large_payloads_arrive_whole_and_monstrous_ones_cut(private_broker):
    broker = private_broker()
    for version in ("", "?version=3.1.1"):
        async with make_source(broker, version) as source:
            await until(lambda source=source: source.connected)
            sent = [b"a" * 1_500_000, b"b" * 2_500_000, b"c"]
            await send(broker, sent)
            got = payloads_of(await take(source, 3))
            assert got == [sent[0], b"b" * ((1 << 20) + 1), b"c"]


async def test_a_large_backlog_comes_in_bounded_groups(private_broker):
    broker = private_broker()
    client_id = next(client_ids)
    async with make_source(broker, client_id=client_id) as source:
        await until(lambda: source.connected)
    sent = [b"%06d" % i + bytes(2000) for i in range(3000)]
    await send(broker, sent)
    async with make_source(broker, client_id=client_id, unsettled_frames_max=700) as source:
        await until(lambda: source.unsettled_frames >= 700)
        groups = await take(source, 3000)
        assert payloads_of(groups) == sent
        assert all(group.size <= GROUP_BYTES_MAX for group in groups)


async def test_the_socket_is_left_alone_while_too_much_is_unsettled(private_broker):
    broker = private_broker()
    async with make_source(broker, unsettled_bytes_max=2_000_000) as source:
        await until(lambda: source.connected)
        sent = [bytes([i]) * 400_000 for i in range(20)]
        await send(broker, sent)
        await until(lambda: source.unsettled_frames >= 5)
        assert source._connection is not None
        assert not source._connection.reading
        source._connection.client.ping_blindly()  # what it does each 10 s of such a pause
        unsettled = source.unsettled_frames
        groups = await take(source, unsettled, settle=False)
        for group in groups:
            await source.settle(group)
        rest = await take(source, 20 - unsettled)
        assert payloads_of(groups) + payloads_of(rest) == sent


@VERSIONS
async def test_a_user_with_an_odd_password_is_let_in_and_a_wrong_one_waits(
    private_broker, tmp_path, version
):
    passwords = tmp_path / "passwords"
    run("mosquitto_passwd", "-b", "-c", passwords, "gw@north", "p/a:s@s")
    broker = private_broker(allow_anonymous="false", password_file=str(passwords))
    good = f"mqtt://gw%40north:p%2Fa%3As%40s@{broker.host}:{broker.port}"
    bad = f"mqtt://gw%40north:wrong@{broker.host}:{broker.port}"
    async with (
        make_source(broker, version, url=good) as source,
        make_source(broker, version, url=bad) as stranger,
    ):
        await until(lambda: source.connected)
        await send(broker, [b"x"], auth={"username": "gw@north", "password": "p/a:s@s"})
        await take(source, 1)
        assert not stranger.connected


async def test_messages_come_over_tls(private_broker, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", key, "-out", certificate,
    )  # fmt: skip
    broker = private_broker(keyfile=str(key), certfile=str(certificate))
    url = f"mqtts://{broker.host}:{broker.port}"
    async with (
        make_source(broker, url=url, version=f"?ca={certificate}") as source,
        make_source(broker, url=url) as distrustful,
    ):
        await until(lambda: source.connected)
        sent = [b"%d" % i + bytes(50_000) for i in range(20)]
        messages = [{"topic": TOPIC, "payload": p, "qos": 1} for p in sent]
        await asyncio.to_thread(
            publish.multiple, messages, hostname=broker.host, port=broker.port,
            tls={"ca_certs": str(certificate)},
        )  # fmt: skip
        assert payloads_of(await take(source, 20)) == sent
        assert not distrustful.connected


@pytest.mark.parametrize("url", ["mqtt://127.0.0.1:1", "mqtt://no-such-host.invalid"])
async def test_a_broker_that_is_not_there_is_waited_for(url):
    async with Source(url, clock=lambda: 1) as source:
        await until(lambda: source._number >= 2)
        assert not source.connected


def test_a_bad_url_is_refused_at_once():
    with pytest.raises(ValueError, match="write mqtt"):
        Source("tcp://host", clock=lambda: 1)


async def answer_only_version_3(reader, writer, *, meets_5):
    """Speak as a broker of MQTT 3.1.1 that refuses version 5, hangs up on it, or says nothing."""
    head = await reader.readexactly(2)
    body = await reader.readexactly(head[1])
    if body[6] == 5:
        if meets_5 == "refusal":
            writer.write(b"\x20\x02\x00\x01")
            await writer.drain()
        elif meets_5 == "silence":
            await reader.read()
        writer.close()
        return
    writer.write(b"\x20\x02\x00\x00")
    head = await reader.readexactly(2)
    body = await reader.readexactly(head[1])
    writer.write(b"\x90\x03" + body[:2] + b"\x01" + b"\x30\x05\x00\x01axx")
    await reader.read()
    writer.close()


@pytest.mark.parametrize("meets_5", ["refusal", "hanging up", "silence"])
async def test_a_broker_of_the_old_version_is_spoken_to_in_its_own(meets_5, monkeypatch):
    monkeypatch.setattr("ingest.connection._ANSWER_TIMEOUT_S", 1)
    handlers = []

    async def handle(reader, writer):
        handlers.append(asyncio.current_task())
        await answer_only_version_3(reader, writer, meets_5=meets_5)

    server = await asyncio.start_server(handle, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with Source(f"mqtt://127.0.0.1:{port}", clock=lambda: 1) as source:
        await until(lambda: source.connected)
        assert payloads_of(await take(source, 1)) == [b"xx"]
    await asyncio.gather(*handlers)
    server.close()
    await server.wait_closed()


async def test_a_server_that_does_not_speak_mqtt_is_no_end():
    async def handle(_reader, writer):
        writer.write(b"\x20\xff\xff\xff\xff\x00HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with Source(f"mqtt://127.0.0.1:{port}", clock=lambda: 1) as source:
        await until(lambda: source._number >= 3)
        assert not source.connected
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_that_ends_while_it_is_left_does_not_hold_whoever_leaves(turns):
    url = BrokerUrl.parse("mqtt://127.0.0.1:1")
    connection = Connection(url, "lifeline", lambda *_: None, lambda: None)

    async def use():
        await connection.last()
        await asyncio.Event().wait()  # as the source goes on to its next attempt

    using = asyncio.create_task(use())
    await asyncio.sleep(0.01)
    connection.ended.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    using.cancel()
    done, _ = await asyncio.wait([using], timeout=10)
    using.cancel()
    assert done


async def test_gathering_ends_when_the_source_is_closed(broker):
    async def gather_all(source):
        return [group async for group in source.gathered()]

    source = make_source(broker)
    async with source:
        await until(lambda: source.connected)
        gathering = asyncio.create_task(gather_all(source))
        await asyncio.sleep(0)
    assert await gathering == []


async def take_refusals(source, count):
    """Settle what comes until so many frames are refused; return the frames and the refusals."""
    frames, refusals = [], []
    async with asyncio.timeout(60), aclosing(source.gathered()) as gathered:
        async for group in gathered:
            frames += group.frames
            refusals += group.refusals
            await source.settle(group)
            if sum(refusal.frames for refusal in refusals) >= count:
                break
    return frames, refusals


@VERSIONS
async def test_what_is_over_the_limit_is_refused_counted_and_settled(private_broker, version):
    # Forty may be under way: nothing would come any more if what is refused were not settled.
    broker = private_broker(max_inflight_messages="40")
    limits = Limits(Allowance(0.001, math.inf, 100, math.inf))
    async with make_source(broker, version, limits=limits) as source:
        await until(lambda: source.connected)
        await send(broker, [b"%06d" % i for i in range(500)])
        await send(broker, [b"honest"], "lifeline/v1/north/other/data/json")
        frames, refusals = await take_refusals(source, 400)
        by_topic = Counter(frame.topic for frame in frames)
        assert by_topic == {TOPIC: 100, "lifeline/v1/north/other/data/json": 1}
        assert {(each.gateway, each.reason) for each in refusals} == {("gw", Reason.RATE)}
        assert sum(each.frames for each in refusals) == 400
        assert sum(each.bytes for each in refusals) == 400 * (len(TOPIC) + 6)
        assert source.unsettled_frames == 0


async def test_what_was_refused_and_not_told_comes_again_with_a_new_connection(private_broker):
    broker = private_broker()
    limits = Limits(Allowance(0.001, math.inf, 1, math.inf))
    async with make_source(broker, limits=limits) as source:
        await until(lambda: source.connected)
        await send(broker, [b"taken", b"refused"])
        await until(lambda: source.unsettled_frames == 2)
        broker.restart()
        await until(lambda: not source.connected)
        frames, refusals = await take_refusals(
            source, 2
        )  # both again; the one taken was not settled
        assert [frame.payload for frame in frames] == [b"taken"]
        assert sum(each.frames for each in refusals) == 2
