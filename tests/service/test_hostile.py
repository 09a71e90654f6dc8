"""Bad input is normal input: a clear answer, nothing lost, nothing stopped, always settled."""

import json
from collections import Counter

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.conftest import start_broker
from tests.service.running import (
    AUTHORIZED,
    SMALL_CITY,
    Sender,
    Service,
    rfc3339,
    run_lifeline,
    wait_for,
)

VICTIM = "bridge/test/victim"
DATA = "lifeline/v1/north/gw-bridge/data/json"
NOW = rfc3339(60)


def values(text: str, ts: str | None = None) -> bytes:
    """Return a payload written by hand, so that it may hold what no encoder writes."""
    return f'{{"ts": {ts or json.dumps(NOW)}, "values": {{"V1": {text}}}}}'.encode()


UNDECODABLE = {
    "undecodable bytes": (DATA, b"\xff\xfe\x00\x80 not text", "syntax"),
    "nothing at all": (DATA, b"", "syntax"),
    "half of a document": (DATA, b'{"ts": 17', "syntax"),
    "100,000 brackets": (DATA, b"[" * 100_000, "syntax"),
    "100,000 braces": (DATA, b'{"values":' * 100_000, "syntax"),
    "a bare number": (DATA, b"17", "structure"),
    "values that are a list": (DATA, b'{"values": [1, 2]}', "structure"),
    "no values": (DATA, b'{"ts": 1700000000}', "structure"),
    "more than a mebibyte": (DATA, b" " * (1 << 20) + b"{}", "oversize"),
    "a format nobody decodes": ("lifeline/v1/north/gw-bridge/data/xml", b"<a/>", "format"),
    "a status that is no word": ("lifeline/v1/north/gw-bridge/status", b"\x00perhaps", "structure"),
    "a cut block": ("lifeline/v1/north/gw-bridge/data/block", b"\xa4\x61n\x62D1", "syntax"),
}
REJECTED = {
    "text for a number": (values('"high"'), "value-type"),
    "null": (values("null"), "value-type"),
    "a list": (values("[1]"), "value-type"),
    "an object": (values('{"v": 1}'), "value-type"),
    "NaN": (values("NaN"), "not-finite"),
    "Infinity": (values("Infinity"), "not-finite"),
    "minus Infinity": (values("-Infinity"), "not-finite"),
    "1e999": (values("1e999"), "not-finite"),
    "a 400-digit number": (values("9" * 400), "not-finite"),
    "the year 1969": (values("1", '"1969-12-31T23:59:59Z"'), "time"),
    "the year 9999": (values("1", '"9999-12-31T23:59:59Z"'), "time"),
    "a time in words": (values("1", '"yesterday"'), "time"),
    "a time that is a list": (values("1", "[]"), "time"),
    "a negative time": (values("1", "-5"), "time"),
    "an endless time": (values("1", "1e300"), "time"),
    "a name of 129 characters": (values("1").replace(b"V1", b"n" * 129), "name"),
    "a name of control characters": (values("1").replace(b"V1", b"\\u0000\\n"), "name"),
    "no name": (values("1").replace(b"V1", b""), "name"),
}
NOT_OURS = (
    "lifeline",
    "lifeline/x",
    "lifeline/v2/north/gw-bridge/data/json",
    "lifeline/v1/north/gw-bridge/data/json/more",
    "lifeline/v1/north/GW Bridge!/data/json",
    "lifeline/v1/north/网关/data/json",
    "lifeline/v1/north/" + "g" * 200 + "/data/json",
    "lifeline/v1//gw-bridge/data/json",
)
good = iter(range(1, 10_000))


def a_good_reading_still_works(service, sender) -> None:
    value = next(good) / 1000
    sender.reading("gw-bridge", "V1", value)
    latest = service.wait_for_value(VICTIM, value)
    assert (latest["quality"], latest["grade"]) == (1, "normal")


def reasons_of(service, gateway, unit, kind):
    return Counter(service.books(gateway).get(unit, {}).get(f"{kind}_by_reason", {}))


def send_all(service, sender, messages, unit, kind, gateway="gw-bridge"):
    """Send (topic, payload, reason)s, each followed by a good reading; return their entries."""
    before = reasons_of(service, gateway, unit, kind)
    for topic, payload, _reason in messages:
        sender.send(topic, payload)
        a_good_reading_still_works(service, sender)
    wanted = before + Counter(reason for _topic, _payload, reason in messages)
    wait_for(lambda: reasons_of(service, gateway, unit, kind) == wanted, f"counted as {wanted}")
    entries = service.items("/quarantine", gateway=gateway)[: len(messages)]
    return list(reversed(entries))


def test_a_frame_that_cannot_be_read_is_counted_and_kept_to_look_at(service, sender):
    messages = list(UNDECODABLE.values())
    entries = send_all(service, sender, messages, "frames", "undecodable")
    for entry, (topic, payload, reason) in zip(entries, messages, strict=True):
        assert (entry["topic"], entry["reason"]) == (topic, reason)
        assert (entry["unit"], entry["fate"], entry["count"]) == ("frames", "undecodable", 1)
        assert entry["detail"]
        assert entry["excerpt"].isprintable()
        assert bool(entry["excerpt"]) == bool(payload)


def test_a_reading_that_makes_no_sense_is_rejected_alone(service, sender):
    messages = [(DATA, payload, reason) for payload, reason in REJECTED.values()]
    entries = send_all(service, sender, messages, "readings", "rejected")
    for entry, (_topic, _payload, reason) in zip(entries, messages, strict=True):
        assert entry["reason"] == reason
        assert (entry["unit"], entry["fate"], entry["count"]) == ("readings", "rejected", 1)
        assert entry["detail"]
        assert entry["excerpt"].startswith('{"ts"')


def test_a_topic_that_is_not_ours_is_counted(service, sender):
    messages = [(topic, values("1"), "topic") for topic in NOT_OURS]
    entries = send_all(service, sender, messages, "frames", "undecodable", gateway="")
    for entry, topic in zip(entries, NOT_OURS, strict=True):
        assert entry["topic"] == topic
        assert "lifeline/v1/<district>/<gateway>" in entry["detail"]


def test_good_values_beside_bad_ones_are_kept(service, sender):
    sender.send(DATA, values('NaN, "D1": 3.5, "L1": "x"', json.dumps(rfc3339())))
    service.wait_for_value("bridge/test/deflection", 3.5)


def test_a_message_sent_twice_counts_once(service, sender):
    payload = sender.reading("gw-gas", "M1", 1.5, district="south")
    service.wait_for_value("gas/test/methane", 1.5)
    sender.send("lifeline/v1/south/gw-gas/data/json", payload)
    wait_for(lambda: service.books("gw-gas")["frames"]["duplicate"] == 1, "it is a duplicate")
    assert service.books("gw-gas")["readings"]["received"] == 1


def test_a_late_reading_is_stored_and_changes_nothing(service, sender):
    a_good_reading_still_works(service, sender)
    live, late = service.latest(VICTIM), service.books("gw-bridge")["readings"]["late"]
    sender.reading("gw-bridge", "V1", 175.0, ago_s=600)
    wait_for(lambda: service.books("gw-bridge")["readings"]["late"] == late + 1, "it is late")
    assert service.latest(VICTIM) == live
    assert not service.items("/alarms", channel=VICTIM, instrument="false")


def test_a_reading_of_the_future_is_quarantined_and_its_clock_at_fault_by_its_grade(
    service, sender
):
    a_good_reading_still_works(service, sender)
    live = service.latest(VICTIM)
    sender.reading("gw-bridge", "V1", 155.0, ago_s=-3600)
    alarm = service.wait_for_alarm(VICTIM, "clock", active=True)
    assert alarm["grade"] == "orange", "as the value would have been"
    assert alarm["instrument"]
    assert service.latest(VICTIM) == live
    wait_for(
        lambda: service.books("gw-bridge")["readings"]["quarantined_by_reason"] == {"future": 1},
        "it is quarantined",
    )
    entry = service.items("/quarantine", gateway="gw-bridge")[0]
    assert entry["reason"] == "future"
    assert (entry["channel_name"], entry["fate"]) == ("V1", "quarantined")
    a_good_reading_still_works(service, sender)
    service.wait_for_alarm(VICTIM, "clock", active=False)


def test_a_retained_reading_is_judged_by_its_own_time_like_any_other(service, sender):
    payload = json.dumps({"ts": rfc3339(1), "values": {"L1": 2.5}})
    sender.send(DATA, payload, retain=True)
    service.wait_for_value("bridge/test/latched", 2.5)
    sender.send(DATA, b"", retain=True)  # the broker's way of forgetting it
    a_good_reading_still_works(service, sender)


def test_a_gateway_nobody_knows_is_counted_in_its_own_name(service, sender):
    sender.send("lifeline/v1/north/stranger/data/json", b"garbage")
    wait_for(
        lambda: reasons_of(service, "stranger", "frames", "undecodable") == {"syntax": 1},
        "the stranger has books of its own",
    )


def test_one_gateway_cannot_speak_for_anothers_channel(service, sender):
    live = service.latest("bridge/test/deflection")
    sender.reading("gw-gas", "D1", 500.0, district="south")
    wait_for(
        lambda: [e for e in service.items("/unregistered") if e["name"] == "D1"], "it is unknown"
    )
    assert service.latest("bridge/test/deflection") == live


def test_a_flood_of_names_neither_stops_the_service_nor_fills_the_inbox(service, sender):
    for part in range(5):
        many = {f"n{part}-{name}": 1.0 for name in range(4000)}
        sender.send("lifeline/v1/north/flood/data/json", json.dumps({"values": many}))
    wait_for(
        lambda: service.books("flood").get("readings", {}).get("unregistered") == 20_000,
        "all are counted",
    )
    assert 0 < len([e for e in service.items("/unregistered") if e["gateway"] == "flood"]) <= 10_000
    a_good_reading_still_works(service, sender)


def test_after_all_this_the_service_is_ready_and_every_book_balances(service):
    assert service.is_ready()
    wait_for(
        lambda: not any(book["readings"]["pending"] for book in service.items("/accounting")),
        "nothing is pending",
    )
    for book in service.items("/accounting"):
        assert book["frames"]["balanced"], book
        assert book["readings"]["balanced"], book
    assert '"level": "error"' not in service.log
    assert "Traceback" not in service.log


def test_everything_was_settled_so_the_broker_has_nothing_to_redeliver(service, module_broker):
    """The service's own session, taken over by another client, holds nothing more."""
    assert service.stop() == 0
    heard: list[str] = []
    ready: list[bool] = []
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, "lifeline", protocol=MQTTProtocolVersion.MQTTv5
    )
    client.on_message = lambda _client, _data, message: heard.append(message.topic)

    def on_connect(client, _data, flags, _reason, _properties):
        ready.append(flags.session_present)
        client.publish("lifeline/mark", b"last", qos=1)

    client.on_connect = on_connect
    stays = Properties(PacketTypes.CONNECT)
    stays.SessionExpiryInterval = 3600
    client.connect("127.0.0.1", module_broker.port, clean_start=False, properties=stays)
    client.loop_start()
    wait_for(lambda: "lifeline/mark" in heard, "the session's messages have come")
    client.disconnect()
    client.loop_stop()
    assert ready == [True]
    assert heard == ["lifeline/mark"]
    service.start()
    wait_for(service.is_ready, "it is ready again")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/alarms?limit=0", 422),
        ("/alarms?limit=1e9", 422),
        ("/alarms?grade=purple", 422),
        ("/alarms?since=yesterday", 422),
        ("/alarms?cursor=%00", 422),
        ("/alarms?unknown=1", 422),
        ("/alarms/nobody", 404),
        ("/channels/bridge/none", 404),
        (f"/channels/{VICTIM}/readings?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", 422),
        (f"/channels/{VICTIM}/readings?bucket=-1", 422),
        ("/transitions?after=-1", 422),
        ("/transitions?after=99999999999999999999999", 422),
        ("/nothing", 404),
    ],
)
def test_a_bad_request_gets_a_problem_and_no_fault(service, path, status):
    answer = service.http.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"comment": 5}', b'{"more": 1}', b"\xff", b"[" * 50_000]
)
def test_a_bad_body_gets_a_problem_and_no_fault(service, body):
    answer = service.http.post(
        "/unregistered/g/n/adopt",
        content=body,
        headers={**AUTHORIZED, "Content-Type": "application/json"},
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


BAD_CITY = (
    SMALL_CITY.replace("quantity: deflection", "quantity: joy", 1)
    .replace("gateway: gw-gas", "gateway: gw-none")
    .replace("grade: yellow, high: 20", "grade: pink, high: 20")
    + "mayor: nobody\n"
)
FAULTS = {12: "joy", 54: "gw-none", 61: "pink", 62: "mayor"}  # by line


def test_a_first_start_with_a_bad_catalogue_fails_clearly_and_changes_nothing(tmp_path):
    catalogue = tmp_path / "bad.yaml"
    catalogue.write_text(BAD_CITY, encoding="utf-8")
    broker = start_broker(tmp_path / "broker")
    settings = {
        "mqtt_url": broker.url,
        "http_listen": "127.0.0.1:1",
        "data_dir": tmp_path / "data",
        "catalogue": json.dumps([str(catalogue)]),
    }
    told = run_lifeline("serve", **settings)
    assert told.returncode == 1
    said = [line for line in told.stderr.splitlines() if line.startswith(f"{catalogue}:")]
    for line, word in FAULTS.items():
        assert any(one.startswith(f"{catalogue}:{line}:") and word in one for one in said), said
    assert "Traceback" not in told.stderr

    catalogue.write_text(SMALL_CITY, encoding="utf-8")
    service = Service(tmp_path, broker.url, [catalogue]).start()
    sender = Sender(broker.port)
    assert service.get("/catalogue")["revision"] == 1
    a_good_reading_still_works(service, sender)
    sender.close()
    assert service.close() == 0
    broker.stop()
