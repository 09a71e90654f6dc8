"""``lifeline publish``: name=value readings, stamped now."""

import pytest

from service.publish import _parse


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("t=21.5", ("t", 21.5)),
        ("a=b=1e3", None),
        ("水位=-3", ("水位", -3.0)),
        ("x= 5 ", ("x", 5.0)),
    ],
)
def test_a_reading_is_a_name_and_a_number(text, reading):
    if reading is None:
        with pytest.raises(ValueError, match="not a number"):
            _parse(text)
    else:
        assert _parse(text) == reading


@pytest.mark.parametrize("text", ["t", "=1", "t=", "t=high", "t=inf", "t=nan", "t=1e999"])
def test_anything_else_is_refused_with_a_hint(text):
    with pytest.raises(ValueError, match=r"name=value|not a number"):
        _parse(text)
