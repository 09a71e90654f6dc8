"""A running service takes a new catalogue: by files, by the command line beside it, by documents."""

import json

import pytest

from tests.service.running import (
    AUTHORIZED,
    SMALL_CITY,
    rfc3339,
    run_lifeline,
    wait_for,
)

DEFLECTION = "bridge/test/deflection"
METHANE = "gas/test/methane"
CITY = SMALL_CITY.replace(
    "gateways:\n",
    "profiles: [{id: flood-season, name: {zh: 汛期, en: Flood season}}]\ngateways:\n",
    1,
).replace(
    "          - {grade: yellow, high: 20, deadband: 1, source: test}\n",
    "          - {grade: yellow, high: 20, deadband: 1, source: test}\n"
    "        profile_limits: {flood-season: [{grade: yellow, high: 5, deadband: 1}]}\n",
)
YAML = {**AUTHORIZED, "Content-Type": "application/yaml"}


@pytest.fixture(scope="module")
def small_city(tmp_path_factory):
    path = tmp_path_factory.mktemp("catalogue") / "small.yaml"
    path.write_text(CITY, encoding="utf-8")
    return path


def write(path, text):
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def revision(service):
    return service.get("/catalogue")["revision"]


def limits_of(service, channel):
    return [limit["value"] for limit in service.get(f"/channels/{channel}")["limits"]]


def checks(service):
    answer = service.http.get(f"{service.url}/health/ready").json()
    return {check["name"]: check for check in answer["checks"]}


def test_a_file_that_changes_is_taken_and_a_bad_one_is_told_until_it_is_right(
    service, sender, small_city
):
    sender.reading("gw-bridge", "V1", 125.0)
    alarm = service.wait_for_alarm("bridge/test/victim", active=True)
    write(small_city, CITY.replace("high: 60,", "high: 55,"))
    wait_for(lambda: limits_of(service, DEFLECTION)[0] == 55, "the new limit")
    assert service.wait_for_alarm("bridge/test/victim", active=True)["id"] == alarm["id"]

    write(small_city, CITY.replace("kind: gas", "kind: joy"))
    wait_for(lambda: not checks(service)["catalogue"]["ok"], "the fault is told")
    assert "small.yaml:" in checks(service)["catalogue"]["detail"]
    assert "catalogue not imported" in service.log
    sender.reading("gw-bridge", "V1", 1.0)
    service.wait_for_value("bridge/test/victim", 1.0)

    write(small_city, CITY)
    wait_for(lambda: limits_of(service, DEFLECTION)[0] == 60, "the old limit again")
    assert checks(service)["catalogue"]["ok"]
    metrics = service.http.get(f"{service.url}/metrics").text
    assert "lifeline_catalogue_faults 0.0" in metrics


def test_the_command_line_beside_it_makes_a_revision_that_it_takes(service, tmp_path):
    before = revision(service)
    other = tmp_path / "other.yaml"
    other.write_text(CITY.replace("Testville", "Elsewhere"), encoding="utf-8")
    done = run_lifeline("catalogue", "import", other, data_dir=service.folder / "data")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"revision": before + 1}
    wait_for(lambda: revision(service) == before + 1, "the revision is active")
    assert service.get("/catalogue")["name"]["en"] == "Elsewhere"


def test_a_document_is_previewed_submitted_listed_compared_and_gone_back_from(service):
    before = revision(service)
    document = CITY.replace("high: 60,", "high: 50,").encode()

    def submit(path, body=document, headers=YAML):
        return service.http.post(path, content=body, headers=headers)

    preview = submit("/catalogue/revisions?dry_run=true").json()
    assert preview["revision"] is None
    assert preview["differences"]["counts"]["limits_changed"] == 4
    assert revision(service) == before

    bad = submit("/catalogue/revisions", CITY.replace("kind: gas", "kind: joy").encode())
    assert bad.status_code == 422
    assert bad.headers["content-type"] == "application/problem+json"
    assert bad.json()["errors"][0]["line"] == str(CITY.split("kind: gas")[0].count("\n") + 1)

    assert (
        submit("/catalogue/revisions", headers={"Content-Type": "application/yaml"}).status_code
        == 401
    )
    made = submit("/catalogue/revisions?note=works").json()["revision"]
    assert made == before + 1 == revision(service)
    assert limits_of(service, DEFLECTION)[0] == 50
    listed = service.items("/catalogue/revisions")
    assert [one["revision"] for one in listed] == list(range(made, 0, -1))
    assert (listed[0]["note"], listed[0]["active"]) == ("works", True)
    found = service.get(f"/catalogue/revisions/{before}/diff")
    assert found["counts"]["limits_changed"] == 4
    again = service.post(f"/catalogue/revisions/{before}/activate")["revision"]
    assert again == made + 1 == revision(service)
    assert limits_of(service, DEFLECTION)[0] == 60


def test_commissioning_closes_its_alarms_and_leaving_it_raises_what_is_held(service, sender):
    sender.reading("gw-bridge", "D1", 125.0)
    service.wait_for_alarm(DEFLECTION, active=True)

    def tell(path, *, on, method="POST"):
        answer = service.http.request(method, path, json={"commissioning": on}, headers=AUTHORIZED)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert tell(f"/channels/{DEFLECTION}", on=True, method="PATCH")["commissioning"]
    ended = service.wait_for_alarm(DEFLECTION, ended=True)
    last = service.get(f"/alarms/{ended['id']}")["transitions"][-1]
    assert last["reason"] == "channel in commissioning"
    tell(f"/channels/{DEFLECTION}", on=False, method="PATCH")
    raised = service.wait_for_alarm(DEFLECTION, active=True)
    assert raised["id"] != ended["id"]
    whole = tell("/facilities/gas/test/commissioning", on=True)
    assert whole["channels"] == [METHANE]
    assert service.get("/facilities/gas/test")["in_commissioning"] == 2  # with what is derived
    tell("/gateways/gw-gas/commissioning", on=False)
    assert not service.get(f"/channels/{METHANE}")["commissioning"]


def test_a_profile_is_put_in_force_ends_by_itself_and_survives_a_restart(service, sender):
    sender.reading("gw-gas", "M1", 7.0, district="south")
    service.wait_for_value(METHANE, 7.0)
    body = {"scope": {"kind": "gas"}, "reason": "rain"}
    (flood,) = service.post("/profiles/flood-season/activate", body)["items"]
    assert [one["facility"] for one in flood["in_force"]] == ["gas/test"]
    assert service.get("/facilities/gas/test")["profile"] == "flood-season"
    assert limits_of(service, METHANE) == [5]
    sender.reading("gw-gas", "M1", 7.5, district="south")
    alarm = service.wait_for_alarm(METHANE, active=True)
    evidence = service.get(f"/alarms/{alarm['id']}")["transitions"][0]["evidence"]
    assert evidence["profile"] == "flood-season"

    assert service.stop() == 0
    service.start()
    assert limits_of(service, METHANE) == [5]
    body = {**body, "until": rfc3339(-1.5)}
    assert service.post("/profiles/flood-season/activate", body)["changes"][0]["until"]
    wait_for(lambda: limits_of(service, METHANE) == [20], "normal again by itself")
    changes = service.get("/profiles")["changes"]
    assert [(one["profile"], one["author"]) for one in changes[:1]] == [("normal", None)]


def test_a_start_with_a_bad_file_goes_on_with_the_last_revision(service, small_city):
    assert service.stop() == 0
    write(small_city, "facilities: [")
    service.spawn()
    wait_for(service.is_live, "it answers", 60)
    assert not service.is_ready()
    assert "going on with revision" in checks(service)["catalogue"]["detail"]
    write(small_city, CITY)
    wait_for(service.is_ready, "the file is right again")
