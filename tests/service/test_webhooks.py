"""Webhooks of the whole service: a real process, a real endpoint, and kill -9 in between."""

import asyncio
import json
import random

import httpx
import pytest
from standardwebhooks import Webhook

from tests.conftest import free_port
from tests.servers.receiver import SECRET, Receiver
from tests.service.running import AUTHORIZED, Service, wait_for


def hooks(**urls):
    return json.dumps([{"name": name, "url": url, "secret": SECRET} for name, url in urls.items()])


async def test_an_alarm_reaches_its_endpoint_though_another_is_down(
    module_broker, small_city, sender, tmp_path
):
    async with Receiver() as receiver:
        nobody = f"http://127.0.0.1:{free_port()}/hooks/secret-path"
        service = Service(
            tmp_path,
            module_broker.url,
            [small_city],
            {"webhooks": hooks(down=nobody, city=receiver.url), "mqtt_client_id": "hooks"},
        )
        await asyncio.to_thread(service.start)
        try:
            sender.reading("gw-bridge", "D1", 155)
            await receiver.wait_for(lambda: bool(receiver.taken))
            [request] = receiver.taken
            body = Webhook(SECRET).verify(request.body, request.headers)
            assert body["type"] == "alarm.raised"
            assert body["data"]["alarm"]["grade"] == "orange"
            assert "试验桥" in body["data"]["alarm"]["text"]["zh"]
            assert body["data"]["notice"]["id"] == request.id
            await asyncio.to_thread(look_at, service, receiver)
        finally:
            assert await asyncio.to_thread(service.close) == 0, service.log
        assert SECRET.removeprefix("whsec_") not in service.log
        assert "secret-path" not in service.log


def look_at(service, receiver):
    """Look at what the interface says of one endpoint that works and one that is down."""

    def states():
        found = {item["name"]: item for item in service.items("/webhooks")}
        settled = found["city"]["lag"] == 0 and found["down"]["state"] == "failing"
        return found if settled else None

    found = wait_for(states, "both endpoints have been tried")
    assert (found["city"]["state"], found["city"]["delivered"]) == ("working", 1)
    assert (found["down"]["lag"], found["down"]["last_error"]) == (1, "cannot connect")
    assert found["down"]["oldest_waiting"]
    ready = httpx.get(f"{service.url}/health/ready")
    checks = {check["name"]: check["ok"] for check in ready.json()["checks"]}
    assert ready.status_code == 200
    assert (checks["webhook city"], checks["webhook down"]) == (True, False)
    metrics = httpx.get(f"{service.url}/metrics").text
    assert 'lifeline_webhook_delivered_total{webhook="city"} 1.0' in metrics
    assert 'lifeline_webhook_up{webhook="down"} 0.0' in metrics
    assert service.post("/webhooks/city/test") == {"delivered": True, "status": 204}
    test = receiver.taken[-1]
    assert Webhook(SECRET).verify(test.body, test.headers)["type"] == "webhook.test"
    refused = service.http.post("/webhooks/down/test", headers=AUTHORIZED)
    assert refused.status_code == 502
    assert "secret-path" not in refused.text


@pytest.mark.timeout(300)  # four starts of the service
async def test_kill_9_around_a_delivery_loses_no_notice_and_ids_stay(
    module_broker, small_city, sender, tmp_path
):
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    dying = asyncio.Event()

    def end():
        service.process.kill()
        dying.set()

    def answer(request):
        if request.id not in {one.id for one in receiver.requests}:  # each is the last of a life
            if chance.random() < 0.5:
                end()  # it has been sent, and nobody will hear of the answer
                return "reset"
            loop.call_later(chance.uniform(0, 0.01), end)  # between the answer and the mark
        return 204

    async with Receiver(answer) as receiver:
        service = Service(
            tmp_path,
            module_broker.url,
            [small_city],
            {"webhooks": hooks(city=receiver.url), "mqtt_client_id": "hooks-killed"},
        )
        try:
            for value in (70, 130, 155):
                await asyncio.to_thread(service.start)
                sender.reading("gw-bridge", "V1", value)
                await asyncio.wait_for(dying.wait(), 30)
                dying.clear()
                await asyncio.to_thread(service.process.wait)
            await asyncio.to_thread(service.start)
            wanted = await asyncio.to_thread(told, service)
            await receiver.wait_for(lambda: wanted <= transitions(receiver.taken))
            assert transitions(receiver.requests) <= wanted
            bodies = {}
            for request in receiver.requests:
                assert bodies.setdefault(request.id, request.body) == request.body
        finally:
            await asyncio.to_thread(service.close)


def told(service):
    """Return the transitions that people are told of."""
    alarm = service.wait_for_alarm("bridge/test/victim", grade="orange")
    changes = service.get(f"/alarms/{alarm['id']}")["transitions"]
    return {one["id"] for one in changes if one["kind"] in ("raised", "risen")}


def transitions(requests):
    return {json.loads(request.body)["data"]["transition"]["id"] for request in requests}
