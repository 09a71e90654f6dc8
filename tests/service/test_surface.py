"""What a request is told while what is beneath is away or lost: 503 and a remedy, never a traceback."""

import httpx
import pytest
from fastapi import FastAPI

from service.surface import tell_of_outages
from storage.journal import JournalError
from storage.leadership import LeadershipLost
from storage.state import StateAway


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LeadershipLost("north"), "another instance leads now (north)"),
        (JournalError("the journal was closed", permanent=True), "was closed"),
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
