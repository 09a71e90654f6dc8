"""Overload: refused frames raise a gateway's fault, which goes by itself."""

import numpy as np

from analytics.core import Core
from domain.catalogue import Limit
from domain.grade import FaultKind, Grade, Side
from domain.journal import Tick
from domain.time import NS_PER_S
from tests.analytics.worlds import catalogue, channel

LIMITS = (Limit(Grade.YELLOW, Side.HIGH, 1.0, off_delay_s=3.0),)


def a_city():
    return catalogue(
        channel("a"),
        channel("gateway/g:overload", gateway="g", fault=FaultKind.OVERLOAD, limits=LIMITS),
    )


def tick(core, second):
    judged = core.tick(second, Tick(second * NS_PER_S, NS_PER_S, broker_connected=True))
    return [change.grade for change in judged.changes]


def test_a_refusal_raises_it_at_the_next_tick_and_it_returns_after_its_delay():
    core = Core(a_city())
    assert tick(core, 1) == []
    core.refuse(0, 5)
    assert tick(core, 2) == [Grade.YELLOW]
    assert core.latest(["gateway/g:overload"])["gateway/g:overload"].value == 5.0
    assert [tick(core, second) for second in range(3, 8)] == [[], [], [], [Grade.NORMAL], []]


def test_more_refusals_hold_it():
    core = Core(a_city())
    for second in range(1, 9):
        core.refuse(0, 1 + second % 2)
        assert tick(core, second) == ([Grade.YELLOW] if second == 1 else [])


def test_a_snapshot_keeps_what_was_refused_and_the_delay_that_runs():
    for until in range(1, 6):
        whole, cut = Core(a_city()), Core(a_city())
        whole.refuse(0, 2)
        cut.refuse(0, 2)
        told = [tick(whole, second) for second in range(1, 8)]
        seen = [tick(cut, second) for second in range(1, until)]
        after = Core(a_city())
        after.restore(cut.snapshot())
        seen += [tick(after, second) for second in range(until, 8)]
        assert seen == told


def test_refused_frames_are_a_sign_of_life():
    core = Core(a_city())
    house = core._house
    house.silence.heard[:] = False
    core.refuse(0, 1)
    assert np.flatnonzero(house.silence.heard).tolist() == [0]
