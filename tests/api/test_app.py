"""Every route answers, every list comes in parts, and no stranger's words bring it down."""

import asyncio
import json
import math

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.app import create_app
from domain.accounting import Account, Fate, Reason, Reject, Unit
from domain.grade import Condition, Grade
from domain.readings import Latest
from tests.api.conftest import DEFLECTION, METHANE, OPERATOR, a_busy_city, serve
from tests.api.fakes import NOW_NS, Memory, MemoryInboxed, MemoryStatus

V1 = "/api/v1"
LISTS = (
    "facilities",
    "channels",
    "alarms",
    "transitions",
    "gateways",
    "accounting",
    "quarantine",
    "unregistered",
    "kinds",
    "quantities",
)


def strictly(text: str) -> object:
    """Read JSON as the world does: NaN and infinities are no numbers."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} in JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("noun", LISTS)
async def test_a_list_is_items_and_next(client, noun):
    answer = await client.get(f"{V1}/{noun}")
    assert answer.status_code == 200
    assert set(strictly(answer.text)) == {"items", "next"}


@pytest.mark.parametrize("noun", LISTS)
async def test_a_list_in_parts_is_the_whole_list_once(memory, noun):
    for n in range(7):
        memory.store.inbox.append(MemoryInboxed("gw-x", f"n{n}", "north", 1, 5, 6, 7, 1.0))
        memory.store.rejects.append(a_reject(seq=n))
        memory.raise_alarm("lift/library-a/code", Grade.BLUE, age_s=n)
    async with serve(memory) as client:
        whole = (await client.get(f"{V1}/{noun}?limit=1000")).json()["items"]
        parts, cursor = [], None
        for _ in range(200):
            query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(f"{V1}/{noun}", params=query)).json()
            parts += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
    assert parts == whole
    assert len(whole) > 3


def a_reject(**changes) -> Reject:
    fields = {
        "seq": 3,
        "gateway": "gw-riverside",
        "topic": "lifeline/v1/north/gw-riverside/data/json",
        "received_ns": NOW_NS,
        "unit": Unit.FRAMES,
        "fate": Fate.UNDECODABLE,
        "reason": Reason.SYNTAX,
        "detail": "not JSON",
        "excerpt": b'{"a": \xff\x00<script>',
    }
    return Reject(**fields | changes)


async def test_a_facility_has_its_grade_and_its_open_alarms(client):
    bridge = (await client.get(f"{V1}/facilities/bridge/riverside")).json()
    assert bridge["grade"] == "orange"
    assert bridge["open_alarms"] == {"red": 0, "orange": 1, "yellow": 0, "blue": 0, "normal": 0}
    assert bridge["name"] == {"zh": "沿江大桥", "en": "Riverside Bridge"}
    assert (bridge["channels"], bridge["fresh_channels"], bridge["unacknowledged"]) == (3, 3, 1)


async def test_a_facility_without_current_readings_says_so(memory):
    memory.live.newest_of = {}
    async with serve(memory) as client:
        bridge = (await client.get(f"{V1}/facilities/bridge/riverside")).json()
    assert bridge["fresh_channels"] == 0


async def test_an_instrument_fault_is_counted_apart_and_leaves_the_grade_alone(memory):
    memory.raise_alarm("tunnel/cuiping/co", Grade.YELLOW, condition=Condition.SILENT)
    memory.live.newest_of["tunnel/cuiping/co:silent"] = Latest(NOW_NS, 4.0, 1, Grade.YELLOW)
    async with serve(memory) as client:
        tunnel = (await client.get(f"{V1}/facilities/tunnel/cuiping")).json()
    assert (tunnel["grade"], tunnel["open_faults"]) == ("normal", 1)
    assert sum(tunnel["open_alarms"].values()) == 0


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("kind=bridge", 3),
        ("district=centre", 3),
        ("grade=orange", 1),
        ("kind=lift&grade=red", 0),
        ("kind=nothing", 0),
    ],
)
async def test_facilities_are_filtered(client, query, count):
    assert len((await client.get(f"{V1}/facilities?{query}")).json()["items"]) == count


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("facility=bridge/riverside&fault=false", 3),
        ("kind=lift&fault=false", 2),
        ("kind=lift", 4),
        ("quantity=methane", 2),
        ("gateway=gw-riverside", 2),
        ("grade=orange", 1),
        ("fault=true&facility=bridge/riverside", 2),
        ("quantity=nothing", 0),
    ],
)
async def test_channels_are_filtered(client, query, count):
    assert len((await client.get(f"{V1}/channels?{query}")).json()["items"]) == count


async def test_a_channel_has_its_newest_reading_with_unit_quality_grade_and_time(client):
    channel = (await client.get(f"{V1}/channels/{DEFLECTION}")).json()
    assert channel["latest"] == {
        "time": "2026-03-01T07:59:59Z",
        "value": 35.0,
        "quality": 3,
        "grade": "orange",
        "fresh": True,
    }
    assert (channel["unit"], channel["symbol"]["zh"]) == ("mm", "mm")
    assert [limit["grade"] for limit in channel["limits"]] == ["blue", "yellow", "orange", "red"]


@pytest.mark.parametrize(("age_s", "fresh"), [(70, True), (72, False)])
async def test_a_reading_older_than_its_intervals_and_a_minute_is_not_fresh(memory, age_s, fresh):
    memory.live.newest_of[DEFLECTION] = Latest(NOW_NS - age_s * 10**9, 1.0, 1, Grade.NORMAL)
    async with serve(memory) as client:
        channel = (await client.get(f"{V1}/channels/{DEFLECTION}")).json()
    assert channel["latest"]["fresh"] is fresh


async def test_a_channel_that_reports_on_change_stays_fresh(memory):
    memory.live.newest_of["lift/library-a/code"] = Latest(1, 0.0, 1, Grade.NORMAL)
    async with serve(memory) as client:
        channel = (await client.get(f"{V1}/channels/lift/library-a/code")).json()
    assert channel["latest"]["fresh"] is True


async def test_a_channel_without_readings_has_no_latest(memory):
    del memory.live.newest_of[METHANE]
    async with serve(memory) as client:
        assert (await client.get(f"{V1}/channels/{METHANE}")).json()["latest"] is None


async def test_no_number_that_json_lacks_gets_out(memory):
    memory.live.newest_of[METHANE] = Latest(NOW_NS, math.nan, 4, Grade.NORMAL)
    alarm = memory.raise_alarm(METHANE, Grade.BLUE, 5, value=math.inf, limit=math.nan)
    async with serve(memory) as client:
        for path in ("channels", "alarms", f"alarms/{alarm.id}", "transitions"):
            strictly((await client.get(f"{V1}/{path}")).text)
        shown = (await client.get(f"{V1}/alarms/{alarm.id}")).json()
    assert (shown["value"], shown["limit"]) == (None, None)


async def test_gateways_are_those_of_the_catalogue_and_those_that_were_heard(memory):
    memory.store.statuses = [
        MemoryStatus("gw-riverside", False, NOW_NS, NOW_NS),
        MemoryStatus("gw-stranger", None, NOW_NS, 0),
    ]
    async with serve(memory) as client:
        items = (await client.get(f"{V1}/gateways?limit=100")).json()["items"]
    by_id = {item["id"]: item for item in items}
    assert (by_id["gw-riverside"]["online"], by_id["gw-riverside"]["channels"]) == (False, 2)
    assert (by_id["gw-stranger"]["registered"], by_id["gw-stranger"]["online_since"]) == (
        False,
        None,
    )
    assert by_id["gw-dongmen"]["last_heard"] is None


async def test_the_books_balance_in_both_units(memory):
    books = memory.store.books
    for unit, fate, count in (
        (Unit.FRAMES, Fate.DECODED, 8),
        (Unit.FRAMES, Fate.DUPLICATE, 2),
        (Unit.FRAMES, Fate.RECEIVED, 11),
        (Unit.READINGS, Fate.STORED, 20),
        (Unit.READINGS, Fate.LATE, 3),
        (Unit.READINGS, Fate.UNREGISTERED, 4),
        (Unit.READINGS, Fate.PENDING, 5),
        (Unit.READINGS, Fate.RECEIVED, 30),
    ):
        books[Account("gw-a", unit, fate)] = count
    books[Account("gw-a", Unit.FRAMES, Fate.UNDECODABLE, Reason.SYNTAX)] = 1
    books[Account("gw-a", Unit.READINGS, Fate.REJECTED, Reason.TIME)] = 1
    books[Account("gw-b", Unit.READINGS, Fate.RECEIVED)] = 1
    async with serve(memory) as client:
        items = (await client.get(f"{V1}/accounting")).json()["items"]
    by_id = {item["gateway"]: item for item in items}
    assert by_id["gw-a"]["balanced"] is True
    assert by_id["gw-a"]["frames"]["undecodable_by_reason"] == {"syntax": 1}
    assert by_id["gw-a"]["readings"]["rejected_by_reason"] == {"time": 1}
    assert by_id["gw-a"]["readings"]["pending"] == 5
    assert by_id["gw-b"]["balanced"] is False


async def test_the_quarantine_shows_the_payload_without_its_teeth(memory):
    memory.store.rejects = [a_reject(), a_reject(gateway="gw-other")]
    async with serve(memory) as client:
        items = (await client.get(f"{V1}/quarantine?gateway=gw-riverside")).json()["items"]
    assert [item["reason"] for item in items] == ["syntax"]
    assert items[0]["excerpt"] == '{"a": \\xff\\x00<script>'


async def test_a_name_is_adopted_into_the_catalogue(memory):
    name = "温度/T 1?#"
    memory.store.inbox = [MemoryInboxed("gw-new", name, "north", 1, 5, 6, 7, 21.5)]
    wanted = {
        "facility": "bridge/riverside",
        "channel": "air-temperature",
        "name": {"zh": "气温", "en": "Air temperature"},
        "quantity": "deflection",
    }
    path = httpx.URL(f"{V1}/unregistered/gw-new/%E6%B8%A9%E5%BA%A6%2FT%201%3F%23/adopt")
    async with serve(memory) as client:
        assert (await client.get(f"{V1}/unregistered")).json()["items"][0]["name"] == name
        made = await client.post(path, json=wanted, headers=OPERATOR)
        again = await client.post(path, json=wanted, headers=OPERATOR)
        shown = await client.get(f"{V1}/channels/bridge/riverside/air-temperature")
        revision = (await client.get(f"{V1}/catalogue")).json()["revision"]
    assert (made.status_code, again.status_code, shown.status_code) == (201, 409, 200)
    assert (shown.json()["sent_as"], shown.json()["gateway"], revision) == (name, "gw-new", 8)


async def test_the_page_and_its_files_come_with_their_types_and_a_strict_policy(client):
    page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("app.js", "net.js", "chart.js", "words.js"):
        script = await client.get(f"/static/{name}")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    style = await client.get("/static/style.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    same = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert same.status_code == 304


async def test_health_says_what_is_not_well(memory):
    async with serve(memory) as client:
        assert (await client.get("/health/live")).json() == {"live": True}
        assert (await client.get("/health/ready")).status_code == 200
        memory.health.checks[1] = type(memory.health.checks[1])("broker", False, "refused")
        memory.health.alive = False
        ready = await client.get("/health/ready")
        assert (await client.get("/health/live")).status_code == 503
    assert ready.status_code == 503
    assert ready.json()["checks"][1] == {
        "name": "broker",
        "ok": False,
        "detail": "refused",
        "vital": True,
    }


async def test_metrics_have_no_label_per_sensor(client):
    await client.get(f"{V1}/channels/{DEFLECTION}")
    await client.get("/surprise/nowhere")
    text = (await client.get("/metrics")).text
    assert 'channels/{channel_id:path}"' in text
    assert "deflection" not in text
    assert "surprise" not in text


# ---- words of strangers

WORDS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "-1", "1e999", "nan", "true", "9" * 400, "\x00", "2026-01-01", "🌉", "%00"]
    ),
)
NAMES = st.sampled_from(
    [
        "cursor",
        "limit",
        "kind",
        "grade",
        "state",
        "since",
        "start",
        "end",
        "bucket",
        "after",
        "latest",
        "fault",
        "facility",
        "x",
    ]
)
PATHS = st.sampled_from(
    [
        *LISTS,
        "events?after=x&",
        f"channels/{DEFLECTION}/readings",
        "alarms/abc",
        f"channels/{METHANE}",
        "facilities/bridge/riverside",
    ]
)


ONE_APP = create_app(a_busy_city().ports())


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=PATHS, query=st.lists(st.tuples(NAMES, WORDS), max_size=4), tail=WORDS)
def test_no_query_of_a_stranger_makes_it_fail(path, query, tail):
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(ONE_APP, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lifeline") as client:
            first = await client.get(f"{V1}/{path}", params=None if "?" in path else query)
            return [first, await client.get(httpx.URL(f"{V1}/facilities/").join(quoted(tail)))]

    for answer in asyncio.run(ask()):
        assert answer.status_code < 500
        strictly(answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "replace")) or "%20"


async def test_a_store_that_fails_is_a_problem_that_tells_nothing(memory: Memory):
    async def broken(alarm_id: str) -> None:
        raise RuntimeError(f"secret of {alarm_id}")

    memory.store.alarm = broken
    async with serve(memory) as client:
        answer = await client.get(f"{V1}/alarms/abc")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
