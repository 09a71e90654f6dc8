"""Silence: counted in ticks, masked by what could not be heard anyway."""

from analytics.core import Core
from domain.grade import Grade
from tests.analytics.worlds import (
    batch,
    brief,
    catalogue,
    fault,
    feed,
    gateway_silence,
    high,
    measured,
    ticks,
)


def silent_channel(name="a", **fields):
    return measured(name, **fields), fault(name, "silent", high(2, Grade.BLUE), high(4))


def test_a_channel_that_is_not_heard_becomes_silent_and_returns_when_it_is_heard():
    core = Core(catalogue(*silent_channel(), measured("b", sample_interval_s=0.5)))
    feed(core, [(0, 1)])
    changes = []
    for k in range(8):
        feed(core, [(k, 1)], index=2, seq=k + 2)
        changes += [(k, c.grade.word) for c in ticks(core, 1, start_s=k)]
    assert changes == [(2, "blue"), (4, "red")]
    feed(core, [(8, 1)], seq=50)
    assert [c.grade.word for c in ticks(core, 1, start_s=8)] == ["normal"]


def test_an_arrival_just_before_each_tick_is_never_silence():
    core = Core(catalogue(*silent_channel()))
    for k in range(20):
        feed(core, [(k, 1)], seq=k + 1)
        assert ticks(core, 1, start_s=k) == []
    assert core.latest(["a:silent"])["a:silent"].time_ns == 0


def test_a_late_reading_is_an_arrival_too():
    core = Core(catalogue(*silent_channel(), measured("b")))
    feed(core, [(100, 1)])
    for k in range(10):
        feed(core, [(50, 1)], seq=k + 2)
        assert ticks(core, 1, start_s=k) == []


def test_a_channel_that_was_never_heard_is_silent_too():
    core = Core(catalogue(*silent_channel(), measured("b"), upload_interval_s=1))
    changes = []
    for k in range(12):
        feed(core, [(k, 1)], index=2, seq=k + 1)
        changes += [(k, c.grade.word) for c in ticks(core, 1, start_s=k)]
    assert changes == [(4, "blue"), (8, "red")]


def test_a_silent_gateway_masks_its_channels():
    core = Core(catalogue(*silent_channel(), gateway_silence("g", high(3)), upload_interval_s=2))
    found = ticks(core, 100)
    assert [(c.channel, c.grade.word) for c in found] == [(2, "red")]
    assert brief(found)[0][0] == 7  # three intervals of 2 s, behind the tick that began to count


def test_nothing_is_silent_while_the_broker_is_away():
    core = Core(catalogue(*silent_channel(), gateway_silence("g", high(3))))
    assert ticks(core, 100, connected=False) == []


def test_a_gateway_that_says_offline_is_silent_at_once_and_masks_its_channels():
    core = Core(catalogue(*silent_channel(), gateway_silence("g", high(1)), upload_interval_s=60))
    core.step(batch([], heard=[0], status=[(0, False)]))
    assert [c.channel for c in ticks(core, 50)] == [2]
    core.step(batch([], heard=[0], status=[(0, True)]))
    assert [c.grade.word for c in ticks(core, 1)] == ["normal"]


def test_delays_on_a_silent_channel_end_although_its_value_stands_still():
    silent = fault("a", "silent", high(1, on_delay_s=2, off_delay_s=2.5), sample_interval_s=0.02)
    core = Core(catalogue(measured(sample_interval_s=10), silent, measured("b")))
    feed(core, [(0, 1)])
    found = []
    for k in range(30):
        feed(core, [(k, 1)], index=2, seq=k + 2)
        if k == 20:
            feed(core, [(k, 1)], seq=99)
        found += [(k, c.grade.word) for c in ticks(core, 1, start_s=k)]
    assert found == [(12, "red"), (23, "normal")]


def test_channels_that_report_on_change_are_never_silent():
    core = Core(catalogue(*silent_channel(on_change=True), measured("b")))
    for k in range(20):
        feed(core, [(k, 1)], index=2, seq=k + 1)
        assert ticks(core, 1, start_s=k, elapsed_s=3600) == []


def test_an_on_change_delay_stands_while_its_gateway_is_offline():
    core = Core(catalogue(measured(limits=(high(1, on_delay_s=5),), on_change=True)))
    feed(core, [(0, 1)])
    core.step(batch([], status=[(0, False)]))
    assert ticks(core, 50) == []
    core.step(batch([], status=[(0, True)]))
    assert [c[0] for c in brief(ticks(core, 10))] == [5]
