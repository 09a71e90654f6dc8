"""The scoreboard counts what came and what was wrong, and says it to people and machines."""

import json

import pytest
from typer.testing import CliRunner

from service.__main__ import app
from service.scoreboard import Score, board, document, is_good, line, scenario_catalogue, shortfalls
from service.settings import ROOT
from simulators.scenarios import SCENARIOS

GOOD = Score("bridge", "convoy", 1, 2, 2, (10.0, 30.0))
QUIET = Score("bridge", "calm day", 1, 0, 0, ())
WRONG = Score("gas", "drift", 1, 0, 1, (), (), ("gas/x high yellow at 5.0 s",), (), "it cannot")
MISSED = Score("gas", "leak", 1, 2, 1, (5.0,), ("gas/y high red: wanted 1 to 2 s, came never",))


def test_recall_precision_and_delay_are_of_all_alarms_together():
    total = line("all", [GOOD, QUIET, WRONG, MISSED])
    assert (total.played, total.perfect, total.expected, total.found) == (4, 2, 4, 3)
    assert total.recall == 0.75
    assert total.precision == 0.75
    assert (total.delay_median_s, total.delay_worst_s) == (10.0, 30.0)


def test_where_nothing_was_wanted_nothing_is_missed():
    assert (line("", [QUIET]).recall, line("", [QUIET]).precision) == (1.0, 1.0)


def test_the_board_is_good_only_with_everything_found_and_little_wrong():
    assert is_good(line("all", [GOOD, QUIET]))
    assert not is_good(line("all", [GOOD, MISSED]))
    assert not is_good(line("all", [GOOD, WRONG]))
    assert is_good(line("all", [GOOD] * 20 + [WRONG]))


def test_the_board_has_a_line_for_each_scenario_and_each_kind():
    by_scenario, by_kind, total = board([GOOD, QUIET, WRONG, MISSED])
    assert [one.name for one in by_scenario] == ["convoy", "calm day", "drift", "leak"]
    assert [(one.name, one.played) for one in by_kind] == [("bridge", 2), ("gas", 2)]
    assert total.played == 4


def test_what_is_wrong_is_listed_with_its_reason():
    found = document([GOOD, WRONG, MISSED])
    assert [one["scenario"] for one in found["wrong"]] == ["drift", "leak"]
    assert found["wrong"][0]["shortfall"] == "it cannot"
    assert found["good"] is False
    assert json.loads(json.dumps(found))["kinds"][1]["recall"] == 0.5
    assert shortfalls([GOOD, WRONG, WRONG]) == ["drift (2 times): it cannot"]


def test_a_scenario_that_falls_short_is_no_secret():
    known = [build(1).name for build in SCENARIOS if build(1).shortfall]
    told = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert told.count("**Falls short:**") == len(known)


def test_every_scenario_names_a_site_and_facilities_that_are_there():
    for build in SCENARIOS:
        scenario = build(1)
        there = {facility.id for facility in scenario_catalogue(scenario.site).facilities}
        assert set(scenario.facilities) <= there, scenario.name


@pytest.mark.parametrize(("scenario", "status"), [("single_spike", 0), ("no_such_thing", 1)])
def test_the_command_plays_what_is_asked_and_writes_it_for_machines(scenario, status, tmp_path):
    file = tmp_path / "board.json"
    arguments = ["scoreboard", "--seeds", "1", "--scenario", scenario, "--json", str(file)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == status, result.output
    if status == 0:
        assert json.loads(file.read_text("utf-8"))["all"]["played"] == 1
    else:
        assert "docs/scenarios.md" in result.stderr
