"""A bridge's responses: what each cause does, and what the day does without one."""

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.bridge import CABLE_STAYED, CONTINUOUS, TIED_ARCH, Trouble, built
from simulators.bridge.design import STEEL_PER_K
from simulators.course import DAY_NS, LOCAL_OFFSET_NS, level, once

MIDNIGHT_NS = 20_700 * DAY_NS - LOCAL_OFFSET_NS
DAY = MIDNIGHT_NS + np.arange(0, 86_400, 60) * NS_PER_S
DESIGNS = [CABLE_STAYED, TIED_ARCH, CONTINUOUS]


def of(name, design=CONTINUOUS, trouble=None, seed=5):
    return built("gw", seed, design=design, trouble=trouble or Trouble()).response(name)(DAY)


@pytest.mark.parametrize("design", DESIGNS)
def test_bearings_move_by_expansion_and_the_effective_temperature(design):
    own = built("gw", 5, design=design)
    warmth = own.effective_c(DAY) - own.design.bearing_set_c
    expected = 1e3 * STEEL_PER_K * own.design.expansion_m[0] * warmth
    assert own.response("B1")(DAY) == pytest.approx(expected)
    assert np.corrcoef(own.response("B1")(DAY), own.response("B2")(DAY))[0, 1] < -0.99


def test_the_top_is_warmest_soon_after_noon_and_the_whole_late_in_the_afternoon():
    tops, wholes = np.zeros(len(DAY)), np.zeros(len(DAY))
    for seed in range(10):  # together: what passes through on one day is not the day's course
        own = built("gw", seed, design=CABLE_STAYED)
        tops += own.difference_k(DAY)
        wholes += own.effective_c(DAY)
    assert 11 < np.argmax(tops) / 60 < 15 < np.argmax(wholes) / 60 < 19


def test_damage_grows_everything_that_a_load_does_and_lowers_the_frequency():
    lost = [0.0, 0.05, 0.1, 0.2]
    sag = [of("D1", trouble=Trouble(damage=level(loss))).mean() for loss in lost]
    swing = [of("S1", trouble=Trouble(damage=level(loss))).std() for loss in lost]
    own = [built("gw", 5, trouble=Trouble(damage=level(loss))) for loss in lost]
    share = [one.frequency_share(DAY).mean() for one in own]
    assert sag == sorted(sag)
    assert swing == sorted(swing)
    assert share == sorted(share, reverse=True)


def test_a_support_that_settles_lowers_midspan_by_its_influence():
    down = of("D1", trouble=Trouble(settling_mm=level(10.0))) - of("D1")
    own = built("gw", 5, design=CONTINUOUS).design
    assert down == pytest.approx(10.0 * own.structure.settled(1, own.midspan_m)[1])


def test_a_jammed_bearing_stands_and_the_deck_is_held_back():
    noon = once(MIDNIGHT_NS + DAY_NS // 2)
    jammed, free = of("B1", trouble=Trouble(jam=noon)), of("B1")
    assert jammed[:720].tolist() == free[:720].tolist()
    assert np.ptp(jammed[720:]) < 1e-9 < np.ptp(free[720:])
    assert np.ptp(of("S1", trouble=Trouble(jam=noon)) - of("S1")) > 1


def test_a_cable_that_loses_force_gives_it_to_its_neighbour_and_to_the_girder():
    lost = Trouble(cable_loss=level(0.1))
    assert (of("C1", trouble=lost) < 0.93 * of("C1")).all()
    assert (of("C2", trouble=lost) > of("C2")).all()
    assert (of("D1", trouble=lost) > of("D1")).all()


def test_a_cables_force_comes_back_from_its_frequency():
    cable = CABLE_STAYED.cables[0]
    frequency_hz = cable.frequency_hz(cable.force_kn)
    force_kn = cable.mass_kg_m * (2 * cable.length_m * frequency_hz) ** 2 / 1e3
    assert force_kn == pytest.approx(cable.force_kn)
    assert 0.5 < frequency_hz < 3
    assert cable.error_kn / cable.force_kn == pytest.approx(4e-4)


def test_twenty_seeds_are_twenty_bridges():
    modes = {
        built("gw", seed, design=CONTINUOUS).design.modes[0].frequency_hz for seed in range(20)
    }
    assert len(modes) == 20
    assert max(modes) / min(modes) < 1.09
