"""Readings out of the archive: spans, buckets, parts, and a pool that a heavy query cannot exhaust."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import ApiError
from api.pool import Pool
from api.readings import parse_bucket
from domain.time import NS_PER_S
from tests.api.conftest import DEFLECTION, METHANE, serve
from tests.api.fakes import NOW_NS

PATH = f"/api/v1/channels/{DEFLECTION}/readings"


async def test_without_a_span_it_is_the_last_hour(client):
    shown = (await client.get(PATH)).json()
    assert len(shown["items"]) == 3600
    assert shown["items"][0] == {"time": "2026-03-01T07:00:00Z", "value": 3600.0, "quality": 1}
    assert (shown["unit"], shown["bucket_s"], shown["next"]) == ("mm", None, None)


async def test_a_span_takes_its_start_and_leaves_its_end(client):
    query = {"start": "2026-03-01T15:00:00+08:00", "end": "2026-03-01T07:00:03Z"}
    items = (await client.get(PATH, params=query)).json()["items"]
    assert [item["value"] for item in items] == [3600.0, 3601.0, 3602.0]


async def test_a_long_list_comes_in_parts_without_loss_or_double(client):
    values, cursor = [], None
    while True:
        query = {"limit": 1000, "end": "2026-03-01T08:00:00Z"}
        page = (
            await client.get(PATH, params=query | ({"cursor": cursor} if cursor else {}))
        ).json()
        values += [item["value"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert values == [float(n) for n in range(3600, 7200)]


@pytest.mark.parametrize("bucket", ["60s", "1m", "60", "60000ms"])
async def test_buckets_are_minimum_maximum_mean_and_last(client, bucket):
    query = {"bucket": bucket, "start": "2026-03-01T07:00:00Z", "end": "2026-03-01T07:02:00Z"}
    shown = (await client.get(PATH, params=query)).json()
    assert shown["bucket_s"] == 60.0
    assert shown["items"][1] == {
        "start": "2026-03-01T07:01:00Z",
        "count": 60,
        "min": 3660.0,
        "max": 3719.0,
        "mean": 3689.5,
        "last": 3719.0,
    }


async def test_buckets_come_in_parts_too(client):
    query = {"bucket": "10m", "start": "2026-03-01T06:00:00Z", "end": "2026-03-01T08:00:00Z"}
    whole = (await client.get(PATH, params=query)).json()["items"]
    first = (await client.get(PATH, params=query | {"limit": 5})).json()
    rest = (await client.get(PATH, params=query | {"cursor": first["next"]})).json()
    assert first["items"] + rest["items"] == whole
    assert len(whole) == 12


async def test_a_channel_that_was_never_archived_has_no_readings(client):
    assert (await client.get(f"/api/v1/channels/{METHANE}/readings")).json()["items"] == []


async def test_a_value_that_json_lacks_is_null(memory):
    memory.archive.put(METHANE, np.array([NOW_NS - 5, NOW_NS - 4]), np.array([np.nan, np.inf]))
    async with serve(memory) as client:
        items = (await client.get(f"/api/v1/channels/{METHANE}/readings")).json()["items"]
    assert [item["value"] for item in items] == [None, None]


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("0.5", 0.5), ("1d", 86_400)]
)
def test_a_bucket_is_a_number_with_a_unit(text, seconds):
    assert parse_bucket(text) == seconds * NS_PER_S


@given(st.text(max_size=12))
def test_a_bucket_is_valid_or_refused(text):
    with contextlib.suppress(ValueError):
        assert parse_bucket(text) >= NS_PER_S // 1000


# ---- the pool


async def test_heavy_queries_wait_their_turn_and_too_many_are_turned_away():
    pool = Pool("test", threads=1, waiting_max=1, timeout_s=30.0)
    release = threading.Event()
    first = asyncio.create_task(pool.run(release.wait))
    second = asyncio.create_task(pool.run(lambda: "second"))
    await asyncio.sleep(0)  # both take their places at their first step
    with pytest.raises(ApiError) as turned_away:
        await pool.run(lambda: "third")
    release.set()
    assert (await first, await second) == (True, "second")
    assert turned_away.value.status == 503
    assert await pool.run(lambda: "again") == "again"
    pool.close()


async def test_a_query_that_takes_too_long_keeps_its_room_until_it_ends():
    pool = Pool("test", threads=1, waiting_max=0, timeout_s=0.01)
    release = threading.Event()
    with pytest.raises(ApiError) as too_long:
        await pool.run(release.wait)
    assert (too_long.value.status, pool.at_work) == (504, 1)
    with pytest.raises(ApiError) as full:
        await pool.run(lambda: None)
    assert full.value.status == 503
    release.set()
    pool.close()


async def test_a_heavy_query_does_not_keep_the_alarms_from_answering(memory):
    release, began, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()
    archive_read = memory.archive.read

    def heavy_read(*span):
        loop.call_soon_threadsafe(began.set)
        release.wait()
        return archive_read(*span)

    memory.archive.read = heavy_read
    async with serve(memory, archive_threads=1, archive_waiting_max=0) as client:
        heavy = asyncio.create_task(client.get(PATH))
        await began.wait()
        assert (await client.get("/api/v1/alarms")).status_code == 200
        refused = await client.get(PATH)
        release.set()
        assert (await heavy).status_code == 200
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
