"""The webhooks through the interface, over endpoints in memory."""

from dataclasses import dataclass, replace

import pytest

from api.app import create_app
from api.ports import Refused, WebhookState, unknown_webhook
from domain.alarm import Notice
from tests.api.conftest import OPERATOR
from tests.api.fakes import NOW_NS

ADMIN = {"Authorization": "Bearer admin-key"}
V1 = "/api/v1/webhooks"


@dataclass
class Told:
    number: int
    notice: Notice


@dataclass
class Letter:
    told: Told
    attempts: int = 4
    error: str = "answered 500"
    first_tried_ns: int = NOW_NS
    last_tried_ns: int = NOW_NS


@dataclass
class Page:
    items: list
    next: str | None = None


class MemoryWebhooks:
    def __init__(self, alarm):
        self.letters = {"n-1": Letter(Told(7, Notice("n-1", 1, "t-1", alarm)))}
        self.works = True

    async def states(self):
        return [
            WebhookState(
                name="city", host="https://city.example", state="failing", cursor=3, lag=2,
                waiting=2, oldest_ns=NOW_NS, last_success_ns=0, failing_since_ns=NOW_NS,
                last_error="answered 500", last_error_ns=NOW_NS, catching_up=False, delivered=3,
                failures=9, superseded=0, dead_letters=len(self.letters),
            )
        ]  # fmt: skip

    async def dead_letters(self, name, cursor, limit):
        self._check(name)
        if cursor:
            raise ValueError(cursor)
        return Page(list(self.letters.values())[:limit])

    async def redeliver(self, name, notice_id):
        self._check(name)
        if notice_id not in self.letters:
            raise Refused(404, "no such dead letter")
        if not self.works:
            raise Refused(502, "it did not take it")
        del self.letters[notice_id]

    async def test(self, name, author):
        self._check(name)
        if not self.works:
            raise Refused(502, "it did not take it")
        return 204

    def _check(self, name):
        if name != "city":
            raise unknown_webhook(name)


@pytest.fixture
def webhooks(memory, monkeypatch):
    made = MemoryWebhooks(memory.live.open_alarms()[0])
    ports = replace(memory.ports(), webhooks=made)
    monkeypatch.setattr(memory, "ports", lambda: ports)
    return made


async def test_the_endpoints_are_listed_with_how_they_are(webhooks, client):
    [item] = (await client.get(V1)).json()["items"]
    assert (item["name"], item["state"], item["lag"]) == ("city", "failing", 2)
    assert item["last_error"] == "answered 500"
    assert item["last_success"] is None
    assert item["dead_letters"] == 1


async def test_dead_letters_are_listed_with_their_alarm_and_sent_again(webhooks, client):
    [letter] = (await client.get(f"{V1}/city/dead-letters")).json()["items"]
    assert (letter["id"], letter["number"], letter["attempts"]) == ("n-1", 7, 4)
    assert letter["alarm"]["text"]["zh"]
    path = f"{V1}/city/dead-letters/n-1/redeliver"
    assert (await client.post(path, headers=ADMIN)).json() == {"delivered": True, "status": None}
    assert (await client.get(f"{V1}/city/dead-letters")).json()["items"] == []
    assert (await client.post(path, headers=ADMIN)).status_code == 404


async def test_what_is_done_to_webhooks_is_in_the_audit(memory, webhooks, client):
    await client.post(f"{V1}/city/dead-letters/n-1/redeliver", headers=ADMIN)
    await client.post(f"{V1}/city/test", headers=ADMIN)
    acts = [(act.author, act.action, act.target) for act in memory.audit.acts]
    assert acts == [("admin", "redeliver", "city/n-1"), ("admin", "test-webhook", "city")]


async def test_a_test_says_what_the_endpoint_answered(webhooks, client):
    answer = await client.post(f"{V1}/city/test", headers=ADMIN)
    assert answer.json() == {"delivered": True, "status": 204}
    webhooks.works = False
    assert (await client.post(f"{V1}/city/test", headers=ADMIN)).status_code == 502


@pytest.mark.parametrize("path", ["city/test", "city/dead-letters/n-1/redeliver"])
async def test_writing_needs_an_admin(webhooks, client, path):
    assert (await client.post(f"{V1}/{path}")).status_code == 401
    assert (await client.post(f"{V1}/{path}", headers=OPERATOR)).status_code == 403
    assert (await client.post(f"{V1}/{path}", headers=ADMIN)).status_code == 200


async def test_an_unknown_endpoint_is_404(webhooks, client):
    assert (await client.get(f"{V1}/other/dead-letters")).status_code == 404
    assert (await client.post(f"{V1}/other/test", headers=ADMIN)).status_code == 404
    bad = await client.post(f"{V1}/city/dead-letters/%20/redeliver", headers=ADMIN)
    assert bad.status_code == 404
    assert (await client.get(f"{V1}/city/dead-letters?cursor=x")).status_code == 422


async def test_without_any_endpoint_there_is_an_empty_list(client):
    assert (await client.get(V1)).json() == {"items": [], "next": None}
    assert (await client.post(f"{V1}/city/test", headers=ADMIN)).status_code == 404
    assert (await client.get(f"{V1}/city/dead-letters")).status_code == 404
    missing = await client.post(f"{V1}/city/dead-letters/n/redeliver", headers=ADMIN)
    assert missing.status_code == 404


async def test_an_endpoint_that_is_down_is_shown_and_leaves_the_service_ready(memory, client):
    check = memory.health.checks[0]
    memory.health.checks.append(
        replace(check, name="webhook city", ok=False, detail="answered 500", vital=False)
    )
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["checks"][-1] == {
        "name": "webhook city",
        "ok": False,
        "detail": "answered 500",
        "vital": False,
    }


def test_the_routes_are_in_the_document(memory):
    paths = create_app(memory.ports()).openapi()["paths"]
    assert "/api/v1/webhooks/{name}/dead-letters/{notice_id}/redeliver" in paths
