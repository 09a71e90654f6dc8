"""The audit: every write is written down, and administrators read it."""

import pytest

from api.app import create_app
from tests.api.conftest import OPERATOR, serve
from tests.api.fakes import MemoryInboxed
from tests.api.test_auth import ADOPTION, bearer

V1 = "/api/v1"
FRAMES = ("POST", f"{V1}/gateways/{{gateway}}/frames")
"""What a gateway sends is data, and in the journal: it is no person's act."""

CALLS = {
    f"{V1}/alarms/{{alarm_id}}/acknowledge": ({"comment": "seen"}, "acknowledge", "seen"),
    f"{V1}/alarms/{{alarm_id}}/reset": ({}, "reset", ""),
    f"{V1}/unregistered/{{gateway}}/{{name}}/adopt": (ADOPTION, "adopt", "gw-new sends it as T"),
}
# Tried where their routes are: tests/api/test_revisions.py, test_webhooks.py, test_backups.py.
ELSEWHERE = {
    ("POST", f"{V1}/backups"),
    ("POST", f"{V1}/catalogue/revisions"),
    ("POST", f"{V1}/catalogue/revisions/{{revision}}/activate"),
    ("PATCH", f"{V1}/channels/{{channel_id}}"),
    ("POST", f"{V1}/facilities/{{facility_id}}/commissioning"),
    ("POST", f"{V1}/gateways/{{gateway_id}}/commissioning"),
    ("POST", f"{V1}/profiles/{{profile_id}}/activate"),
    ("POST", f"{V1}/webhooks/{{name}}/dead-letters/{{notice_id}}/redeliver"),
    ("POST", f"{V1}/webhooks/{{name}}/test"),
}


def writes(app):
    """Return the writes of the interface, as the document that describes it tells them."""
    paths = app.openapi()["paths"].items()
    found = {
        (method.upper(), path)
        for path, methods in paths
        for method in methods
        if method in ("post", "put", "patch", "delete")
    }
    return found - {FRAMES}


def test_every_write_is_tried_here(memory):
    assert writes(create_app(memory.ports())) == ELSEWHERE | {("POST", path) for path in CALLS}


@pytest.mark.parametrize("path", CALLS)
async def test_a_write_is_recorded_with_who_and_what(memory, path):
    body, action, detail = CALLS[path]
    memory.store.inbox = [MemoryInboxed("gw-new", "T", "north", 1, 1, 1, 1, 1.0)]
    alarm = next(
        alarm for alarm in memory.live.open_alarms() if alarm.awaiting_reset or "reset" not in path
    )
    async with serve(memory) as client:
        place = path.format(alarm_id=alarm.id, gateway="gw-new", name="T")
        answer = await client.post(place, json=body, headers=OPERATOR)
    assert answer.status_code in (200, 201), answer.text
    (act,) = memory.audit.acts
    target = answer.json()["id"]
    assert (act.author, act.action, act.target, act.detail) == ("li.na", action, target, detail)


async def test_what_was_refused_is_no_act(memory, client):
    for headers in ({}, bearer("viewer-key"), OPERATOR):
        await client.post(f"{V1}/alarms/none/acknowledge", headers=headers)
    assert memory.audit.acts == []


async def test_administrators_read_the_audit_in_pages(memory, client):
    for number in range(3):
        await memory.audit.record("li.na", "reset", f"alarm-{number}", "why")
    first = (await client.get(f"{V1}/audit?limit=2", headers=bearer("admin-key"))).json()
    rest = await client.get(
        f"{V1}/audit?limit=2&cursor={first['next']}", headers=bearer("admin-key")
    )
    items = first["items"] + rest.json()["items"]
    assert [item["target"] for item in items] == ["alarm-2", "alarm-1", "alarm-0"]
    assert items[0]["author"] == "li.na"
    assert items[0]["at"].endswith("Z")


@pytest.mark.parametrize(
    ("secret", "status"), [(None, 401), ("viewer-key", 403), ("operator-key", 403)]
)
async def test_nobody_else_reads_it(client, secret, status):
    assert (await client.get(f"{V1}/audit", headers=bearer(secret))).status_code == status


async def test_a_cursor_of_another_list_is_refused(client):
    answer = await client.get(f"{V1}/audit?cursor=nonsense", headers=bearer("admin-key"))
    assert answer.status_code == 422
