"""The map below the streets: falls towards its outfall, whoever asks."""

import pytest

from simulators.network import section


@pytest.mark.parametrize("seed", range(20))
def test_a_section_falls_from_its_upper_end_to_its_outfall(seed):
    street = section(seed, "drainage/one", 5)
    inverts = [manhole.invert_m for manhole in street.manholes]
    assert inverts == sorted(inverts, reverse=True)
    assert 0.0019 < street.slope < 0.0051
    for manhole in street.manholes:
        assert manhole.invert_m < manhole.crown_m < manhole.ground_m
        assert 1.4 < manhole.depth_m < 5


def test_manholes_are_as_far_apart_as_streets_have_them():
    street = section(1, "gas/one", 6)
    steps = [street.distance_m(n, n + 1) for n in range(5)]
    assert all(30 <= step <= 60 for step in steps)
    assert street.length_m == pytest.approx(sum(steps))


def test_it_is_the_same_for_whoever_asks_and_another_for_another_street():
    assert section(1, "one") == section(1, "one")
    assert section(1, "one") != section(1, "two")
    assert section(1, "one") != section(2, "one")
