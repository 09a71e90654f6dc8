"""Misbehaviour of instruments: each makes another course of a course, and keeps it pure.

Each takes the occasion on which it begins, and ``length_s`` for which it lasts.
"""

from collections.abc import Callable

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import NEVER, Course, Occasion
from simulators.feed import JsonFeed
from simulators.noise import bell, key_of, uniform
from simulators.world import Station

Change = Callable[[Course], Course]


def lasts(occasion: Occasion, length_s: float, time_ns: Int64s) -> tuple[Int64s, Int64s]:
    """Return the time since the occasion, and the places at which it has not yet passed."""
    since = occasion.since_ns(time_ns)
    return since, np.flatnonzero((since != NEVER) & (since < seconds_to_ns(length_s)))


def _while(
    occasion: Occasion, length_s: float, changed: Callable[[Float64s, Int64s, Float64s], Float64s]
) -> Change:
    """Return a change by ``changed(values, times, seconds since the beginning)`` while it lasts."""

    def change(course: Course) -> Course:
        def misbehaving(time_ns: Int64s) -> Float64s:
            value = course(time_ns).copy()
            since, where = lasts(occasion, length_s, time_ns)
            if len(where):
                value[where] = changed(value[where], time_ns[where], since[where] / NS_PER_S)
            return value

        return misbehaving

    return change


def stuck(occasion: Occasion, length_s: float) -> Change:
    """Return the fault of an instrument that repeats one value for ``length_s``."""

    def change(course: Course) -> Course:
        def frozen(time_ns: Int64s) -> Float64s:
            since, where = lasts(occasion, length_s, time_ns)
            held_ns = time_ns.copy()
            held_ns[where] -= since[where]
            return course(held_ns)

        return frozen

    return change


def silent(occasion: Occasion, length_s: float) -> Change:
    """Return the fault of an instrument that gives nothing for ``length_s``."""
    return _while(occasion, length_s, lambda value, _time, _since: np.full(len(value), np.nan))


def spike(occasion: Occasion, interval_s: float, height: float) -> Change:
    """Return the fault of an instrument whose one next reading is off by ``height``."""
    return _while(occasion, interval_s, lambda value, _time, _since: value + height)


def spikes(occasion: Occasion, length_s: float, seed: int, share: float, height: float) -> Change:
    """Return a loose contact: a ``share`` of the readings is off by up to ``height``, up or down."""
    key = key_of(seed, "spikes")

    def loose(value: Float64s, time_ns: Int64s, _since: Float64s) -> Float64s:
        draw = uniform(key, time_ns // 1000)
        off = height * (2.0 * uniform(key + 1, time_ns // 1000) - 1.0)
        return np.where(draw < share, value + off, value)

    return _while(occasion, length_s, loose)


def noisy(occasion: Occasion, length_s: float, seed: int, deviation: float) -> Change:
    """Return an instrument that has become noisy, by ``deviation``."""
    key = key_of(seed, "noisy")
    return _while(
        occasion,
        length_s,
        lambda value, time_ns, _since: value + deviation * bell(key, time_ns // 1000),
    )


def drifting(occasion: Occasion, length_s: float, per_day: float) -> Change:
    """Return an instrument that drifts off by ``per_day``, and is put right afterwards."""
    return _while(
        occasion, length_s, lambda value, _time, since_s: value + since_s * (per_day / 86_400.0)
    )


def stepped(occasion: Occasion, length_s: float, offset: float) -> Change:
    """Return an instrument that a technician has set to another zero, and later sets back."""
    return _while(occasion, length_s, lambda value, _time, _since: value + offset)


def saturated(occasion: Occasion, length_s: float, at: float) -> Change:
    """Return an instrument that stands at the end of its range, as with a broken wire."""
    return _while(occasion, length_s, lambda value, _time, _since: np.full(len(value), at))


def flipped(occasion: Occasion, length_s: float) -> Change:
    """Return an instrument with its sign turned, as after a repair with two wires exchanged."""
    return _while(occasion, length_s, lambda value, _time, _since: -value)


def dying(occasion: Occasion, length_s: float, seed: int) -> Change:
    """Return an instrument that gives less and less over ``length_s``, and then nothing more."""
    key = key_of(seed, "dying")

    def fewer(value: Float64s, time_ns: Int64s, since_s: Float64s) -> Float64s:
        gone = uniform(key, time_ns // 1000) < np.minimum(since_s / length_s, 1.0)
        return np.where(gone, np.nan, value)

    return _while(occasion, 1e9, fewer)  # for ever


def lightning(station: Station, occasion: Occasion, dead_s: float, height: float) -> Station:
    """Return a station struck by lightning: all of it jumps once, and is dead for ``dead_s``."""
    names = [name for feed in station.feeds if isinstance(feed, JsonFeed) for name in feed.names]
    interval_s = {
        signal.name: signal.interval_s
        for feed in station.feeds
        if isinstance(feed, JsonFeed)
        for signal in feed.signals
    }
    for name in names:
        struck = spike(occasion, interval_s[name], height)
        dead = _after(interval_s[name], occasion, dead_s)
        station = station.with_signal(name, struck).with_signal(name, dead)
    return station


def _after(wait_s: float, occasion: Occasion, length_s: float) -> Change:
    """Return silence from ``wait_s`` after the occasion on."""

    def mute(value: Float64s, _time: Int64s, since_s: Float64s) -> Float64s:
        return np.where(since_s >= wait_s, np.nan, value)

    return _while(occasion, wait_s + length_s, mute)
