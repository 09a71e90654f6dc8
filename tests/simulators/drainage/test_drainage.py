"""A drainage section by its physics: no water is lost, and it goes where it must."""

from dataclasses import replace

import numpy as np
import pytest

from domain.time import NS_PER_S
from simulators.course import DAY_NS, once
from simulators.drainage import Blockage, DrainageStreet, HighRiver, PumpFailure, Storm
from simulators.drainage.pipe import AREA, DEPTH, FLOW, Basin, Pipe, held_back
from simulators.drainage.street import GROUND_M, SPILLED_SHARE

STEP_S = 10.0
START_NS = 20_700 * DAY_NS - 4 * 3_600 * NS_PER_S
GRID = START_NS + np.arange(2 * 8_640, dtype=np.int64) * 10 * NS_PER_S
RAIN_NS = START_NS + 30 * 3_600 * NS_PER_S
PIPE = Pipe(0.9, 0.003, 40.0)


def made(seed=3, **causes):
    street = replace(DrainageStreet(seed, "a street"), **causes)
    return street, street.made(GRID)


def total_m3(flow):
    return float(flow.sum()) * STEP_S


def storm(years):
    return (Storm(once(RAIN_NS), years),)


def test_a_pipe_half_full_carries_half_of_a_full_one():
    assert np.interp(0.5, DEPTH, FLOW) == pytest.approx(0.5, abs=1e-6)
    assert np.interp(0.5, DEPTH, AREA) == pytest.approx(0.5, abs=1e-6)
    assert FLOW.max() == pytest.approx(1.076, abs=0.001)
    assert DEPTH[FLOW.argmax()] == pytest.approx(0.938, abs=0.01)


def test_a_full_pipe_carries_what_manning_says():
    # DN900, n 0.014, 3 per mille: 0.636 m2 * 0.225^(2/3) * sqrt(0.003) / 0.014
    assert pytest.approx(0.920, abs=0.002) == PIPE.full_m3_s


def test_water_stands_higher_the_more_flows_and_the_higher_it_stands_below():
    flows = np.linspace(0.0, 3.0 * PIPE.full_m3_s, 400)
    for lower in (0.0, 0.5, 0.9, 2.0):
        upper = PIPE.upper_m(flows, np.full(400, lower))
        assert (np.diff(upper) >= -1e-9).all()
        assert np.diff(upper).max() < 0.1
    assert (PIPE.upper_m(flows, np.full(400, 2.0)) >= PIPE.upper_m(flows, np.zeros(400))).all()


def test_a_pond_is_level_and_pressure_adds_frictions_head():
    fall_m = PIPE.slope * PIPE.length_m
    assert PIPE.upper_m(np.array([0.01]), np.array([2.0]))[0] == pytest.approx(
        2.0 - fall_m, abs=1e-3
    )
    double = np.array([2.0 * PIPE.full_m3_s])
    assert PIPE.upper_m(double, np.array([2.0]))[0] == pytest.approx(2.0 + 3.0 * fall_m)


@pytest.mark.parametrize("years", [0.2, 3.0, 50.0, 500.0])
def test_what_falls_and_is_let_in_leaves_by_the_outfall_or_over_the_ground(years):
    street, day = made(storms=storm(years))
    inflow = sum(total_m3(day[f"inflow {number}"]) for number in range(street.manholes))
    left = total_m3(day[f"flow {street.manholes - 1}"]) + total_m3(day["spilled"])
    assert left == pytest.approx(inflow, rel=1e-3)
    rained_m3 = day["rain"].sum() / 1_000.0 * street.catchment_ha * 1e4 * street.runoff
    sewage_m3 = 2 * 86_400.0 * street.sewage_m3_s
    assert inflow == pytest.approx(rained_m3 + sewage_m3, rel=0.02)


def test_a_blockage_holds_back_what_it_does_not_let_through_nor_spill():
    basin = Basin(PIPE, 150.0, 20.0, 3.6)
    comes = np.full(4_000, 0.03)
    open_share = np.where(np.arange(4_000) < 100, 1.0, 0.004)
    held = held_back(basin, comes, open_share, STEP_S)
    gained = held.stored_m3[-1] - held.stored_m3[99]
    left = total_m3(held.on_m3_s[100:]) + total_m3(held.over_m3_s[100:])
    assert total_m3(comes[100:]) == pytest.approx(left + gained, rel=1e-9)
    assert held.over_m3_s[-1] > 0.0
    assert held.level_m[-1] == pytest.approx(3.6)
    assert held.on_m3_s[:100].tolist() == comes[:100].tolist()


def test_once_it_is_cleared_all_runs_off():
    basin = Basin(PIPE, 150.0, 20.0, 3.6)
    comes = np.full(4_000, 0.03)
    open_share = np.where((np.arange(4_000) >= 100) & (np.arange(4_000) < 1_000), 0.004, 1.0)
    held = held_back(basin, comes, open_share, STEP_S)
    assert held.level_m[900] > 1.0
    assert held.level_m[-1] == pytest.approx(held.level_m[50], abs=0.01)
    assert held.on_m3_s[-1] == pytest.approx(0.03)


def test_a_blocked_pipe_rises_above_and_falls_below_in_dry_weather():
    blocked = (Blockage(once(RAIN_NS), 1, 0.004),)
    _, free = made()
    _, day = made(blockages=blocked)
    after = (30 * 360) + 200
    assert day["level 1"][after] > free["level 1"][after] + 0.2
    assert day["level 0"][-1] > free["level 0"][-1] + 0.2
    assert day["level 2"][after] < free["level 2"][after] - 0.01
    assert day["flow 3"][after] < 0.8 * free["flow 3"][after]


def test_the_more_is_blocked_the_higher_it_stands():
    crests = [
        made(storms=storm(0.5), blockages=(Blockage(once(START_NS), 3, share),))[1]["level 3"].max()
        for share in (0.6, 0.25, 0.1)
    ]
    assert crests == sorted(crests)
    assert crests[-1] > crests[0] + 1.0


def test_a_rarer_storm_stands_higher_and_none_above_the_ground():
    crests = [made(storms=storm(years))[1]["level 0"].max() for years in (1.0, 5.0, 50.0, 2_000.0)]
    assert crests == sorted(crests)
    assert crests[0] < 0.9 < crests[2]
    assert crests[-1] <= GROUND_M


def test_a_river_in_flood_stands_in_the_lower_manholes_first():
    street, day = made(rivers=(HighRiver(once(RAIN_NS), 2.6),))
    over = [int(np.argmax(day[f"level {number}"] > 0.9)) for number in range(street.manholes)]
    assert over == sorted(over, reverse=True)
    outfall_m = street.pipes[-1].slope * street.pipes[-1].length_m
    assert day["level 3"].max() == pytest.approx(day["river"].max() - outfall_m, abs=0.05)


@pytest.mark.parametrize("failed", [False, True])
def test_the_underpass_holds_what_came_and_was_not_pumped(failed):
    failures = (PumpFailure(once(RAIN_NS), 7_200.0),) if failed else ()
    street, day = made(storms=storm(20.0), failures=failures)
    gained = day["volume"] - day["volume"][0]
    net = np.cumsum(day["underpass inflow"] - day["pumped"])[:-1] * STEP_S
    assert gained[1:] == pytest.approx(net, abs=1e-6)
    below = street.underpass
    over = np.maximum(day["volume"] - below.sump_m3, 0.0)
    assert below.road_m3(day["depth"]) == pytest.approx(over, abs=1e-6)
    rained = day["rain"].sum() / 1_000.0 * below.catchment_ha * 1e4 * below.runoff
    seeped = 2 * 86_400.0 * below.seepage_m3_s
    came = rained + seeped + SPILLED_SHARE * total_m3(day["spilled"])
    assert total_m3(day["underpass inflow"]) == pytest.approx(came, rel=0.01)


def test_pumps_start_and_stop_at_their_levels_and_not_in_between():
    street, day = made()
    starts = np.flatnonzero(np.diff(day["pump 0"]) > 0.5)
    stops = np.flatnonzero(np.diff(day["pump 0"]) < -0.5)
    below = street.underpass
    assert len(starts) >= 2
    assert len(stops) >= 2
    usual = day["sump"][starts[starts % 8_640 < 8_400]]  # not when it is emptied, before four
    assert usual == pytest.approx(below.starts_m[0], abs=0.05)
    assert day["sump"][stops].max() < below.stops_m[0] + 0.3
    assert day["depth"].max() == 0.0
    assert day["pump 1"].max() == 0.0


def test_failed_pumps_mean_deeper_water_for_longer():
    failures = (PumpFailure(once(RAIN_NS), 7_200.0),)
    _, well = made(storms=storm(2.0))
    _, failed = made(storms=storm(2.0), failures=failures)
    assert failed["depth"].max() > well["depth"].max() + 0.1
    assert (failed["depth"] >= well["depth"] - 1e-9).all()


def test_days_join_in_dry_weather_without_a_jump():
    street = DrainageStreet(4, "a street")
    about = START_NS + DAY_NS + np.arange(-60, 60) * 10 * NS_PER_S
    for name in ("level 0", "level 3", "river"):
        assert np.abs(np.diff(street.course(name)(about))).max() < 0.01
