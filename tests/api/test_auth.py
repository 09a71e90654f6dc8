"""Who may read and who may write."""

import pytest

from tests.api.conftest import serve

V1 = "/api/v1"
KEYS = {None: None, "viewer": "viewer-key", "operator": "operator-key", "admin": "admin-key"}
WRITES = ("alarms/{id}/acknowledge", "alarms/{id}/reset", "unregistered/gw-new/T/adopt")
READS = ("/api/v1/alarms", "/api/v1/facilities", "/api/v1/transitions", "/metrics")
OPEN_TO_ALL = ("/", "/health/live", "/health/ready", "/api/v1/openapi.json", "/static/app.js")
ADOPTION = {
    "facility": "bridge/riverside",
    "channel": "t",
    "name": {"zh": "温", "en": "T"},
    "quantity": "strain",
}


def bearer(secret):
    return {} if secret is None else {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize("open_reads", [True, False])
@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    ("role", "refused"), [(None, 401), ("viewer", 403), ("operator", None), ("admin", None)]
)
async def test_every_write_needs_the_key_of_an_operator(memory, open_reads, path, role, refused):
    gas = memory.live.open_alarms()[1]
    body = ADOPTION if "adopt" in path else {}
    async with serve(memory, open_reads=open_reads) as client:
        answer = await client.post(
            f"{V1}/{path.format(id=gas.id)}", json=body, headers=bearer(KEYS[role])
        )
    assert answer.status_code == (refused or answer.status_code)
    assert refused or answer.status_code in (200, 404)  # the name is not in the inbox
    assert ("www-authenticate" in answer.headers) is (refused == 401)


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("open_reads", [True, False])
async def test_reads_need_a_key_beyond_loopback_only(memory, path, open_reads):
    async with serve(memory, open_reads=open_reads) as client:
        without = await client.get(path)
        viewer = await client.get(path, headers=bearer("viewer-key"))
    assert without.status_code == (200 if open_reads else 401)
    assert viewer.status_code == 200


@pytest.mark.parametrize("path", OPEN_TO_ALL)
async def test_the_page_and_health_need_no_key(memory, path):
    async with serve(memory, open_reads=False) as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", f"Bearer {'x' * 5000}", "Basic abc"])
async def test_a_wrong_key_is_401_and_says_how(memory, header):
    gas = memory.live.open_alarms()[1]
    async with serve(memory) as client:
        answer = await client.post(
            f"{V1}/alarms/{gas.id}/acknowledge", headers={"Authorization": header}
        )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_key_does_not_pass_for_none_where_reads_are_open(client):
    assert (await client.get(f"{V1}/alarms", headers=bearer("wrong"))).status_code == 401


async def test_the_event_stream_needs_a_key_like_any_read(memory):
    async with serve(memory, open_reads=False) as client:
        assert (await client.get(f"{V1}/events")).status_code == 401
