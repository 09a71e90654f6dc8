"""What a request is told while what is beneath is away or lost: 503 and a remedy, never a traceback."""

import inspect

import httpx
import pytest
from fastapi import FastAPI

from api.backup_ports import Backups
from api.ports import Adoption, Audit, Commands, Health, Webhooks
from api.ports_catalogue import ProfileLog, Revisions
from service.door import as_answer
from service.line import LineEndedError
from service.surface import tell_of_outages
from storage.journal import JournalError
from storage.leadership import LeadershipLost
from storage.state import StateAway


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LineEndedError("the other process is gone"), "is ending"),
        (StateAway("PostgreSQL is away"), "is away"),
    ],
)
async def test_a_request_amid_an_outage_is_answered_503(error, words):
    app = FastAPI()
    tell_of_outages(app)

    @app.post("/acknowledge")
    async def acknowledge():
        raise error

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        answer = await client.post("/acknowledge")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["title"] + answer.json().get("detail", "")
    assert "Try again" in answer.text or "try again" in answer.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LeadershipLost("north"), "another instance leads now (north)"),
        (JournalError("the journal was closed", permanent=True), "was closed"),
        (StateAway("PostgreSQL is away"), "is away"),
    ],
)
def test_an_outage_of_the_service_is_an_answer_when_it_comes_over_the_line(error, words):
    answer = as_answer(error)
    assert answer.status == 503
    assert words in answer.problem
    assert "ry again" in answer.remedy


def test_other_errors_go_over_the_line_as_they_are():
    error = KeyError("no such revision")
    assert as_answer(error) is error


@pytest.mark.parametrize(
    "port", [Adoption, Audit, Backups, Commands, Health, ProfileLog, Revisions, Webhooks]
)
def test_what_is_asked_of_another_process_is_awaited(port):
    asked = [getattr(port, name) for name in vars(port) if not name.startswith("_")]
    assert asked
    assert all(inspect.iscoroutinefunction(each) for each in asked)
