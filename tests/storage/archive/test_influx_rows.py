"""Rows of InfluxDB as columns: what a write under way has only half is not there yet."""

import numpy as np

from storage.archive.influx_rows import as_buckets


def test_buckets_of_a_write_under_way_are_left_out():
    # Seen of InfluxDB 2.x: a stretch whose points are being written has a row without a count.
    found = as_buckets([(0, 2, 1.0, 3.0, 2.0, 3.0), (60, None, None, None, None, None)])
    np.testing.assert_array_equal(found.start_ns, [0])
    np.testing.assert_array_equal(found.count, [2])
    np.testing.assert_array_equal(found.last, [3.0])


def test_no_rows_are_no_buckets():
    assert len(as_buckets([]).start_ns) == 0
