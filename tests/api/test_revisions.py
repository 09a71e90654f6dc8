"""Revisions, commissioning and profiles through the interface: roles, forms, refusals."""

import json

import pytest

from api.ports_catalogue import ClosingAlarm, Differences, LimitsChange
from domain.catalogue import Limit
from domain.grade import Grade, Side

ADMIN = {"Authorization": "Bearer admin-key"}
OPERATOR = {"Authorization": "Bearer operator-key"}
VIEWER = {"Authorization": "Bearer viewer-key"}
YAML = {"Content-Type": "application/yaml"}
PATH = "/api/v1/catalogue/revisions"
BRIDGE = "/api/v1/channels/bridge/riverside/deflection-midspan"


async def test_only_an_admin_submits_documents(client):
    for headers, status in (({}, 401), (VIEWER, 403), (OPERATOR, 403), (ADMIN, 200)):
        answer = await client.post(PATH, content=b"a: 1", headers={**YAML, **headers})
        assert answer.status_code == status


async def test_a_dry_run_makes_nothing_and_tells_everything(client, memory):
    limits = (Limit(Grade.RED, Side.HIGH, 1.0),)
    memory.revisions.found = Differences(
        ["f"], [], [], ["g"], ["c"] * 1500, [], {"d": ("name",)},
        [LimitsChange("d", (), limits)], [ClosingAlarm("a", "d", "limit removed")],
    )  # fmt: skip
    answer = await client.post(
        PATH, params={"dry_run": "true"}, content=b"a: 1", headers={**YAML, **ADMIN}
    )
    body = answer.json()
    assert body["revision"] is None
    assert memory.revisions.documents == []
    told = body["differences"]
    assert (len(told["channels_added"]), told["counts"]["channels_added"]) == (1000, 1500)
    assert told["limits_changed"][0]["after"][0]["value"] == 1.0
    assert told["alarms_closing"] == [{"alarm": "a", "channel": "d", "reason": "limit removed"}]


async def test_all_faults_are_told_with_their_places(client):
    answer = await client.post(PATH, content=b"bad: 1", headers={**YAML, **ADMIN})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    fault = answer.json()["errors"][0]
    assert (fault["file"], fault["line"]) == ("document", "3")
    assert (fault["message"], fault["remedy"]) == ("no kind `bad`", "write a good one")
    assert len(answer.json()["errors"]) == 2


async def test_json_is_taken_with_tabs_and_pairs_and_lines_stay(client, memory):
    text = '{\n\t"name": "\\ud83d\\ude00",\n"facilities": []}'
    headers = {"Content-Type": "application/json", **ADMIN}
    assert (await client.post(PATH, content=text.encode(), headers=headers)).status_code == 200
    (document,) = memory.revisions.documents
    assert json.loads(document) == json.loads(text)
    assert b"\t" not in document
    assert document.count(b"\n") == text.count("\n")
    assert "\U0001f600".encode() in document


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"{", "application/json"), (b"a: 1", "text/plain"), (b"[" * 5000, "application/json")],
)
async def test_what_is_no_document_is_refused(client, body, kind):
    answer = await client.post(PATH, content=body, headers={"Content-Type": kind, **ADMIN})
    assert answer.status_code == 422
    assert answer.json()["remedy"]


async def test_a_document_may_be_large_for_whoever_shows_a_key(client):
    large = b"#" * 100_000
    assert (await client.post(PATH, content=large, headers={**YAML, **ADMIN})).status_code == 200
    assert (await client.post(PATH, content=large, headers=YAML)).status_code == 413


async def test_revisions_are_listed_newest_first_and_gone_back_to(client, memory):
    made = (await client.post(f"{PATH}/7/activate", headers=ADMIN)).json()
    assert (made["revision"], made["active"], made["note"]) == (8, True, "revision 7 again")
    part = (await client.get(PATH, params={"limit": 1})).json()
    assert [one["revision"] for one in part["items"]] == [8]
    rest = (await client.get(PATH, params={"cursor": part["next"]})).json()
    assert [one["revision"] for one in rest["items"]] == [7]
    assert (await client.get(f"{PATH}/8")).json()["author"] == "admin"
    assert (await client.get(f"{PATH}/8/diff", params={"against": 7})).status_code == 200
    for path in (f"{PATH}/99", f"{PATH}/99/diff", f"{PATH}/-1", f"{PATH}/7/diff?against=99"):
        assert (await client.get(path)).status_code == 404


async def test_an_operator_puts_a_channel_into_commissioning(client, memory):
    body = {"commissioning": True}
    assert (await client.patch(BRIDGE, json=body)).status_code == 401
    assert (await client.patch(BRIDGE, json=body, headers=VIEWER)).status_code == 403
    answer = await client.patch(BRIDGE, json=body, headers=OPERATOR)
    assert answer.json()["commissioning"] is True
    again = memory.live.active.revision
    assert (await client.patch(BRIDGE, json=body, headers=OPERATOR)).status_code == 200
    assert memory.live.active.revision == again, "nothing to change, no revision"
    for path in (f"{BRIDGE}:silent", "/api/v1/channels/none"):
        assert (await client.patch(path, json=body, headers=OPERATOR)).status_code in (404, 422)


@pytest.mark.parametrize("noun", ["facilities/bridge/riverside", "gateways/gw-riverside"])
async def test_a_whole_facility_or_gateway_is_put_into_commissioning(client, noun):
    path = f"/api/v1/{noun}/commissioning"
    answer = await client.post(path, json={"commissioning": True}, headers=OPERATOR)
    assert set(answer.json()["channels"]) == {
        "bridge/riverside/deflection-midspan", "bridge/riverside/strain-girder",
    }  # fmt: skip
    missing = await client.post(
        f"/api/v1/{noun}x/commissioning", json={"commissioning": True}, headers=OPERATOR
    )
    assert missing.status_code == 404


async def test_what_changes_the_catalogue_is_written_down(client, memory):
    await client.post(PATH, params={"note": "works"}, content=b"a: 1", headers={**YAML, **ADMIN})
    await client.post(PATH, params={"dry_run": True}, content=b"a: 1", headers={**YAML, **ADMIN})
    await client.post(f"{PATH}/7/activate", headers=ADMIN)
    body = {"commissioning": True}
    await client.patch(BRIDGE, json=body, headers=OPERATOR)
    await client.post("/api/v1/facilities/gas/xinhua/commissioning", json=body, headers=OPERATOR)
    await client.post("/api/v1/gateways/gw-dongmen/commissioning", json=body, headers=OPERATOR)
    assert [(act.author, act.action, act.target) for act in memory.audit.acts] == [
        ("admin", "submit-catalogue", "8"),
        ("admin", "activate-revision", "9"),
        ("li.na", "commission", "bridge/riverside/deflection-midspan"),
        ("li.na", "commission", "gas/xinhua"),
        ("li.na", "commission", "gw-dongmen"),
    ]


async def test_a_profile_is_put_in_force_and_shown(client, memory):
    path = "/api/v1/profiles/flood-season/activate"
    body = {"scope": {"kind": "drainage"}, "reason": "rain", "until": "2026-09-30T00:00:00+08:00"}
    assert (await client.post(path, json=body)).status_code == 401
    (shown,) = (await client.post(path, json=body, headers=OPERATOR)).json()["items"]
    assert shown["name"]["zh"] == "汛期"
    assert len(shown["in_force"]) == 3
    assert shown["in_force"][0]["until"] == "2026-09-29T16:00:00Z"
    assert shown["in_force"][0]["author"] == "li.na"
    (act,) = memory.audit.acts
    assert (act.author, act.action, act.target) == ("li.na", "profile", "flood-season")


@pytest.mark.parametrize(
    ("profile", "body", "status"),
    [
        ("none", {"scope": {"all": True}, "reason": "r"}, 404),
        ("flood-season", {"scope": {}, "reason": "r"}, 422),
        ("flood-season", {"scope": {"all": True, "kind": "gas"}, "reason": "r"}, 422),
        ("flood-season", {"scope": {"all": False}, "reason": "r"}, 422),
        ("flood-season", {"scope": {"facilities": []}, "reason": "r"}, 422),
        ("flood-season", {"scope": {"all": True}}, 422),
        ("flood-season", {"scope": {"all": True}, "reason": "r", "until": "soon"}, 422),
        ("flood-season", {"scope": {"kind": "none"}, "reason": "r"}, 404),
    ],
)
async def test_a_profile_that_makes_no_sense_is_refused(client, profile, body, status):
    path = f"/api/v1/profiles/{profile}/activate"
    answer = await client.post(path, json=body, headers=OPERATOR)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
