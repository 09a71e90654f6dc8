"""Influence lines, against beams whose answers stand in every handbook."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bridge.influence import Beam, HungDeck

SIMPLE = Beam((40.0,), 1.0e6)
THREE = Beam((40.0, 60.0, 40.0), 1.35e8)
TWO = Beam((20.0, 20.0), 1.0e6)
places = st.floats(0.5, 139.5)


def effects(beam, load_m, section_m):
    """Moment and deflection at a section under one load."""
    moment, sag = beam.effects(np.array([load_m]), section_m)
    return moment[0], sag[0]


def test_a_simple_beam_under_a_load_at_midspan_sags_by_the_handbooks_formula():
    moment, sag = effects(SIMPLE, 20.0, 20.0)
    assert moment == pytest.approx(40.0 / 4)
    assert sag == pytest.approx(40.0**3 / (48 * 1.0e6))


def test_two_equal_spans_with_a_load_in_one_have_the_handbooks_support_moment():
    assert TWO.support_moments(np.array([10.0]))[0, 1] == pytest.approx(-3 / 32 * 20.0)


@given(places, places)
def test_what_a_load_here_does_there_a_load_there_does_here(one, other):
    """Maxwell (1864)."""
    assert effects(THREE, one, other)[1] == pytest.approx(effects(THREE, other, one)[1], abs=1e-12)


@given(st.lists(st.tuples(places, st.floats(0.0, 500.0)), min_size=1, max_size=5))
def test_the_line_of_several_loads_is_the_sum_of_each(loads):
    line = THREE.lines(70.0)[1]
    together = sum(load * effects(THREE, place, 70.0)[1] for place, load in loads)
    by_line = sum(load * line.at(np.array([place]))[0] for place, load in loads)
    assert by_line == pytest.approx(together, rel=1e-3, abs=1e-7)


def test_a_load_on_a_support_does_nothing_and_one_beyond_the_end_neither():
    for support in (0.0, 40.0, 100.0, 140.0):
        assert effects(THREE, support, 70.0) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert THREE.lines(70.0)[1].at(np.array([-0.1, 140.1])).tolist() == [0.0, 0.0]


def test_a_load_in_the_next_span_lifts_this_one():
    assert effects(THREE, 20.0, 70.0)[1] < 0 < effects(THREE, 70.0, 70.0)[1]


def test_a_support_that_settles_takes_its_neighbourhood_along_and_bends_the_beam():
    moment, sag = THREE.settled(1, 40.0)
    assert sag == pytest.approx(1.0)
    assert moment > 0
    middle = THREE.settled(1, 70.0)[1]
    assert 0.4 < middle < 0.8
    assert SIMPLE.settled(1, 20.0) == (0.0, 0.5)


def test_all_supports_together_only_move_the_beam():
    moments, sags = zip(*(THREE.settled(k, 70.0) for k in range(4)), strict=True)
    assert sum(sags) == pytest.approx(1.0)
    assert sum(moments) == pytest.approx(0.0, abs=1e-3)


def test_a_hung_deck_gives_by_hetenyis_formula_and_lifts_far_away():
    deck = HungDeck(420.0, 2.0e8, 312.0)
    moment, sag = deck.lines(210.0)
    middle = np.array([210.0])
    assert sag.at(middle)[0] == pytest.approx(deck.wave_per_m / (2 * 312.0))
    assert moment.at(middle)[0] == pytest.approx(1 / (4 * deck.wave_per_m))
    # Below it stands what is above: the cables' answer balances the load.
    places = np.linspace(0, 420, 4201)
    assert np.trapezoid(312.0 * sag.at(places), places) == pytest.approx(1.0, abs=0.03)
