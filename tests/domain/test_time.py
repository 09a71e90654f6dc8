from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.time import NS_PER_S, TIME_NS_MAX, format_rfc3339, parse_rfc3339

seconds = st.integers(0, TIME_NS_MAX // NS_PER_S - 1)


@given(st.integers(0, TIME_NS_MAX))
def test_a_time_reads_back_as_it_was_written(time_ns):
    assert parse_rfc3339(format_rfc3339(time_ns)) == time_ns


@given(seconds, st.text("0123456789", min_size=1, max_size=18), st.sampled_from("Zz+-"))
def test_a_fraction_counts_to_the_nanosecond_in_every_spelling(second, fraction, end):
    whole = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    zone = end if end in "Zz" else f"{end}00:00"
    expected = second * NS_PER_S + int(fraction.ljust(9, "0")[:9])
    assert parse_rfc3339(f"{whole}.{fraction}{zone}") == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T08:00:00.Z",
        "2026-03-01T08:00:00.1234567890123456789Z",
        "2026-03-01T08:00:00.\N{ARABIC-INDIC DIGIT ONE}Z",
        "2026-03-01T08:00.00.5Z",
        "2026-02-30T08:00:00.5Z",
        "2026-03-01T08:00:00.5ZZ",
        "2261-03-11T08:00:00.5Z",
        "",
    ],
)
def test_what_is_not_a_time_is_refused(text):
    with pytest.raises(ValueError, match=r"time|month|day|hour|minute|second|offset"):
        parse_rfc3339(text)


def test_the_last_nanosecond_is_a_time_and_the_next_is_not():
    last = format_rfc3339(TIME_NS_MAX)
    assert parse_rfc3339(last) == TIME_NS_MAX
    with pytest.raises(ValueError, match="out of the years"):
        parse_rfc3339(last.replace("Z", ".000000001Z"))


def test_a_text_without_a_zone_is_of_the_zone_given():
    text = "2026-03-01T08:00:00.5"
    assert parse_rfc3339(f"{text}Z") - parse_rfc3339(text, ZoneInfo("Asia/Shanghai")) == (
        8 * 3600 * NS_PER_S
    )
