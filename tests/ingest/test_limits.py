"""What a gateway may send: never less than its rate and burst, and soon no more."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import limits as module
from ingest.limits import Allowance, Limits
from ingest.topics import build_data_topic

TOPIC = build_data_topic("north", "gw", "json").encode()
steps = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 400)), max_size=60)


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def drip(level, burst, rate, passed_s):
    return min(burst, level + rate * passed_s)


@given(steps)
def test_it_is_never_stricter_than_a_bucket_that_drips_and_lets_through_twice_a_burst_at_most(
    sendings,
):
    clock, rate, burst = Clock(), 10.0, 50.0
    bucket = Limits(Allowance(rate, math.inf, burst, math.inf), clock=clock).find(TOPIC).bucket
    level, passed = burst, 0
    for pause_s, frames in sendings:
        clock.now_s += pause_s
        level = drip(level, burst, rate, pause_s)
        for _ in range(frames):
            allowed = bucket.take(1)
            passed += allowed
            if level >= 1:
                assert allowed or level < 1.001  # what floating point may lose
                level -= 1
            assert passed <= burst + rate * clock.now_s + 1e-6


def test_bytes_are_limited_like_frames():
    clock = Clock()
    bucket = Limits(Allowance(math.inf, 100.0, math.inf, 1000.0), clock=clock).bucket_of("gw")
    assert bucket.take(900)
    assert not bucket.take(200)
    assert bucket.wait_s(200) == pytest.approx(1.0)
    clock.now_s = 1.0
    assert bucket.take(200)
    assert not bucket.take(1)


def test_without_a_limit_everything_passes():
    bucket = Limits().bucket_of("gw")
    assert all(bucket.take(1 << 20) for _ in range(1000))
    assert bucket.wait_s(1 << 30) == 0.0


def test_each_gateway_has_its_own_bucket_over_all_of_its_topics():
    limits = Limits(Allowance(1.0, math.inf, 1.0, math.inf), clock=Clock())
    assert limits.find(TOPIC).bucket.take(1)
    assert not limits.find(b"lifeline/v1/north/gw/status").bucket.take(1)
    assert not limits.find(b"lifeline/v1/south/gw/data/block").bucket.take(1)
    assert not limits.bucket_of("gw").take(1)
    assert limits.find(b"lifeline/v1/north/other/data/json").bucket.take(1)


def test_topics_of_nobody_share_a_bucket():
    limits = Limits(Allowance(1.0, math.inf, 1.0, math.inf), clock=Clock())
    way = limits.find(b"lifeline/\xff")
    assert (way.topic, way.gateway) == ("lifeline/\N{REPLACEMENT CHARACTER}", "")
    assert way.bucket is limits.find(b"lifeline/x").bucket


def test_a_gateway_with_its_own_limits_goes_by_them():
    own = Allowance(5.0, math.inf, 5.0, math.inf)
    limits = Limits(Allowance(1.0, math.inf, 1.0, math.inf), {"gw": own}, clock=Clock())
    assert [limits.bucket_of("gw").take(1) for _ in range(6)] == [True] * 5 + [False]
    assert [limits.bucket_of("x").take(1) for _ in range(2)] == [True, False]


def test_neither_topics_nor_names_make_it_grow_without_end(monkeypatch):
    monkeypatch.setattr(module, "WAYS_MAX", 10)
    monkeypatch.setattr(module, "BUCKETS_MAX", 5)
    limits = Limits()
    buckets = {id(limits.find(f"lifeline/v1/n/gw-{n}/status".encode()).bucket) for n in range(99)}
    assert len(buckets) == 6
    assert len(limits._ways) <= 10
