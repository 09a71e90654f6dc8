from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.lifecycle import (
    CHANNEL_REMOVED,
    IN_COMMISSIONING,
    LIMIT_REMOVED,
    NORMAL_AND_ACKNOWLEDGED,
    Graded,
    RefusedError,
    Subject,
    acknowledge,
    close,
    regrade,
    reset,
)
from domain.alarm import TransitionKind as Kind
from domain.grade import Condition, Grade
from domain.texts import REASON_TEXT

PLAIN = Subject("alarm", "bridge/a", "bridge", "bridge", Condition.HIGH, False, Grade.NORMAL)
LATCHING = replace(PLAIN, latching=True)
EASY = replace(PLAIN, acknowledge_up_to=Grade.BLUE)


def graded(grade, time_ns=10, *, delayed=False):
    return Graded(grade, time_ns, 100.0 + grade, 90.0 + grade, delayed, 1)


def after(subject, *grades):
    """Return the alarm after these grades, and the kinds of all its changes."""
    alarm, kinds = None, []
    for time_ns, grade in enumerate(grades, 1):
        for change in regrade(alarm, subject, graded(grade, time_ns)):
            alarm = change.alarm
            kinds.append(change.kind)
    return alarm, kinds


def test_a_grade_raises_an_alarm_and_normal_raises_none():
    alarm, kinds = after(PLAIN, Grade.NORMAL, Grade.ORANGE)
    assert kinds == [Kind.RAISED]
    assert (alarm.grade, alarm.peak_grade, alarm.raised_at_ns) == (Grade.ORANGE, Grade.ORANGE, 2)
    assert alarm.active
    assert not alarm.acknowledged


def test_a_rise_takes_the_acknowledgement_back_and_a_fall_does_not():
    alarm, _ = after(PLAIN, Grade.ORANGE)
    alarm = acknowledge(alarm, "li", 20)[-1].alarm
    fallen = regrade(alarm, PLAIN, graded(Grade.BLUE))[-1]
    assert (fallen.kind, fallen.alarm.acknowledged_by) == (Kind.FALLEN, "li")
    risen = regrade(fallen.alarm, PLAIN, graded(Grade.YELLOW))[-1]
    assert (risen.kind, risen.alarm.acknowledged) == (Kind.RISEN, False)
    assert (risen.alarm.acknowledged_by, risen.alarm.acknowledged_at_ns) == (None, None)
    assert risen.alarm.peak_grade is Grade.ORANGE


def test_the_same_grade_again_is_no_change():
    alarm, _ = after(PLAIN, Grade.RED)
    assert regrade(alarm, PLAIN, graded(Grade.RED)) == []


def test_value_and_limit_are_those_of_the_last_change_of_grade():
    alarm, _ = after(PLAIN, Grade.BLUE, Grade.RED)
    alarm = acknowledge(alarm, "li", 20)[-1].alarm
    assert (alarm.value, alarm.limit) == (104.0, 94.0)


def test_an_acknowledged_alarm_ends_with_its_return():
    alarm, _ = after(PLAIN, Grade.RED)
    alarm = acknowledge(alarm, "li", 20)[-1].alarm
    returned, ended = regrade(alarm, PLAIN, graded(Grade.NORMAL, 30))
    assert (returned.kind, returned.alarm.cleared_at_ns) == (Kind.RETURNED, 30)
    assert (ended.kind, ended.reason) == (Kind.ENDED, NORMAL_AND_ACKNOWLEDGED)
    assert ended.alarm.ended_at_ns == 30


def test_a_returned_alarm_stays_until_it_is_acknowledged():
    alarm, kinds = after(PLAIN, Grade.RED, Grade.NORMAL)
    assert kinds == [Kind.RAISED, Kind.RETURNED]
    seen, ended = acknowledge(alarm, "li", 20, "looked at it")
    assert (seen.kind, seen.author, seen.reason) == (Kind.ACKNOWLEDGED, "li", "looked at it")
    assert ended.alarm.ended


def test_becoming_active_again_keeps_the_alarm_and_its_beginning():
    alarm, kinds = after(PLAIN, Grade.RED, Grade.NORMAL, Grade.BLUE)
    assert kinds[-1] is Kind.REACTIVATED
    assert (alarm.raised_at_ns, alarm.cleared_at_ns, alarm.peak_grade) == (1, None, Grade.RED)


def test_a_latching_alarm_that_becomes_active_again_wants_to_be_seen_and_reset_again():
    alarm, _ = after(LATCHING, Grade.RED, Grade.NORMAL)
    alarm = acknowledge(alarm, "li", 20)[-1].alarm
    assert not alarm.ended
    alarm = regrade(alarm, LATCHING, graded(Grade.BLUE))[-1].alarm
    assert (alarm.acknowledged, alarm.awaiting_reset) == (False, True)


def test_a_reset_holds_only_until_the_alarm_becomes_active_again():
    alarm, _ = after(LATCHING, Grade.RED, Grade.NORMAL)
    alarm = reset(alarm, "li", 20)[-1].alarm
    alarm = regrade(alarm, LATCHING, graded(Grade.BLUE))[-1].alarm
    assert alarm.awaiting_reset


def test_a_latching_alarm_ends_when_it_is_reset_and_acknowledged_in_either_order():
    alarm, _ = after(LATCHING, Grade.RED, Grade.NORMAL)
    one = reset(acknowledge(alarm, "li", 20)[-1].alarm, "li", 21)
    other = acknowledge(reset(alarm, "li", 20)[-1].alarm, "li", 21)
    assert [change.kind for change in one] == [Kind.RESET, Kind.ENDED]
    assert [change.kind for change in other] == [Kind.ACKNOWLEDGED, Kind.ENDED]


def test_an_alarm_within_the_channels_policy_acknowledges_itself_until_it_rises_above():
    alarm, kinds = after(EASY, Grade.BLUE, Grade.NORMAL)
    assert kinds == [Kind.RAISED, Kind.RETURNED, Kind.ENDED]
    assert (alarm.acknowledged_by, alarm.acknowledged_at_ns) == (None, 1)
    alarm, _ = after(EASY, Grade.BLUE, Grade.YELLOW)
    assert (alarm.acknowledged, alarm.acknowledged_at_ns) == (False, None)
    alarm, _ = after(EASY, Grade.YELLOW, Grade.NORMAL, Grade.BLUE)
    assert not alarm.acknowledged, "its peak stays above the policy"


@pytest.mark.parametrize(
    ("subject", "grades", "acts"),
    [
        (PLAIN, [Grade.RED], [acknowledge, acknowledge]),
        (PLAIN, [Grade.RED, Grade.NORMAL], [acknowledge, acknowledge]),
        (PLAIN, [Grade.RED, Grade.NORMAL], [acknowledge, reset]),
        (PLAIN, [Grade.RED], [reset]),
        (EASY, [Grade.BLUE], [acknowledge]),
        (LATCHING, [Grade.RED], [reset]),
        (LATCHING, [Grade.RED, Grade.NORMAL], [reset, reset]),
    ],
)
def test_an_act_that_has_nothing_to_act_on_is_refused(subject, grades, acts):
    alarm, _ = after(subject, *grades)
    for act in acts[:-1]:
        alarm = act(alarm, "li", 20)[-1].alarm
    with pytest.raises(RefusedError) as refused:
        acts[-1](alarm, "li", 21)
    assert refused.value.status == 409
    assert refused.value.problem


def test_a_closed_alarm_is_not_active_but_was_not_seen_to_return():
    alarm, _ = after(PLAIN, Grade.RED)
    (change,) = close(alarm, 50, CHANNEL_REMOVED)
    assert (change.previous_grade, change.reason) == (Grade.RED, CHANNEL_REMOVED)
    assert (change.alarm.ended, change.alarm.active, change.alarm.cleared_at_ns) == (
        True,
        False,
        None,
    )
    assert close(change.alarm, 51, CHANNEL_REMOVED) == []


def test_each_reason_of_an_end_has_its_words():
    reasons = {CHANNEL_REMOVED, IN_COMMISSIONING, LIMIT_REMOVED, NORMAL_AND_ACKNOWLEDGED}
    assert set(REASON_TEXT) == reasons


@given(
    st.sampled_from([PLAIN, LATCHING, EASY]),
    st.lists(st.sampled_from([*Grade, acknowledge, reset]), max_size=30),
)
def test_no_sequence_of_events_leads_to_an_alarm_that_contradicts_itself(subject, events):
    alarm, grades = None, []
    for time_ns, event in enumerate(events, 1):
        if isinstance(event, Grade):
            changes = regrade(alarm, subject, graded(event, time_ns))
        elif alarm is None:
            continue
        else:
            try:
                changes = event(alarm, "li", time_ns)
            except RefusedError:
                continue
        for change in changes:
            assert change.previous_grade is (alarm.grade if alarm else Grade.NORMAL)
            alarm = change.alarm
            grades.append(alarm.grade)
            assert alarm.active == (alarm.grade > Grade.NORMAL)
            assert alarm.peak_grade == max(grades)
            assert (alarm.cleared_at_ns is None) == alarm.active
            assert alarm.acknowledged == (alarm.acknowledged_at_ns is not None)
        if alarm is not None:
            finished = not alarm.active and alarm.acknowledged and not alarm.awaiting_reset
            assert alarm.ended == finished
            if alarm.ended:
                alarm, grades = None, []
