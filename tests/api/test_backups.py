"""Backups through the interface: an administrator's, one at a time, with how it goes."""

from dataclasses import dataclass, replace

import httpx
import pytest

from api.app import create_app
from api.ports import Refused
from tests.api.test_auth import bearer

PLACE = "/api/v1/backups"
BODY = {"folder": "/backup/today"}


@dataclass
class Status:
    folder: str
    author: str
    started_ns: int = 1_772_000_000_000_000_000
    ended_ns: int = 0
    step: str = "journal"
    files: int = 3
    bytes: int = 5
    last_row: int = 9
    pause_s: float = 0.25
    problem: str = ""


class OneAtATime:
    def __init__(self):
        self.made = []

    async def start(self, folder, author):
        if self.made and not self.made[-1].ended_ns:
            raise Refused(409, "A backup is being made.")
        self.made.append(Status(folder, author))
        return self.made[-1]

    async def backups(self):
        return self.made[::-1]


@pytest.fixture
async def asked(memory):
    backups = OneAtATime()
    app = create_app(replace(memory.ports(), backups=backups))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client, backups


async def test_an_administrator_begins_one_and_sees_how_it_goes(asked, memory):
    client, backups = asked
    begun = await client.post(PLACE, json=BODY, headers=bearer("admin-key"))
    assert (begun.status_code, begun.json()["state"]) == (202, "running")
    again = await client.post(PLACE, json=BODY, headers=bearer("admin-key"))
    assert again.status_code == 409
    backups.made[0].ended_ns = 1_772_000_001_000_000_000
    backups.made[0].problem = "no room"
    (item,) = (await client.get(PLACE, headers=bearer("admin-key"))).json()["items"]
    assert (item["state"], item["problem"], item["pause_s"]) == ("failed", "no room", 0.25)
    (act,) = memory.audit.acts
    assert (act.action, act.target) == ("begin backup", "/backup/today")


@pytest.mark.parametrize("secret", ["viewer-key", "operator-key"])
async def test_nobody_else_may(asked, secret):
    client, backups = asked
    assert (await client.post(PLACE, json=BODY, headers=bearer(secret))).status_code == 403
    assert (await client.get(PLACE, headers=bearer(secret))).status_code == 403
    assert (await client.post(PLACE, json=BODY)).status_code == 401
    assert backups.made == []
