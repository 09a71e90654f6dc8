"""Every scenario, judged whole: what must be raised is, and nothing else."""

from collections import defaultdict
from pathlib import Path

import pytest

from domain.alarm import TransitionKind
from domain.grade import Grade
from domain.time import NS_PER_S
from simulators.scenarios import SCENARIOS
from storage.catalogue import load_catalogue

judge = pytest.importorskip("service.offline").judge

CONFIG = Path(__file__).parents[2] / "config"
WHOLE = load_catalogue([CONFIG / "sites" / "demo.yaml"], CONFIG / "templates")


@pytest.fixture(scope="module", params=SCENARIOS, ids=lambda build: build.__name__)
def played(request):
    """The scenario, and its transitions by (channel, condition)."""
    scenario = request.param()
    found = defaultdict(list)
    for transition in judge(scenario.catalogue(WHOLE), scenario.messages(), ticks=True):
        found[transition.alarm.channel, transition.alarm.condition].append(transition)
    return scenario, found


def reached_s(scenario, transitions, grade):
    """Return when the alarm first had this grade, in seconds after the beginning."""
    for transition in transitions:
        if transition.alarm.grade >= grade:
            return (transition.time_ns - scenario.begin_ns) / NS_PER_S
    return None


def test_every_alarm_that_must_come_comes_in_its_time(played):
    scenario, found = played
    for expected in scenario.must:
        transitions = found[expected.channel, expected.condition]
        at_s = reached_s(scenario, transitions, expected.grade)
        assert at_s is not None, expected
        assert expected.first_s <= at_s <= expected.last_s, (expected, at_s)


def test_no_alarm_is_worse_than_it_may_be(played):
    scenario, found = played
    for expected in scenario.must:
        for transition in found[expected.channel, expected.condition]:
            assert transition.alarm.peak_grade <= expected.most, expected


def test_what_returns_is_normal_at_the_end(played):
    scenario, found = played
    for expected in scenario.must:
        last = found[expected.channel, expected.condition][-1].alarm
        assert (last.grade is Grade.NORMAL) >= expected.returns, (expected, last)


def test_nothing_else_is_raised(played):
    scenario, found = played
    allowed = {(one.channel, one.condition) for one in scenario.must} | set(scenario.may)
    assert {key for key, transitions in found.items() if transitions} <= allowed


def test_each_alarm_is_raised_once(played):
    scenario, found = played
    for expected in scenario.must:
        kinds = [one.kind for one in found[expected.channel, expected.condition]]
        assert kinds.count(TransitionKind.RAISED) == 1, (expected, kinds)
