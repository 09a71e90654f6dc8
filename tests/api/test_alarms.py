"""Alarms: what they carry, how they are found, and the two verbs."""

import asyncio

import pytest

from domain.grade import Condition, Grade
from tests.api.conftest import DEFLECTION, METHANE, OPERATOR, serve
from tests.api.fakes import NOW_NS

V1 = "/api/v1"


async def test_an_alarm_carries_all_that_a_reader_needs(memory, client):
    alarm = (await client.get(f"{V1}/alarms?facility=bridge/riverside")).json()["items"][0]
    expected = {
        "facility": "bridge/riverside",
        "kind": "bridge",
        "channel": DEFLECTION,
        "condition": "high",
        "grade": "orange",
        "peak_grade": "orange",
        "active": True,
        "acknowledged": False,
        "instrument": False,
        "raised_at": "2026-03-01T07:45:00Z",
        "cleared_at": None,
        "ended": False,
        "ended_at": None,
        "limit": 34.0,
        "unit": "mm",
        "delayed": False,
        "latching": False,
        "revision": 7,
        "acknowledged_by": None,
        "acknowledged_at": None,
    }
    assert {name: alarm[name] for name in expected} == expected
    assert alarm["value"] == pytest.approx(35.36)
    assert alarm["text"]["zh"].startswith("沿江大桥 主跨跨中挠度 35.36 mm")
    assert alarm["text"]["en"].startswith("Riverside Bridge, Deflection at midspan: 35.36 mm")


async def test_the_value_of_an_instrument_fault_is_in_the_unit_of_the_fault(memory):
    alarm = memory.raise_alarm(DEFLECTION, Grade.BLUE, condition=Condition.SILENT)
    async with serve(memory) as client:
        shown = (await client.get(f"{V1}/alarms/{alarm.id}")).json()
    assert (shown["instrument"], shown["unit"], shown["channel"]) == (True, "1", DEFLECTION)


@pytest.fixture
def varied(memory):
    memory.raise_alarm("lift/library-a/code", Grade.RED, 7200, acknowledged=True)
    memory.raise_alarm("tunnel/cuiping/co", Grade.YELLOW, 30, condition=Condition.SILENT)
    memory.raise_alarm(
        "drainage/west-trunk/level",
        Grade.BLUE,
        90_000,
        active=False,
        ended=True,
        acknowledged=True,
        ended_at_ns=NOW_NS,
    )
    memory.raise_alarm("bridge/dongmen/strain-girder", Grade.BLUE, 100, active=False)
    return memory


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 6),
        ("state=all", 6),
        ("state=open", 5),
        ("state=ended", 1),
        ("state=active", 4),
        ("state=unacknowledged", 4),
        ("grade=red", 2),
        ("grade=red&grade=orange", 3),
        ("kind=bridge", 2),
        ("facility=bridge/riverside", 1),
        (f"channel={METHANE}", 1),
        ("instrument=true", 1),
        ("instrument=false", 5),
        ("condition=silent", 1),
        ("since=2026-03-01T07:59:00Z", 2),
        ("since=2026-03-01T15:59:00+08:00", 2),
        ("kind=gas&grade=blue", 0),
    ],
)
async def test_alarms_are_filtered(varied, query, count):
    async with serve(varied) as client:
        items = (await client.get(f"{V1}/alarms?{query}")).json()["items"]
    assert len(items) == count
    assert items == sorted(items, key=lambda item: item["raised_at"], reverse=True)


async def test_an_alarm_shows_its_transitions_with_evidence_that_json_can_hold(memory, client):
    alarm = memory.live.open_alarms()[0]
    shown = (await client.get(f"{V1}/alarms/{alarm.id}")).json()
    (transition,) = shown["transitions"]
    assert (transition["kind"], transition["number"]) == ("raised", 1)
    assert transition["evidence"]["state"] == {"pending_ns": 5, "sum": None, "ring": [0.0, 0.0]}
    assert [reading["value"] for reading in transition["evidence"]["readings"]] == [None, 2.0]


async def test_transitions_come_by_number_without_evidence(client):
    items = (await client.get(f"{V1}/transitions?after=1")).json()["items"]
    assert [item["number"] for item in items] == [2]
    assert "evidence" not in items[0]


@pytest.mark.parametrize("body", [None, {}, {"comment": "桥面已派人查看"}])
async def test_acknowledging_says_who_has_seen_it(memory, client, body):
    alarm = memory.live.open_alarms()[0]
    answer = await client.post(f"{V1}/alarms/{alarm.id}/acknowledge", json=body, headers=OPERATOR)
    assert answer.status_code == 200
    assert (answer.json()["acknowledged"], answer.json()["acknowledged_by"]) == (True, "li.na")
    last = (await client.get(f"{V1}/alarms/{alarm.id}")).json()["transitions"][-1]
    assert (last["author"], last["reason"]) == ("li.na", (body or {}).get("comment", ""))


async def test_resetting_needs_an_alarm_that_waits_for_it(memory, client):
    bridge, gas = memory.live.open_alarms()
    wrong = await client.post(f"{V1}/alarms/{bridge.id}/reset", headers=OPERATOR)
    right = await client.post(f"{V1}/alarms/{gas.id}/reset", headers=OPERATOR)
    assert (wrong.status_code, right.status_code) == (409, 200)
    assert wrong.json()["detail"] == "the alarm does not wait for this"
    assert right.json()["awaiting_reset"] is False


async def test_what_is_no_id_never_becomes_a_command(memory, client):
    asked = []
    memory.commands.submit = lambda *arguments: asked.append(arguments)
    answer = await client.post(f"{V1}/alarms/no%20id/acknowledge", headers=OPERATOR)
    assert (answer.status_code, asked) == (404, [])


async def test_a_command_that_is_not_carried_out_in_time_says_that_it_is_taken_down(memory):
    async def never(*_arguments) -> None:
        await asyncio.Event().wait()

    memory.commands.submit = never
    alarm = memory.live.open_alarms()[0]
    async with serve(memory, command_timeout_s=0.01) as client:
        answer = await client.post(f"{V1}/alarms/{alarm.id}/acknowledge", headers=OPERATOR)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
