"""Pushing frames over HTTP: whose key, which format, how much, and what hostile bodies get."""

import asyncio
import contextlib
import socket

import pytest
import uvicorn

from api.app import create_app
from api.ports import Refused
from tests.api.conftest import serve

TAKEN = "Authorization: Bearer riverside-key\r\nContent-Type: application/json"
PATH = "/api/v1/gateways/gw-riverside/frames"
KEY = {"Authorization": "Bearer riverside-key"}
JSON = {**KEY, "Content-Type": "application/json"}


async def test_a_frame_is_taken_and_its_row_told(memory, client):
    body = b'{"values": {"D1": 1}}'
    answer = await client.post(PATH, content=body, headers=JSON)
    assert (answer.status_code, answer.json()) == (202, {"seq": 1})
    district = memory.live.active.gateways[
        memory.live.active.gateway_index["gw-riverside"]
    ].district
    assert memory.intake.pushed == [("gw-riverside", district, "json", body)]


async def test_a_gateway_that_the_catalogue_does_not_know_has_the_district_of_its_key(
    memory, client
):
    headers = {**JSON, "Authorization": "Bearer newcomer-key"}
    answer = await client.post("/api/v1/gateways/gw-newcomer/frames", content=b"1", headers=headers)
    assert answer.status_code == 202
    assert memory.intake.pushed[0][:2] == ("gw-newcomer", "north")


@pytest.mark.parametrize("open_reads", [True, False])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Basic abc", 401),
        ("Bearer ", 401),
        ("Bearer wrong", 401),
        (f"Bearer {'x' * 5000}", 401),
        ("Bearer newcomer-key", 403),
        ("Bearer viewer-key", 403),
        ("Bearer operator-key", 403),
        ("Bearer admin-key", 403),
    ],
)
async def test_only_the_gateways_own_key_may_push(memory, open_reads, header, status):
    headers = {} if header is None else {"Authorization": header}
    async with serve(memory, open_reads=open_reads) as client:
        answer = await client.post(PATH, content=b"{}", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert memory.intake.pushed == []


async def test_a_gateways_key_can_do_nothing_else(memory):
    async with serve(memory, open_reads=False) as client:
        for path in ("/api/v1/alarms", "/api/v1/audit", "/metrics"):
            assert (await client.get(path, headers=KEY)).status_code == 401
        alarm = memory.live.open_alarms()[0]
        answer = await client.post(f"/api/v1/alarms/{alarm.id}/acknowledge", headers=KEY)
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("content_type", "query", "payload_format"),
    [
        ("application/json", "", "json"),
        ("Application/JSON; charset=utf-8", "", "json"),
        ("application/cbor", "", "block"),
        ("application/octet-stream", "?format=block", "block"),
        ("application/cbor", "?format=json", "json"),
        (None, "?format=json", "json"),
        ("application/senml+json", "", None),
        ("application/senml+cbor", "", None),
        ("text/plain", "", None),
        (None, "", None),
        ("application/json", "?format=xml", None),
        ("application/json", "?format=", None),
    ],
)
async def test_the_format_is_the_one_asked_for_or_the_media_types(
    memory, client, content_type, query, payload_format
):
    headers = {**KEY, **({"Content-Type": content_type} if content_type else {})}
    answer = await client.post(PATH + query, content=b"x", headers=headers)
    assert answer.status_code == (415 if payload_format is None else 202)
    assert [pushed[2] for pushed in memory.intake.pushed] == (
        [payload_format] if payload_format else []
    )


async def test_senml_is_taken_as_soon_as_somebody_decodes_it(memory, client):
    memory.intake.formats = frozenset({"json", "block", "senml"})
    for kind in ("json", "cbor"):
        headers = {**KEY, "Content-Type": f"application/senml+{kind}"}
        assert (await client.post(PATH, content=b"x", headers=headers)).status_code == 202


@pytest.mark.parametrize("gateway", ["GW!", "a" * 129, "网关", "%00", ".%2e%2fx"])
async def test_what_is_no_gateways_id_is_not_found(client, gateway):
    answer = await client.post(f"/api/v1/gateways/{gateway}/frames", content=b"x", headers=JSON)
    assert answer.status_code == 404


async def test_a_mebibyte_is_taken_and_a_byte_more_is_not(memory, client):
    assert (await client.post(PATH, content=bytes(1 << 20), headers=JSON)).status_code == 202
    answer = await client.post(PATH, content=bytes((1 << 20) + 1), headers=JSON)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert len(memory.intake.pushed) == 1


async def test_a_body_without_an_end_is_cut_at_a_mebibyte(memory, client):
    async def endless():
        while True:
            yield bytes(65_536)

    answer = await client.post(PATH, content=endless(), headers=JSON)
    assert answer.status_code == 413


async def test_an_empty_body_is_a_frame_like_any_other(memory, client):
    # The same as over MQTT: taken, and found undecodable in the books.
    assert (await client.post(PATH, headers=JSON)).status_code == 202
    assert memory.intake.pushed[0][3] == b""


@pytest.mark.parametrize(("status", "retry_s"), [(429, 7), (503, 30)])
async def test_a_refusal_says_when_to_come_again(memory, client, status, retry_s):
    memory.intake.refusal = Refused(status, "not now", "keep it", retry_after_s=retry_s)
    answer = await client.post(PATH, content=b"{}", headers=JSON)
    assert answer.status_code == status
    assert answer.headers["retry-after"] == str(retry_s)
    assert answer.json()["detail"] == "not now"


async def test_frames_that_are_being_read_are_bounded(memory):
    gate = asyncio.Event()

    async def slow():
        yield b"{"
        await gate.wait()
        yield b"}"

    async with serve(memory, frames_reading_max=2) as client:
        waiting = [
            asyncio.create_task(client.post(PATH, content=slow(), headers=JSON)) for _ in range(2)
        ]
        while (answer := await client.post(PATH, content=b"{}", headers=JSON)).status_code == 202:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        gate.set()
        assert [(await task).status_code for task in waiting] == [202, 202]
        assert (await client.post(PATH, content=b"{}", headers=JSON)).status_code == 202


async def test_a_body_that_does_not_come_is_not_waited_for(memory):
    async def stuck():
        yield b"{"
        await asyncio.Event().wait()

    async with serve(memory, body_timeout_s=0.05) as client:
        answer = await client.post(PATH, content=stuck(), headers=JSON)
        assert answer.status_code == 408


@contextlib.asynccontextmanager
async def listening(memory):
    """Serve on a socket: what the server does with bodies that nobody reads shows only there."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(memory.ports()), log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: 5000000", 401),
        ("Transfer-Encoding: chunked", 401),
        ("Authorization: Bearer riverside-key\r\nContent-Length: 5000000", 415),
        ("Authorization: Bearer admin-key\r\nContent-Length: 5000000", 403),
        (f"{TAKEN}\r\nContent-Length: 99999999999999999999", 413),
    ],
)
async def test_the_body_of_who_is_refused_is_not_waited_for(memory, head, status):
    async with listening(memory) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
        answer = await reader.read()  # until the server hangs up
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        writer.close()
    assert memory.intake.pushed == []


@pytest.mark.parametrize("head", ["Content-Length: x", "Transfer-Encoding: gzip, nonsense"])
async def test_a_body_that_is_no_http_is_refused(memory, head):
    async with listening(memory) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n"
        writer.write(request.encode())
        writer.write_eof()
        assert b" 202 " not in (await reader.read()).partition(b"\r\n")[0]
        writer.close()
    assert memory.intake.pushed == []
