"""The figures of a recording: what is found, what lies outside, what the instruments tell."""

from domain.grade import Grade
from domain.time import NS_PER_S
from service.changes import Change, spans_of
from service.score import belongs, score
from simulators.recording import Truth


def change(seconds: float, kind: str, channel: str = "gas/x/a", **more) -> Change:
    active = kind != "returned"
    fields = {
        "alarm_id": f"{channel}:{more.get('instrument', False)}",
        "channel": channel,
        "facility": "/".join(channel.split("/")[:2]),
        "quantity": "methane",
        "kind": kind,
        "instrument": False,
        "grade": Grade.BLUE if active else Grade.NORMAL,
        "previous_grade": Grade.NORMAL,
        "active": active,
        "time_ns": int(seconds * NS_PER_S),
    }
    return Change(**{**fields, **more})


def truth(start_s: float, end_s: float, subject: str = "gas/x", kind: str = "condition") -> Truth:
    return Truth(int(start_s * NS_PER_S), int(end_s * NS_PER_S), subject, kind, "")


def pulse(start_s: float, end_s: float, channel: str = "gas/x/a", **more) -> list[Change]:
    return [change(start_s, "raised", channel, **more), change(end_s, "returned", channel, **more)]


def test_a_stretch_is_found_by_the_first_alarm_of_its_subject_and_the_delay_is_told():
    told = [*pulse(50, 60, "gas/y/a"), *pulse(130, 150), *pulse(160, 170, "gas/x/b")]
    figures = score(told, [truth(100, 200)], 0)
    assert (figures.found, figures.stretches, figures.delays_s) == (1, 1, [30])
    assert figures.delay_median_s == 30


def test_an_alarm_that_was_active_before_does_not_find_the_stretch_but_a_rise_does():
    before = [change(90, "raised")]
    assert score(before, [truth(100, 200)], 0).found == 0
    assert score([*before, change(120, "risen")], [truth(100, 200)], 0).delays_s == [20]


def test_the_tail_belongs_to_the_stretch():
    told = pulse(205, 210)
    assert score(told, [truth(100, 200)], 10 * NS_PER_S).outside_ns == []
    assert score(told, [truth(100, 200)], 10 * NS_PER_S).found == 1
    figures = score(told, [truth(100, 200)], 0)
    assert (figures.found, figures.outside_ns) == (0, [205 * NS_PER_S])


def test_alarms_of_one_facility_that_overlap_are_one_episode():
    told = [*pulse(10, 30), *pulse(20, 40, "gas/x/b"), *pulse(35, 50, "gas/y/a"), *pulse(45, 46)]
    outside = score(told, [], 0).outside_ns
    assert outside == [10 * NS_PER_S, 35 * NS_PER_S, 45 * NS_PER_S]


def test_an_alarm_that_never_ends_is_one_episode():
    told = [change(10, "raised"), *pulse(20, 40, "gas/x/b")]
    assert score(told, [], 0).outside_ns == [10 * NS_PER_S]


def test_faults_are_held_against_faults_only():
    fault = pulse(120, 130, instrument=True)
    figures = score(fault, [truth(100, 200), truth(100, 200, "gas/x/a", "fault")], 0)
    assert (figures.found, figures.faults_found, figures.faults) == (0, 1, 1)
    assert (figures.outside_ns, figures.other_faults) == ([], 0)
    assert score(fault, [truth(100, 200)], 0).other_faults == 1


def test_a_part_counts_what_began_in_it():
    told = [*pulse(110, 120), *pulse(310, 320), *pulse(400, 410)]
    truths = [truth(100, 200), truth(300, 350)]
    first = score(told, truths, 0, end_ns=250 * NS_PER_S)
    assert (first.found, first.stretches, first.outside_ns) == (1, 1, [])
    second = score(told, truths, 0, start_ns=250 * NS_PER_S)
    assert (second.found, second.stretches, second.outside_ns) == (1, 1, [400 * NS_PER_S])


def test_subjects_can_be_named_or_left_out():
    told = [*pulse(110, 120), *pulse(130, 140, "gas/y/a")]
    truths = [truth(100, 200, "gas/x/a"), truth(300, 400, "gas/y")]
    one = score(told, truths, 0, subject="gas/x")
    assert (one.found, one.stretches, one.outside_ns) == (1, 1, [])
    other = score(told, truths, 0, besides=["gas/x"])
    assert (other.found, other.stretches, other.outside_ns) == (0, 1, [130 * NS_PER_S])


def test_a_gateways_silence_belongs_to_the_gateway():
    assert belongs("gateway/g:silent", "gateway/g")
    assert not belongs("gateway/g2:silent", "gateway/g")


def test_spans_tell_the_worst_grade_and_the_end():
    told = [
        change(1, "raised"),
        change(2, "risen", grade=Grade.RED),
        change(3, "fallen"),
        change(4, "returned"),
        change(9, "reactivated"),
    ]
    first, second = spans_of(told)
    assert (first.peak, first.start_ns, first.end_ns) == (Grade.RED, NS_PER_S, 4 * NS_PER_S)
    assert (second.peak, second.end_ns) == (Grade.BLUE, None)
