"""The main job, end to end: from a gateway's MQTT message to an alarm that somebody acknowledges."""

import json
import time

import pytest

from tests.conftest import start_broker
from tests.service.running import (
    AUTHORIZED,
    KEY,
    SMALL_CITY,
    Sender,
    Service,
    events,
    rfc3339,
    run_lifeline,
    wait_for,
)

DEFLECTION = "bridge/test/deflection"
LATCHED = "bridge/test/latched"
ALARM_FIELDS = {
    "id", "facility", "kind", "channel", "condition", "grade", "peak_grade", "active",
    "acknowledged", "instrument", "raised_at", "cleared_at", "value", "limit", "delayed", "text",
}  # fmt: skip


def test_a_reading_over_a_limit_becomes_an_alarm_that_lives_acknowledged_and_ends(service, sender):
    with events(service) as told:
        assert next(told)[0] == "hello"
        sender.reading("gw-bridge", "D1", 155.5)
        transition = next(data for event, data in told if event == "transition")
    assert transition["kind"] == "raised"
    assert transition["alarm"]["channel"] == DEFLECTION

    alarm = service.wait_for_alarm(DEFLECTION, active=True)
    assert alarm.keys() >= ALARM_FIELDS
    assert alarm["id"] == transition["alarm"]["id"]
    assert alarm["facility"] == "bridge/test"
    assert alarm["kind"] == "bridge"
    assert alarm["grade"] == alarm["peak_grade"] == "orange"
    assert (alarm["value"], alarm["limit"]) == (155.5, 150)
    assert not alarm["acknowledged"]
    assert not alarm["instrument"]
    assert not alarm["delayed"]
    assert alarm["cleared_at"] is None
    for word in ("试验桥", "跨中挠度", "155.5 mm", "橙色"):
        assert word in alarm["text"]["zh"]
    for word in ("Test Bridge", "Midspan deflection", "155.5 mm", "orange"):
        assert word in alarm["text"]["en"]

    verb = f"/alarms/{alarm['id']}/acknowledge"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        refused = service.http.post(verb, json={}, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
    assert not service.get(f"/alarms/{alarm['id']}")["acknowledged"]

    acknowledged = service.post(verb, {"comment": "crew is on the way"})
    assert acknowledged["acknowledged"]
    assert acknowledged["acknowledged_by"]
    assert service.http.post(verb, json={}, headers=AUTHORIZED).status_code in (200, 409)

    sender.reading("gw-bridge", "D1", 185.0)
    risen = service.wait_for_alarm(DEFLECTION, grade="red")
    assert risen["id"] == alarm["id"]
    assert not risen["acknowledged"], "a rise takes the acknowledgement back"
    service.post(verb)

    sender.reading("gw-bridge", "D1", 10.0)
    ended = service.wait_for_alarm(DEFLECTION, ended=True)
    assert ended["id"] == alarm["id"]
    assert ended["grade"] == "normal"
    assert ended["peak_grade"] == "red"
    assert ended["cleared_at"] is not None

    history = service.get(f"/alarms/{alarm['id']}")["transitions"]
    kinds = [one["kind"] for one in history]
    assert kinds == ["raised", "acknowledged", "risen", "acknowledged", "returned", "ended"]
    assert history[0]["evidence"]["readings"][-1]["value"] == 155.5
    assert history[1]["reason"] == "crew is on the way"


def test_a_latching_alarm_stays_until_somebody_resets_it(service, sender):
    sender.reading("gw-bridge", "L1", 130.0)
    alarm = service.wait_for_alarm(LATCHED, active=True)
    reset, acknowledge = (f"/alarms/{alarm['id']}/{verb}" for verb in ("reset", "acknowledge"))
    assert service.http.post(reset, json={}, headers=AUTHORIZED).status_code == 409
    service.post(acknowledge)
    sender.reading("gw-bridge", "L1", 10.0)
    waiting = service.wait_for_alarm(LATCHED, active=False)
    assert waiting["awaiting_reset"]
    assert not waiting["ended"]
    assert service.http.post(reset, json={}).status_code == 401
    assert service.post(reset)["ended"]


def test_a_listener_that_comes_back_is_told_what_it_missed(service, sender):
    sender.reading("gw-gas", "M1", 25.0, district="south")
    service.wait_for_alarm("gas/test/methane", active=True)
    with events(service, after=0) as told:
        first = next(data for event, data in told if event == "transition")
    assert first["number"] == 1


def test_a_channel_shows_its_newest_reading_with_quality_and_grade(service, sender):
    sender.reading("gw-bridge", "V1", 61.25)
    service.wait_for_value("bridge/test/victim", 61.25)
    latest = service.latest("bridge/test/victim")
    assert (latest["quality"], latest["grade"], latest["fresh"]) == (1, "blue", True)
    sender.reading("gw-bridge", "V1", 5000.0)  # outside of the instrument's range
    latest = service.wait_for_value("bridge/test/victim", 5000.0)
    assert latest["quality"] == 4
    assert latest["grade"] == "blue", "a failed reading changes no grade"
    listed = {one["id"]: one for one in service.items("/channels", facility="bridge/test")}
    assert listed["bridge/test/victim"]["latest"]["value"] == 5000.0


def test_readings_come_back_raw_and_in_buckets(service, sender):
    start, end = "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"
    records = [
        {"ts": f"2026-03-01T00:{minute:02d}:00Z", "values": {"M1": float(minute % 10)}}
        for minute in range(60)
    ]
    sender.send("lifeline/v1/south/gw-gas/data/json", json.dumps(records))
    path = "/channels/gas/test/methane/readings"
    raw = wait_for(
        lambda: (got := service.get(path, start=start, end=end))["items"][59:] and got,
        "sixty readings are archived",
    )
    assert [one["value"] for one in raw["items"]] == [minute % 10 for minute in range(60)]
    assert raw["items"][0]["time"] == start
    assert raw["unit"]
    buckets = service.get(path, start=start, end=end, bucket="10m")["items"]
    assert [(b["count"], b["min"], b["max"], b["mean"], b["last"]) for b in buckets] == (
        [(10, 0, 9, 4.5, 9)] * 6
    )


def adopt(service, gateway, name, channel, facility="bridge/test"):
    return service.post(
        f"/unregistered/{gateway}/{name}/adopt",
        {
            "facility": facility,
            "channel": channel,
            "name": {"zh": "水深", "en": "Depth"},
            "quantity": "water_depth",
            "sample_interval_s": 60,
        },
    )


@pytest.mark.parametrize(
    ("gateway", "channel"), [("gw-bridge", "depth-a"), ("my-gateway", "depth-b")]
)
def test_an_unknown_name_waits_in_the_inbox_and_is_adopted(service, sender, gateway, channel):
    sender.reading(gateway, "Depth", 0.31, ago_s=5)
    entry = wait_for(
        lambda: [one for one in service.items("/unregistered") if one["gateway"] == gateway],
        f"{gateway} is in the inbox",
    )[0]
    assert (entry["name"], entry["last_value"]) == ("Depth", 0.31)
    adopted = adopt(service, gateway, "Depth", channel)
    assert adopted["id"] == f"bridge/test/{channel}"
    assert [limit["grade"] for limit in adopted["limits"]]
    assert not [one for one in service.items("/unregistered") if one["gateway"] == gateway]
    sender.reading(gateway, "Depth", 0.32)  # the very next reading
    latest = service.wait_for_value(adopted["id"], 0.32)
    assert latest["quality"] == 1
    path = f"/channels/{adopted['id']}/readings"
    wait_for(lambda: service.get(path)["items"], "the reading is stored")
    assert [one["value"] for one in service.get(path)["items"]] == [0.32]
    assert service.books(gateway)["readings"]["unregistered"] == 1


def test_an_adopted_channel_is_graded(service, sender):
    for _ in range(2):  # two of three
        sender.reading("my-gateway", "Depth", 0.33)
    alarm = service.wait_for_alarm("bridge/test/depth-b", active=True)
    assert alarm["grade"] == "red"
    assert "0.33 m" in alarm["text"]["en"]


def test_what_is_adopted_twice_or_into_nothing_is_refused(service):
    body = {"channel": "x", "name": {"zh": "某", "en": "x"}, "quantity": "water_depth"}
    path = "/unregistered/gw-bridge/Depth/adopt"

    def status(**more: object) -> int:
        answer = service.http.post(path, json={**body, **more}, headers=AUTHORIZED)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code

    assert status(facility="bridge/test") == 409
    assert status(facility="bridge/nowhere") == 422
    assert service.http.post(path, json=body).status_code == 401


def test_each_gateways_books_balance(service):
    def settled() -> bool:
        return not any(book["readings"]["pending"] for book in service.items("/accounting"))

    wait_for(settled, "nothing is pending")
    assert service.all_books_balance()
    assert service.books("gw-bridge")["frames"]["decoded"] > 0


def test_a_second_service_on_the_same_data_is_refused(service):
    data = service.folder / "data"
    told = run_lifeline("serve", data_dir=data, http_listen="127.0.0.1:0", admin_key=KEY)
    assert told.returncode == 1
    assert "another process" in told.stderr or "in use" in told.stderr
    assert "Traceback" not in told.stderr
    assert service.is_ready()


def test_health_metrics_and_the_catalogue_answer(service):
    ready = service.http.get(f"{service.url}/health/ready").json()
    assert {check["name"] for check in ready["checks"]} >= {"broker", "archive", "state", "tasks"}
    metrics = service.http.get(f"{service.url}/metrics").text
    assert "lifeline_ingested_total" in metrics
    assert service.get("/catalogue")["name"]["en"] == "Testville"
    facilities = {one["id"]: one for one in service.items("/facilities")}
    assert facilities.keys() == {"bridge/test", "gas/test"}


@pytest.fixture
def restarting(tmp_path):
    """A service of its own, to be stopped and started with another catalogue."""
    broker = start_broker(tmp_path / "broker")
    catalogue = tmp_path / "city.yaml"
    catalogue.write_text(SMALL_CITY, encoding="utf-8")
    service, sender = Service(tmp_path / "service", broker.url, [catalogue]), Sender(broker.port)
    yield service.start(), sender, catalogue
    sender.close()
    service.close()
    broker.stop()


def test_an_orderly_restart_keeps_everything_and_takes_a_changed_catalogue(restarting):
    service, sender, catalogue = restarting
    sender.reading("gw-bridge", "D1", 155.0, ago_s=2)
    alarm = service.wait_for_alarm(DEFLECTION, active=True)
    service.post(f"/alarms/{alarm['id']}/acknowledge")
    sender.reading("gw-bridge", "Depth", 0.01)
    wait_for(lambda: service.items("/unregistered"), "the name is in the inbox")
    adopt(service, "gw-bridge", "Depth", "depth")
    duplicate = sender.reading("gw-bridge", "D1", 156.0, ago_s=1)
    service.wait_for_value(DEFLECTION, 156.0)
    wait_for(lambda: service.books("gw-bridge")["readings"]["stored"] == 2, "all is archived")
    books, revision = service.books("gw-bridge"), service.get("/catalogue")["revision"]
    history = service.items("/transitions")

    assert service.stop() == 0, service.log
    assert '"level": "error"' not in service.log
    assert list((service.folder / "data" / "snapshots").iterdir())
    later = SMALL_CITY.replace("Midspan deflection", "Renamed deflection")
    catalogue.write_text(later, encoding="utf-8")
    service.start()

    assert recovered_rows(service.log) == 0, "the snapshot of the stop is used"
    assert service.get("/catalogue")["revision"] == revision + 1
    assert service.get(f"/channels/{DEFLECTION}")["name"]["en"] == "Renamed deflection"
    assert service.get("/channels/bridge/test/depth")["sent_as"] == "Depth", "adopted, and kept"
    assert service.books("gw-bridge") == books
    assert service.items("/transitions")[: len(history)] == [
        {**one, "alarm": now["alarm"]}
        for one, now in zip(history, service.items("/transitions"), strict=False)
    ]
    again = service.get(f"/alarms/{alarm['id']}")
    assert (again["active"], again["acknowledged"]) == (True, True)
    assert service.latest(DEFLECTION)["value"] == 156.0

    sender.send("lifeline/v1/north/gw-bridge/data/json", duplicate)
    wait_for(lambda: service.books("gw-bridge")["frames"]["duplicate"] == 1, "known after restart")
    sender.reading("gw-bridge", "Depth", 0.02)
    service.wait_for_value("bridge/test/depth", 0.02)
    sender.reading("gw-bridge", "D1", 1.0)
    assert service.wait_for_alarm(DEFLECTION, ended=True)["id"] == alarm["id"]


def recovered_rows(log: str) -> int:
    told = [json.loads(line) for line in log.splitlines() if '"recovered"' in line][-1]
    return told["to_row"] - told["from_row"]


def test_what_was_sent_while_the_service_was_away_is_delayed_and_not_lost(restarting):
    service, sender, _catalogue = restarting
    assert service.stop() == 0
    sender.reading("gw-bridge", "D1", 185.0, ago_s=3600)
    sender.reading("gw-bridge", "D1", 3.0, ago_s=1)
    service.start()
    alarm = service.wait_for_alarm(DEFLECTION, active=False)
    assert alarm["peak_grade"] == "red"
    assert alarm["delayed"]
    assert "reported late" in alarm["text"]["en"]
    assert service.books("gw-bridge")["readings"]["received"] == 2


def test_the_clock_of_the_books_is_the_walls(service):
    now = service.get("/catalogue")["now"]
    assert abs(time.time() - time.mktime(time.strptime(now[:19], "%Y-%m-%dT%H:%M:%S"))) < 86_400
    assert now[:10] <= rfc3339()[:10]
