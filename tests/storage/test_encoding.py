import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alarm import Transition
from domain.readings import Evidence
from storage import encoding
from storage.encoding import clean, clean_row, pack, unpack
from tests.storage.worlds import alarm, evidences, texts, transition, transitions


def test_its_examples_are_true():
    assert doctest.testmod(encoding).failed == 0


@given(transitions)
def test_a_transition_comes_back_equal(packed):
    assert unpack(pack(packed), Transition) == packed


@given(evidences)
def test_evidence_comes_back_equal(packed):
    assert unpack(pack(packed), Evidence) == packed


def test_a_number_that_is_none_comes_back_as_one():
    back = unpack(pack(transition("t", alarm(value=math.nan, limit=-math.inf))), Transition)
    assert math.isnan(back.alarm.value)
    assert back.alarm.limit == -math.inf


def test_numbers_of_numpy_come_back_as_numbers():
    evidence = Evidence(
        1,
        np.int64(2),
        3,
        {"sum": np.float32(0.5), "window": np.arange(3), "held": np.bool_(True)},
        [(np.int64(7), np.float64(1.5), np.uint8(1))],
        [],
    )
    state = {"sum": 0.5, "window": [0, 1, 2], "held": True}
    assert unpack(pack(evidence), Evidence) == Evidence(1, 2, 3, state, [(7, 1.5, 1)], [])


def test_what_has_no_form_is_named():
    with pytest.raises(NotImplementedError, match="complex"):
        pack({"state": 1j})


@given(texts)
def test_an_ordinary_text_is_left_as_it_is(text):
    assert clean(text) == text


@given(st.text(st.characters()))
def test_any_text_becomes_one_that_every_database_takes(text):
    cleaned = clean(text)
    assert "\0" not in cleaned
    cleaned.encode()
    assert clean(cleaned) == cleaned


def test_texts_within_a_document_are_cleaned_where_they_must_be():
    said = transition("t", reason="half \ud800 a letter")
    assert unpack(pack(said), Transition).reason == "half � a letter"
    assert clean_row(said)["reason"] == "half � a letter"
