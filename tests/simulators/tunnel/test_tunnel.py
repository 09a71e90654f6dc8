"""A tunnel's physics: balances, what each cause does, and pieces that join."""

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.climate import Weather
from simulators.course import DAY_NS, LOCAL_OFFSET_NS, level, once, swell
from simulators.tunnel.air import PIECE, WARM, Bore, Traffic, air_of, felt, simulate, switched
from simulators.tunnel.ground import Creep, Works
from simulators.tunnel.water import Portal, depth, stored

MIDNIGHT_NS = 20_700 * DAY_NS - LOCAL_OFFSET_NS
STEPS = MIDNIGHT_NS + np.arange(WARM + PIECE) * 10 * NS_PER_S
BORE = Bore()


def air(**causes):
    return simulate(BORE, Traffic(**{"flow": level(0.6), **causes}), Weather(1), STEPS)


def test_at_rest_as_much_leaves_the_bore_as_is_made_in_it():
    found = air()
    made = BORE.length_m * BORE.co_m3_per_m * 0.6 * BORE.busiest_per_h / 3600
    gone = found.speed * BORE.area_m2 * (found.co[:, -1] - BORE.fresh_ppm) * 1e-6
    assert gone[300:] == pytest.approx(made, rel=0.02)


def test_air_grows_fouler_along_the_bore_and_never_below_fresh():
    found = air(jam=level(0.5))
    assert (np.diff(found.co, axis=1) > 0).all()
    assert found.co.min() >= BORE.fresh_ppm


@pytest.mark.parametrize("which", ["co", "soot"])
def test_a_longer_jam_fouls_more_and_broken_fans_more_still(which):
    means = [getattr(air(jam=level(s)), which)[:, -1].mean() for s in (0.0, 0.3, 0.5)]
    assert means == sorted(means)
    broken = air(jam=level(0.5), fans=level(0.0))
    assert getattr(broken, which)[:, -1].mean() > 1.15 * means[-1]


def test_vehicles_push_the_air_and_it_is_never_faster_than_they():
    still, moving = (air(flow=level(flow)).speed.mean() for flow in (0.05, 0.9))
    assert 0 < still < moving < BORE.speed_m_s


def test_fans_wait_to_stop_until_the_air_is_well():
    assert [switched(BORE, stage, ppm) for stage, ppm in ((0, 40), (0, 50), (1, 40), (2, 30))] == [
        0, 1, 1, 2,
    ]  # fmt: skip
    assert switched(BORE, 1, 80.0) == 2
    assert switched(BORE, 2, 20.0) == 0


def test_pieces_of_the_air_join_within_what_a_sensor_tells():
    traffic = Traffic(level(0.6), jam=level(0.2))
    piece = air_of(BORE, traffic, Weather(1))
    number = MIDNIGHT_NS // (PIECE * 10 * NS_PER_S)
    for kind in ("co", "soot", "speed"):
        before, after = getattr(piece(number), kind)[-1], getattr(piece(number + 1), kind)[0]
        assert after == pytest.approx(before, rel=0.02)


def test_smoke_of_a_fire_reaches_the_sensor_with_the_air():
    start_ns = MIDNIGHT_NS + 3 * 3600 * NS_PER_S
    fire = swell(once(start_ns), 60.0, 600.0, 60.0, 6.0)
    course = felt(air_of(BORE, Traffic(level(0.3), smoke_m2_s=fire), Weather(1)), "soot")
    seconds = np.arange(-600, 3_600, 10)
    values = course(start_ns + seconds * NS_PER_S)
    assert values[seconds < 0].max() < 2
    assert 60 < seconds[values > 7.5][0] < 600
    assert values[-1] < 2


def test_creep_goes_on_ever_slower():
    creep = Creep(MIDNIGHT_NS)
    grown = np.diff(creep(MIDNIGHT_NS + np.arange(0, 4_000, 500) * DAY_NS))
    assert (grown > 0).all()
    assert (np.diff(grown) < 0).all()


def test_pecks_trough_is_deepest_over_the_heading_and_whole_when_it_is_past():
    works = Works(MIDNIGHT_NS, 15.0, 12.0, 12.0)
    late = np.array([MIDNIGHT_NS + 30 * DAY_NS])
    assert works.at(0.0)(late)[0] == pytest.approx(15.0)
    assert works.at(12.0)(late)[0] == pytest.approx(15.0 * np.exp(-0.5))
    assert works.at(0.0)(np.array([MIDNIGHT_NS]))[0] == pytest.approx(7.5)
    # The volume lost to the heading: sqrt(2 pi) i s.
    offsets = np.linspace(-80, 80, 321)
    across = [works.at(offset)(late)[0] for offset in offsets]
    assert np.trapezoid(across, offsets) == pytest.approx(np.sqrt(2 * np.pi) * 12 * 15, rel=1e-3)


def rain(height, length_s=1_800.0):
    return swell(once(MIDNIGHT_NS + 3600 * NS_PER_S), 60.0, length_s, 60.0, height)


def test_without_pumps_all_rain_that_runs_off_is_there():
    portal, times = Portal(), MIDNIGHT_NS + np.arange(0, 480) * 30 * NS_PER_S
    held = stored(portal, rain(60.0), level(0.0), times)
    fallen = portal.runoff * portal.catchment_m2 * rain(60.0)(times).sum() * 30 / 3.6e6
    assert held[-1] == pytest.approx(fallen, rel=1e-3)


def test_water_stands_deeper_the_more_it_rains_and_pumps_keep_a_shower_off_the_road():
    times = MIDNIGHT_NS + np.arange(3600, 9_000, 30) * NS_PER_S
    deepest = [depth(Portal(), rain(mm_h), level(0.0))(times).max() for mm_h in (40, 80, 120)]
    assert 0 < deepest[0] < deepest[1] < deepest[2]
    assert depth(Portal(), rain(60.0))(times).max() == 0.0
