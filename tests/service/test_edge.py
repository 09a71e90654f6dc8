"""The edge as it is deployed: the real broker with the deployed files, and the whole service.

Whoever comes with a wrong certificate, a wrong topic, another's channel name or a flood of rubbish
is refused or counted; the others do not notice.
"""

import json
import threading
import time

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.servers.certificates import Authority
from tests.servers.edge import EdgeBroker
from tests.service.running import (
    AUTHORIZED,
    ROOT,
    SMALL_CITY,
    Service,
    rfc3339,
    run_lifeline,
    wait_for,
)

DATA = "lifeline/v1/{district}/{gateway}/data/json"
BURST, RATE = 2_000, 500


class Gateway:
    """A gateway with its own connection, by password over TLS, MQTT 5."""

    def __init__(self, edge, user, password, district="north"):
        self.topic = DATA.format(district=district, gateway=user)
        self.reasons = []
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, f"of-{user}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.username_pw_set(user, password)
        self._client.tls_set(str(edge.authority.file))
        self._client.max_inflight_messages_set(2_000)
        self._client.max_queued_messages_set(0)
        connected = threading.Event()
        self._client.on_connect = lambda *_: connected.set()
        self._client.on_publish = lambda _c, _d, _m, reason, _p: self.reasons.append(reason.value)
        self._client.connect("127.0.0.1", edge.port)
        self._client.loop_start()
        assert connected.wait(20)

    def send(self, payload, topic=None):
        """Publish, and return the broker's reason code: 0, 16 (nobody listens), or 135."""
        before = len(self.reasons)
        self._client.publish(topic or self.topic, payload, qos=1).wait_for_publish(20)
        wait_for(lambda: len(self.reasons) > before, "the broker's answer")
        return self.reasons[-1]

    def rain(self, payloads):
        """Publish as fast as it goes; return what to wait on."""
        return [self._client.publish(self.topic, payload, qos=1) for payload in payloads]

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def reading(name, value):
    return json.dumps({"ts": rfc3339(), "values": {name: value}}).encode()


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    users = {"gw-bridge": "pw-bridge", "gw-gas": "pw-gas", "gw-wild": "pw-wild"}
    broker = EdgeBroker(tmp_path_factory.mktemp("edge"), users)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def service(edge, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    city = folder / "city.yaml"
    city.write_text(SMALL_CITY, encoding="utf-8")
    settings = {
        "gateway_frames_per_s": RATE,
        "gateway_frames_burst": BURST,
        "templates": ROOT / "config" / "templates",
    }
    running = Service(folder, edge.service_url, [city], settings)
    running.start()
    yield running
    assert running.close() == 0


@pytest.fixture
def gateway(edge):
    opened = []

    def connect(user, **options):
        opened.append(Gateway(edge, user, f"pw-{user.removeprefix('gw-')}", **options))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


def books(service, gateway):
    items = service.http.get("/accounting", params={"limit": 1000}).json()["items"]
    return next((item for item in items if item["gateway"] == gateway), None)


def latest(service, channel):
    answer = service.http.get(f"/channels/{channel}").json()["latest"]
    return None if answer is None else answer["value"]


def test_a_gateway_speaks_below_its_own_name_only(service, gateway):
    wild = gateway("gw-wild")
    assert wild.send(reading("x", 1)) in (0, 16)
    for topic in (
        DATA.format(district="north", gateway="gw-bridge"),
        "lifeline/v1/north/gw-wild-2/data/json",
        "lifeline/v1/north/status",
        "lifeline/v2/north/gw-wild/data/json",
        "elsewhere",
        "$SYS/x",
    ):
        assert wild.send(reading("V1", 999), topic) == 135, topic
    wait_for(lambda: books(service, "gw-wild"), "its own message is in the books")
    assert latest(service, "bridge/test/victim") != 999


def test_anothers_channel_name_is_an_unregistered_name_of_its_own(service, gateway):
    bridge, wild = gateway("gw-bridge"), gateway("gw-wild")
    bridge.send(reading("V1", 17))
    wait_for(lambda: latest(service, "bridge/test/victim") == 17, "the owner's reading")
    wild.send(reading("V1", 999))

    def inbox():
        items = service.http.get("/unregistered", params={"limit": 1000}).json()["items"]
        return [item for item in items if (item["gateway"], item["name"]) == ("gw-wild", "V1")]

    (entry,) = wait_for(inbox, "the name is in the inbox, as of who sent it")
    assert entry["last_value"] == 999
    assert latest(service, "bridge/test/victim") == 17
    assert books(service, "gw-bridge")["balanced"]


def test_nobody_but_the_service_reads(edge, gateway):
    wild, heard = gateway("gw-wild"), []
    wild._client.on_message = lambda *_: heard.append(1)
    granted = []
    wild._client.on_subscribe = lambda _c, _d, _m, reasons, _p: granted.extend(reasons)
    wild._client.subscribe("lifeline/#", qos=1)
    wait_for(lambda: granted, "an answer to the subscription")
    gateway("gw-bridge").send(reading("V1", 18))
    wild.send(reading("x", 2))  # behind the other in the broker's order
    assert heard == []


def test_a_flood_of_rubbish_is_refused_and_counted_and_raises_a_fault_while_others_are_unhurt(
    service, edge, gateway
):
    stranger = Authority(edge.folder / "stranger").client("gw-bridge")
    wild, gas = gateway("gw-bridge"), gateway("gw-gas", district="south")
    total = 12_000
    began_s = time.monotonic()
    infos = wild.rain([b"rubbish %d" % n for n in range(total)])
    with pytest.raises(OSError):  # noqa: PT011  which of them is the broker's business
        mqtt_with(edge, stranger)
    alarmed = raise_and_clear(service, gas)
    assert alarmed
    for info in infos:
        info.wait_for_publish(60)

    def counted():
        book = books(service, "gw-bridge")["frames"]
        return book if book["refused"] + book["undecodable"] >= total else None

    book = wait_for(counted, "every piece of rubbish is in the books")
    took_s = time.monotonic() - began_s
    assert book["balanced"]
    assert 0 < book["undecodable"] <= 2 * BURST + RATE * took_s
    assert book["refused_by_reason"] == {"rate": book["refused"]}
    assert books(service, "gw-gas")["frames"]["refused"] == 0
    assert books(service, "gw-gas")["readings"]["stored"] == 6

    def fault():
        query = {"condition": "overload", "state": "open"}
        return service.http.get("/alarms", params=query).json()["items"]

    (alarm,) = wait_for(fault, "the gateway's overload is an alarm")
    assert (alarm["channel"], alarm["grade"]) == ("gateway/gw-bridge:overload", "yellow")
    assert alarm["instrument"]
    assert 'lifeline_ingested_total{fate="refused",reason="rate",unit="frames"}' in metrics(service)


def mqtt_with(edge, certificate):
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "wrong-certificate")
    client.tls_set(str(edge.authority.file), str(certificate.file), str(certificate.key))
    client.connect("127.0.0.1", edge.certificate_port)
    for _ in range(100):
        if client.loop(0.1) != 0:
            raise ConnectionError("hung up")
    client.disconnect()


def metrics(service):
    return httpx.get(f"{service.url}/metrics").text


def raise_and_clear(service, gas):
    """Raise the gas alarm and clear it three times, each within seconds."""
    for _ in range(3):
        for value, grade in ((21, "yellow"), (5, "normal")):
            gas.send(reading("M1", value))

            def seen(grade=grade):
                query = {"channel": "gas/test/methane"}
                items = service.http.get("/alarms", params=query).json()["items"]
                return items and items[0]["grade"] == grade

            wait_for(seen, f"methane is {grade}", 5.0)
    return True


def test_frames_are_pushed_over_http_with_the_gateways_own_key(service):
    data = service.folder / "data"
    made = run_lifeline("gateway", "add", "gw-gas", "--district", "south", data_dir=data)
    assert made.returncode == 0, made.stderr
    key = next(line for line in made.stdout.splitlines() if line.startswith("http key: "))
    headers = {"Authorization": f"Bearer {key.removeprefix('http key: ')}"}
    before = books(service, "gw-gas")
    for _ in range(2):  # the same bytes again are one frame
        payload = b'{"ts": "%s", "values": {"M1": 7.5}}' % rfc3339().encode()
        for status in (202, 202):
            answer = service.http.post(
                "/gateways/gw-gas/frames",
                content=payload,
                headers={**headers, "Content-Type": "application/json"},
            )
            assert answer.status_code == status, answer.text
            assert answer.json()["seq"] > 0

    def arrived():
        now, was = books(service, "gw-gas")["frames"], before["frames"]
        return (now["decoded"] - was["decoded"], now["duplicate"] - was["duplicate"]) == (2, 2)

    wait_for(arrived, "two frames, and each of them again as a duplicate")
    assert latest(service, "gas/test/methane") == 7.5
    for path, status in (("/gateways/gw-bridge/frames", 403), ("/gateways/gw-gas/frames", 403)):
        sent = headers if "bridge" in path else AUTHORIZED
        assert service.http.post(path, content=b"{}", headers=sent).status_code == status
    acts = service.http.get("/audit", headers=AUTHORIZED).json()["items"]
    assert ("gateway add", "gw-gas") in {(act["action"], act["target"]) for act in acts}


def test_a_service_that_the_broker_refuses_says_why_and_not_its_password(edge, tmp_path):
    city = tmp_path / "city.yaml"
    city.write_text(SMALL_CITY, encoding="utf-8")
    secret_file = tmp_path / "mqtt-url"
    secret_file.write_text(edge.url("lifeline", "hunter2") + "\n")
    secret_file.chmod(0o644)
    settings = {"mqtt_url_file": secret_file, "log_level": "debug"}
    service = Service(tmp_path / "service", "", [city], settings)
    service.spawn()
    try:
        wait_for(lambda: "not connected" in service.log, "a word on the broker")
        assert "authori" in service.log.lower()
        assert "every user of this machine may read this secret" in service.log
        assert "hunter2" not in service.log
    finally:
        service.close()
