import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.pages import BadCursorError, bounded, decode_cursor, encode_cursor


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_cursor_comes_back_as_the_place_it_was_made_of(number, name):
    cursor = encode_cursor(number, name)
    assert decode_cursor(cursor, tuple[int, str]) == (number, name)
    assert cursor.isascii()
    assert not set(cursor) & set("=+/&?# ")


@given(st.text(st.characters(), max_size=40))
def test_any_other_text_is_a_bad_cursor(text):
    try:
        decode_cursor(text, tuple[int, str])
    except BadCursorError:
        return
    assert encode_cursor(*decode_cursor(text, tuple[int, str]))


@pytest.mark.parametrize("cursor", ["", "=", "é", "W10", encode_cursor("a", 1), encode_cursor(1)])
def test_a_cursor_of_another_list_is_a_bad_cursor(cursor):
    with pytest.raises(BadCursorError):
        decode_cursor(cursor, tuple[int, str])


def test_a_page_has_at_least_one_item_and_at_most_a_thousand():
    assert [bounded(limit) for limit in (-1, 0, 1, 1000, 5000)] == [1, 1, 1, 1000, 1000]
