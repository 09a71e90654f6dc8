"""Picking fields of records is copying them one by one, only quicker."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.picking import copied, pick

FIELDS = {"a": "i8", "b": "f8", "c": "u1", "d": "u1", "e": "i4", "f": ("f8", 3), "g": "u2"}
SOURCE = np.dtype(
    [(name, *(kind if isinstance(kind, tuple) else (kind,))) for name, kind in FIELDS.items()]
)


@settings(deadline=None)  # the first call compiles
@given(
    names=st.lists(st.sampled_from(sorted(FIELDS)), unique=True),
    rows=st.integers(0, 50),
    more=st.booleans(),
)
def test_every_field_asked_for_is_copied_and_others_are_zero(names, rows, more):
    rng = np.random.default_rng(rows)
    records = np.frombuffer(rng.bytes(rows * SOURCE.itemsize), SOURCE)
    wanted = [(name, SOURCE[name]) for name in names] + ([("new", "i8")] if more else [])
    picked = pick(records, np.dtype(wanted))
    for name in names:
        assert picked[name].tobytes() == records[name].tobytes()
    if more:
        assert not picked["new"].any()
    whole = copied(records)
    assert (whole.dtype, whole.tobytes()) == (SOURCE, records.tobytes())
    assert not np.shares_memory(whole, records)


def test_a_field_of_another_type_is_refused():
    with pytest.raises(TypeError, match="field a"):
        pick(np.zeros(2, SOURCE), np.dtype([("a", "i4")]))
