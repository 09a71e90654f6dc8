"""Rows written by the compiled pass say what the readable twin says, to the bit and to the kind."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.rows import Rows, row_by_row
from domain.time import TIME_NS_MAX, TIME_NS_MIN
from service.row_text import warm_up, write_rows

warm_up()  # compiling is no part of any test's time

DAY_NS = 86_400 * 10**9
INT64 = np.iinfo(np.int64)

times = st.one_of(
    st.integers(int(INT64.min), int(INT64.max)),
    st.integers(0, TIME_NS_MAX // DAY_NS).map(lambda day: day * DAY_NS),
    st.integers(0, 10**15).map(lambda us: us * 1000),
    st.sampled_from([TIME_NS_MIN, TIME_NS_MAX, 951_782_400 * 10**9, 4_107_542_399 * 10**9]),
)
floats = st.one_of(st.floats(), st.integers(-(10**18), 10**18).map(float))
table = st.lists(st.tuples(times, floats, floats, st.integers(0, 2**53)), max_size=40)


def as_rows(table):
    time_ns, value, mean, count = zip(*table, strict=True) if table else ((), (), (), ())
    figures = {
        "value": np.array(value, np.float64),
        "count": np.array(count, np.int64),
        "mean": np.array(mean, np.float64),
    }
    return Rows("start", np.array(time_ns, np.int64), figures)


@given(table)
@example([(0, 1e16, 9999999999999998.0, 0), (1, 5e-324, -0.0, 1)])
@example([(1, math.nan, math.inf, 0), (999_999_999, -math.inf, 1.7976931348623157e308, 2**53)])
def test_it_says_what_the_readable_twin_says(table):
    rows = as_rows(table)
    written, wanted = json.loads(write_rows(rows)), json.loads(row_by_row(rows))
    assert repr(written) == repr(wanted)  # -0.0 is not 0.0, nor 1.0 the same as 1


def test_every_day_of_three_centuries_has_its_date():
    days = np.arange("1970-01-01", "2261-01-01", dtype="M8[D]")
    rows = Rows("time", days.astype("M8[ns]").astype(np.int64), {})
    written = [row["time"] for row in json.loads(write_rows(rows))]
    assert written == [f"{day}T00:00:00Z" for day in days.astype(str)]


def test_a_name_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="too long"):
        write_rows(Rows("time", np.zeros(1, np.int64), {"v" * 40: np.zeros(1)}))
