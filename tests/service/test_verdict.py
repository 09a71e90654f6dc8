"""The judge of recordings: each kind of check, met and not met."""

import numpy as np
import pytest

from domain.grade import Grade
from domain.time import NS_PER_S, format_rfc3339, parse_rfc3339
from service.changes import Change
from service.settings import ROOT
from service.verdict import CHECKS, Evidence, judge
from simulators.recording import Truth, open_recording

NOON_NS = parse_rfc3339("2020-05-17T12:00:00Z")
CHANNEL, FACILITY = "gas/x/methane", "gas/x"


def at(seconds: float) -> str:
    return format_rfc3339(NOON_NS + int(seconds * NS_PER_S))


def change(seconds: float, kind: str, grade: Grade, **changes) -> Change:
    fields = {
        "alarm_id": "a",
        "channel": CHANNEL,
        "facility": FACILITY,
        "quantity": "methane",
        "kind": kind,
        "instrument": False,
        "grade": grade,
        "previous_grade": Grade.NORMAL,
        "active": grade > Grade.NORMAL,
        "time_ns": NOON_NS + int(seconds * NS_PER_S),
    }
    return Change(**{**fields, **changes})


LIFE = [
    change(0, "raised", Grade.YELLOW),
    change(60, "risen", Grade.ORANGE),
    change(300, "fallen", Grade.YELLOW),
    change(600, "returned", Grade.NORMAL),
]


def truth(start_s: float, end_s: float, subject: str = FACILITY, kind: str = "condition") -> Truth:
    return Truth(NOON_NS + int(start_s * NS_PER_S), NOON_NS + int(end_s * NS_PER_S), subject, kind, "")  # fmt: skip


def evidence(changes=LIFE, truths=(), series=()) -> Evidence:
    times = np.array([NOON_NS + s * NS_PER_S for s, _ in series], np.int64)
    values = np.array([value for _, value in series], np.float64)
    return Evidence(changes, truths, lambda _: (times, values), lambda *_: [CHANNEL])


def met(expectation, **given) -> bool:
    finding = judge({"channel": CHANNEL, **expectation}, evidence(**given))
    assert finding.words.startswith((CHANNEL, FACILITY))
    return finding.met


@pytest.mark.parametrize(
    ("start", "end", "wanted"), [(-60, 60, True), (0, 0, True), (1, 60, False), (-60, -1, False)]
)
def test_a_condition_is_raised_within_a_span(start, end, wanted):
    assert met({"check": "raised", "start": at(start), "end": at(end)}) is wanted


def test_a_fault_is_no_condition():
    faults = [change(0, "raised", Grade.YELLOW, instrument=True)]
    assert not met({"check": "raised", "start": at(-60), "end": at(60)}, changes=faults)


@pytest.mark.parametrize(
    ("grade", "by", "wanted"),
    [("orange", 60, True), ("orange", 59, False), ("red", 900, False), ("yellow", 0, True)],
)
def test_a_grade_is_reached_by_a_time(grade, by, wanted):
    assert met({"check": "reached", "grade": grade, "by": at(by)}) is wanted


@pytest.mark.parametrize(("by", "wanted"), [(600, True), (599, False), (9000, True)])
def test_a_condition_is_back_to_normal_at_a_time(by, wanted):
    assert met({"check": "returned", "by": at(by)}) is wanted


def test_a_condition_that_came_again_is_not_back_to_normal():
    again = [*LIFE, change(700, "reactivated", Grade.BLUE)]
    assert not met({"check": "returned", "by": at(800)}, changes=again)
    assert met({"check": "returned", "by": at(650)}, changes=again)


def test_nothing_that_was_never_raised_returns():
    assert not met({"check": "returned", "by": at(600)}, changes=[])


@pytest.mark.parametrize(
    ("besides", "wanted"),
    [([], False), ([[-1, 61]], True), ([[0, 60]], False), ([[0, 1], [60, 61]], True)],
)
def test_no_condition_comes_besides_in_the_spans_named(besides, wanted):
    spans = [[at(start), at(end)] for start, end in besides]
    assert met({"check": "quiet", "besides": spans}) is wanted


def test_a_channel_without_a_condition_is_quiet_whatever_its_instrument_does():
    faults = [change(0, "raised", Grade.YELLOW, instrument=True)]
    assert met({"check": "quiet"}, changes=faults)


def graded(rises, returned=600):
    return {
        "check": "graded",
        "rises": {grade: at(seconds) for grade, seconds in rises.items()},
        "returned": at(returned),
        "tolerance_s": 5,
        "returned_tolerance_s": 10,
    }


@pytest.mark.parametrize(
    ("rises", "returned", "wanted"),
    [
        ({"yellow": 0, "orange": 60}, 600, True),
        ({"yellow": 4, "orange": 55}, 591, True),
        ({"yellow": 6, "orange": 60}, 600, False),  # too early
        ({"yellow": 0, "orange": 60}, 611, False),  # back too early
        ({"yellow": 0}, 600, False),  # one grade too many
        ({"yellow": 0, "orange": 60, "red": 90}, 600, False),  # one too few
    ],
)
def test_a_condition_rises_through_just_the_grades_named(rises, returned, wanted):
    assert met(graded(rises, returned)) is wanted


def test_a_condition_that_returns_twice_was_not_graded_right():
    twice = [*LIFE, change(700, "reactivated", Grade.YELLOW), change(800, "returned", Grade.NORMAL)]
    assert not met(graded({"yellow": 0, "orange": 60}), changes=twice)


@pytest.mark.parametrize(("seconds", "wanted"), [(0, True), (30, True), (31, False), (-1, False)])
def test_a_fault_is_raised_soon_after_the_truth(seconds, wanted):
    faults = [change(seconds, "raised", Grade.YELLOW, instrument=True)]
    truths = [truth(0, 600, CHANNEL, "fault")]
    expectation = {"check": "fault", "tolerance_s": 30}
    assert met(expectation, changes=faults, truths=truths) is wanted


def test_each_fault_of_the_truth_must_be_raised_and_there_must_be_one():
    faults = [change(0, "raised", Grade.YELLOW, instrument=True)]
    expectation = {"check": "fault", "tolerance_s": 30}
    both = [truth(0, 60, CHANNEL, "fault"), truth(900, 960, CHANNEL, "fault")]
    assert not met(expectation, changes=faults, truths=both)
    assert not met(expectation, changes=faults)


def found(**changes):
    fields = {
        "check": "found",
        "channel": None,
        "facility": FACILITY,
        "quantity": "methane",
        "visible_above": 3.0,
        "within_s": 600,
        "tail_s": 1200,
        "found_min": 1,
        "visible": 1,
        "episodes_outside_max": 0,
    }
    return {**fields, **changes}


RELEASE = [truth(-300, 900)]
SEEN = [(-200, 1.0), (-60, 3.5), (300, 9.0)]


def test_a_release_that_can_be_seen_is_found_soon():
    assert met(found(), truths=RELEASE, series=SEEN)


def test_a_release_found_late_is_not_found():
    late = [change(541, "raised", Grade.YELLOW)]
    assert not met(found(), changes=late, truths=RELEASE, series=SEEN)
    assert met(found(within_s=601), changes=late, truths=RELEASE, series=SEEN)


def test_a_release_nobody_can_see_is_not_counted():
    unseen = [(0, 3.0)]
    assert not met(found(), truths=RELEASE, series=unseen)
    assert met(found(visible=0, found_min=0), truths=RELEASE, series=unseen)


def test_episodes_outside_of_releases_are_counted():
    outside = [*LIFE, change(9000, "raised", Grade.BLUE, alarm_id="b")]
    assert not met(found(), changes=outside, truths=RELEASE, series=SEEN)
    assert met(found(episodes_outside_max=1), changes=outside, truths=RELEASE, series=SEEN)


def test_alarms_that_overlap_are_one_episode_and_the_tail_belongs_to_the_release():
    overlapping = [
        *LIFE[:1],
        change(2000, "raised", Grade.BLUE, alarm_id="b"),
        change(2100, "returned", Grade.NORMAL),
        change(9000, "returned", Grade.NORMAL, alarm_id="b"),
    ]
    assert met(found(), changes=overlapping, truths=RELEASE, series=SEEN)


def test_alarms_of_other_quantities_do_not_find_a_release():
    other = [change(0, "raised", Grade.YELLOW, quantity="wind_speed")]
    assert not met(found(), changes=other, truths=RELEASE, series=SEEN)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"delay_median_s_max": 299}, False),
        ({"found_min": 2}, False),
        ({"end": at(-600)}, True),
        ({"start": at(-600), "faults_found_min": 1}, False),
    ],
)
def test_the_score_of_a_part_is_held_against_what_is_expected(changes, wanted):
    told = [truth(-300, 900)]
    assert met({"check": "scored", "part": "all", **changes}, truths=told) is wanted


def test_without_a_number_a_score_must_find_all_and_raise_nothing_else():
    assert not met({"check": "scored"}, truths=[])
    assert met({"check": "scored", "episodes_outside_max": 1}, truths=[])
    assert not met({"check": "scored"}, truths=[truth(-300, 900), truth(2000, 3000)])


def test_a_check_that_is_not_there_names_those_that_are():
    with pytest.raises(ValueError, match="no check 'joy'; there are raised, reached"):
        judge({"check": "joy"}, evidence())


def test_every_check_of_the_recordings_is_there():
    folders = sorted(path.parent for path in (ROOT / "recordings").glob("*/recording.yaml"))
    assert folders
    for folder in folders:
        recording = open_recording(folder, ROOT)
        assert recording.document.expect
        assert recording.truths()
        assert (folder / "README.md").exists()
        assert {one["check"] for one in recording.document.expect} <= CHECKS.keys()
