from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.time import TIME_NS_MAX
from ingest.wire.times import time_to_ns

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("time", "expected_ns"),
    [
        (1_700_000_000, 1_700_000_000_000_000_000),
        (1_700_000_000_123, 1_700_000_000_123_000_000),
        (1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (1_700_000_000.123, 1_700_000_000_123_000_000),
        (1_700_000_000_123.5, 1_700_000_000_123_500_000),
        (1.7e9, 1_700_000_000_000_000_000),
        (0, 0),
        (99_999_999_999, None),  # seconds, and far beyond 2261
        (10**11, 10**17),  # the first that is milliseconds
        (10**14, 10**17),  # the first that is microseconds
        (10**17, 10**17),  # the first that is nanoseconds
        ("2024-01-01T00:00:00Z", 1_704_067_200_000_000_000),
        ("2024-01-01T08:00:00+08:00", 1_704_067_200_000_000_000),
        ("2024-01-01T08:00:00", 1_704_067_200_000_000_000),  # in the gateway's zone
        ("2024-01-01 08:00:00.000000001", 1_704_067_200_000_000_001),
        (-1, None),
        (-0.5, None),
        (10**19, None),
        (10**40, None),
        (1e308, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ([], None),
        ("", None),
        ("yesterday", None),
        ("2024-13-01T00:00:00Z", None),
        ("0001-01-01T00:00:00", None),
        ("9999-12-31T23:59:59", None),
        ("0000-00-00T00:00:00", None),
        ("1969-12-31T23:59:59Z", None),
        ("2262-01-01T00:00:00Z", None),
    ],
)
def test_a_time_is_read_to_the_nanosecond_or_refused(time, expected_ns):
    if expected_ns is None:
        with pytest.raises(ValueError):  # noqa: PT011  the texts are for people
            time_to_ns(time, SHANGHAI)
    else:
        assert time_to_ns(time, SHANGHAI) == expected_ns


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_a_time_is_within_the_years_that_we_hold_or_refused(time):
    try:
        time_ns = time_to_ns(time, None)
    except ValueError:
        return
    assert type(time_ns) is int
    assert 0 <= time_ns <= TIME_NS_MAX
