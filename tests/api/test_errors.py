"""Bad requests get a clear answer: what, where, and what to do."""

import pytest

from tests.api.conftest import DEFLECTION, OPERATOR, serve

V1 = "/api/v1"
READINGS = f"channels/{DEFLECTION}/readings"

BAD_READS = [
    ("nothing", 404, None),
    ("facilities/none", 404, None),
    ("channels/none", 404, None),
    ("channels/none/readings", 404, None),
    ("alarms/none", 404, None),
    ("alarms/a%20b", 404, None),
    ("alarms?state=odd", 422, "query.state"),
    ("alarms?grade=purple", 422, "query.grade.0"),
    ("alarms?since=yesterday", 422, "query.since"),
    ("alarms?since=2026-13-01T00:00:00Z", 422, "query.since"),
    ("alarms?instrument=perhaps", 422, "query.instrument"),
    ("alarms?stat=open", 422, "query.stat"),
    ("alarms?limit=0", 422, "query.limit"),
    ("alarms?limit=1001", 422, "query.limit"),
    ("alarms?limit=ten", 422, "query.limit"),
    ("alarms?cursor=!!", 422, "query.cursor"),
    ("alarms?facility=%00", 422, "query.facility"),
    ("facilities?cursor=_", 422, "query.cursor"),
    ("transitions?after=-1", 422, "query.after"),
    ("transitions?after=99999999999999999999", 422, "query.after"),
    ("transitions?cursor=abc", 422, "query.cursor"),
    ("events?after=x", 422, "query.after"),
    ("channels?fault=maybe", 422, "query.fault"),
    (f"{READINGS}?start=2026-01-01", 422, "query.start"),
    (f"{READINGS}?start=2026-03-02T00:00:00Z&end=2026-03-01T00:00:00Z", 422, "query.start"),
    (f"{READINGS}?bucket=5x", 422, "query.bucket"),
    (f"{READINGS}?bucket=0", 422, "query.bucket"),
    (f"{READINGS}?bucket=1s&start=2020-01-01T00:00:00Z", 422, "query.bucket"),
    (f"{READINGS}?limit=20001", 422, "query.limit"),
    (f"{READINGS}?cursor=YWJj", 422, "query.cursor"),
]


def is_a_problem(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(("path", "status", "place"), BAD_READS)
async def test_a_bad_read_names_the_place_and_the_remedy(client, path, status, place):
    problem = is_a_problem(await client.get(f"{V1}/{path}"), status)
    if place is not None:
        assert problem["errors"][0]["place"] == place
        assert problem["errors"][0]["remedy"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b"[1]", "application/json", 422),
        (b'{"comment": 7}', "application/json", 422),
        (b'{"comment": "x", "more": 1}', "application/json", 422),
        (b'{"comment": "' + b"x" * 501 + b'"}', "application/json", 422),
        (b'{"comment": "' + b"x" * 70_000 + b'"}', "application/json", 413),
        (b"[" * 60_000, "application/json", 400),
        (b'{"comment": 1e999}', "application/json", 422),
    ],
)
async def test_a_bad_body_is_a_problem(memory, client, content, kind, status):
    alarm = memory.live.open_alarms()[0]
    headers = OPERATOR | {"Content-Type": kind}
    answer = await client.post(
        f"{V1}/alarms/{alarm.id}/acknowledge", content=content, headers=headers
    )
    is_a_problem(answer, status)
    assert memory.live.open_alarms()[0].acknowledged is False


GOOD = {"facility": "bridge/riverside", "channel": "t", "name": {"zh": "温", "en": "T"}}
GOOD["quantity"] = "strain"


@pytest.mark.parametrize(
    ("change", "status", "place"),
    [
        ({"facility": "bridge/none"}, 422, "body.facility"),
        ({"quantity": "magic"}, 422, "body.quantity"),
        ({"channel": "Not an id"}, 422, "body.channel"),
        ({"channel": "deflection-midspan"}, 409, None),
        ({"name": {"zh": "温"}}, 422, "body.name.en"),
        ({"sample_interval_s": 0}, 422, "body.sample_interval_s"),
        ({"sample_interval_s": "soon"}, 422, "body.sample_interval_s"),
        ({"odd": 1}, 422, "body.odd"),
        ({}, 404, None),
    ],
)
async def test_a_bad_adoption_is_a_problem(client, change, status, place):
    answer = await client.post(
        f"{V1}/unregistered/gw-new/T/adopt", json=GOOD | change, headers=OPERATOR
    )
    problem = is_a_problem(answer, status)
    assert place is None or problem["errors"][0]["place"] == place


async def test_a_body_sent_in_pieces_is_bounded_too(memory, client):
    async def pieces():
        for _ in range(100):
            yield b"x" * 1000

    alarm = memory.live.open_alarms()[0]
    path = f"{V1}/alarms/{alarm.id}/acknowledge"
    is_a_problem(await client.post(path, content=pieces(), headers=OPERATOR), 413)


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/v1/alarms"), ("POST", "/api/v1/facilities"), ("PUT", "/"), ("GET", "/x")],
)
async def test_a_method_or_address_that_is_not_there_is_a_problem(client, method, path):
    answer = await client.request(method, path)
    is_a_problem(answer, 404 if path == "/x" else 405)
    assert path == "/x" or answer.headers["allow"]


async def test_no_page_of_another_origin_may_ask(client):
    answer = await client.get(f"{V1}/alarms", headers={"Origin": "http://elsewhere"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_bound_of_the_settings_holds(memory):
    alarm = memory.live.open_alarms()[0]
    async with serve(memory, body_bytes_max=10) as client:
        answer = await client.post(
            f"{V1}/alarms/{alarm.id}/acknowledge", json={"comment": "long"}, headers=OPERATOR
        )
    is_a_problem(answer, 413)
