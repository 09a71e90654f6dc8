"""Misbehaviour of instruments and gateways, to be put around a course or a world.

Instruments (a course becomes another): stuck, spike, silence. Gateways: a clock that is wrong,
messages sent twice, out of order, or all at once after an outage.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import NEVER, Course, Occasion
from simulators.feed import Message, by_time
from simulators.noise import key_of, uniform
from simulators.world import Station, World

Change = Callable[[Course], Course]


def _lasts(occasion: Occasion, length_s: float, time_ns: Int64s) -> tuple[Int64s, Int64s]:
    since = occasion.since_ns(time_ns)
    return since, np.flatnonzero((since != NEVER) & (since < seconds_to_ns(length_s)))


def stuck(occasion: Occasion, length_s: float) -> Change:
    """Return the fault of an instrument that repeats one value for ``length_s``."""

    def change(course: Course) -> Course:
        def frozen(time_ns: Int64s) -> Float64s:
            since, where = _lasts(occasion, length_s, time_ns)
            held_ns = time_ns.copy()
            held_ns[where] -= since[where]
            return course(held_ns)

        return frozen

    return change


def silent(occasion: Occasion, length_s: float) -> Change:
    """Return the fault of an instrument that gives nothing for ``length_s``."""

    def change(course: Course) -> Course:
        def mute(time_ns: Int64s) -> Float64s:
            value = course(time_ns).copy()
            value[_lasts(occasion, length_s, time_ns)[1]] = np.nan
            return value

        return mute

    return change


def spike(occasion: Occasion, interval_s: float, height: float) -> Change:
    """Return the fault of an instrument whose one next reading is off by ``height``."""

    def change(course: Course) -> Course:
        def jumping(time_ns: Int64s) -> Float64s:
            value = course(time_ns).copy()
            value[_lasts(occasion, interval_s, time_ns)[1]] += height
            return value

        return jumping

    return change


def wrong_clock(station: Station, occasion: Occasion, length_s: float, ahead_s: float) -> Station:
    """Return a station whose gateway's clock is ``ahead_s`` ahead for ``length_s``."""

    def ahead(time_ns: Int64s) -> Float64s:
        value = np.zeros(len(time_ns))
        value[_lasts(occasion, length_s, time_ns)[1]] = ahead_s
        return value

    return station.with_clock_ahead(ahead)


@dataclass(frozen=True, slots=True)
class Delayed:
    """A world whose messages are sent later, each by ``delay_ns(message)`` of at most ``most_ns``."""

    world: World
    delay_ns: Callable[[Message], int]
    most_ns: int

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span (see ``World``)."""
        sent = (
            replace(message, time_ns=message.time_ns + self.delay_ns(message))
            for message in self.world.messages(start_ns - self.most_ns, end_ns, batch_s)
        )
        yield from sorted((one for one in sent if start_ns <= one.time_ns < end_ns), key=by_time)


@dataclass(frozen=True, slots=True)
class Doubled:
    """A world that sends some of its messages twice: ``again(message)`` says which, ``after_ns``."""

    world: World
    again: Callable[[Message], bool]
    after_ns: int

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span (see ``World``)."""
        second = (
            replace(message, time_ns=message.time_ns + self.after_ns)
            for message in self.world.messages(
                start_ns - self.after_ns, end_ns - self.after_ns, batch_s
            )
            if self.again(message)
        )
        first = self.world.messages(start_ns, end_ns, batch_s)
        yield from heapq.merge(first, second, key=by_time)


def _share(seed: int, message: Message) -> float:
    key = key_of(seed, message.gateway, message.format)
    return float(uniform(key, np.array([message.time_ns // 1000]))[0])


def duplicates(world: World, seed: int, share: float, after_s: float) -> Doubled:
    """Return a world that sends a ``share`` of its messages once more, ``after_s`` later."""
    return Doubled(world, lambda message: _share(seed, message) < share, seconds_to_ns(after_s))


def reordering(world: World, seed: int, most_s: float) -> Delayed:
    """Return a world whose messages are each late by up to ``most_s``, and so overtake."""
    return Delayed(
        world,
        lambda message: round(_share(seed, message) * most_s * NS_PER_S),
        seconds_to_ns(most_s),
    )


def outage(world: World, start_ns: int, length_s: float) -> Delayed:
    """Return a world that is cut off for ``length_s`` and then sends all that it kept, at once."""
    end_ns = start_ns + seconds_to_ns(length_s)
    return Delayed(
        world,
        lambda message: end_ns - message.time_ns if start_ns <= message.time_ns < end_ns else 0,
        seconds_to_ns(length_s),
    )
