"""Misbehaviour of gateways and links: each makes another world of a world, and keeps it pure.

A clock that is wrong, messages sent twice, out of order, held back, lost or far too many; a reboot;
a sample interval that changes.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import Occasion
from simulators.faults.instruments import lasts
from simulators.feed import JsonFeed, Message, by_time
from simulators.noise import key_of, uniform
from simulators.world import Station, World

ZONE_S = 8 * 3600.0  # China's zone: local time sent as if it were UTC lies so far ahead
LOCKED_OUT_NS = 946_684_800 * NS_PER_S  # 2000-01-01, where many a clock without a battery begins


def wrong_clock(station: Station, occasion: Occasion, length_s: float, ahead_s: float) -> Station:
    """Return a station whose gateway's clock is ``ahead_s`` ahead for ``length_s``."""

    def ahead(time_ns: Int64s) -> Float64s:
        value = np.zeros(len(time_ns))
        value[lasts(occasion, length_s, time_ns)[1]] = ahead_s
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


def outage(
    world: World,
    start_ns: int,
    length_s: float,
    *,
    drain_s: float = 0.0,
    present_first: bool = False,
) -> Delayed:
    """Return a world that is cut off for ``length_s`` and then sends all that it kept.

    That takes ``drain_s``, less than ``length_s``; at once where 0. ``present_first``: what is new
    goes at once, and the backlog beside it; else in order, so that the new waits behind the old.
    """
    end_ns, rate = start_ns + seconds_to_ns(length_s), drain_s / length_s

    def delay_ns(message: Message) -> int:
        since_ns = message.time_ns - start_ns
        if since_ns < 0 or (present_first and message.time_ns >= end_ns):
            return 0
        return max(0, end_ns + round(since_ns * rate) - message.time_ns)

    return Delayed(world, delay_ns, seconds_to_ns(length_s))


def zone_mistake(station: Station, occasion: Occasion, length_s: float) -> Station:
    """Return a station that sends its local time as if it were UTC: eight hours ahead."""
    return wrong_clock(station, occasion, length_s, ZONE_S)


def slow_drift(station: Station, occasion: Occasion, length_s: float, per_day_s: float) -> Station:
    """Return a station whose clock runs off by ``per_day_s``, and is set right after ``length_s``."""

    def ahead(time_ns: Int64s) -> Float64s:
        since, where = lasts(occasion, length_s, time_ns)
        value = np.zeros(len(time_ns))
        value[where] = since[where] / NS_PER_S * (per_day_s / 86_400.0)
        return value

    return station.with_clock_ahead(ahead)


@dataclass(frozen=True, slots=True)
class Filtered:
    """A world of which only some messages are sent: ``sent(message)`` says which."""

    world: World
    sent: Callable[[Message], bool]

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span (see ``World``)."""
        return filter(self.sent, self.world.messages(start_ns, end_ns, batch_s))


@dataclass(frozen=True, slots=True)
class Joined:
    """A world and what comes beside it: ``beside(start_ns, end_ns)`` gives that of any span."""

    world: World
    beside: Callable[[int, int], list[Message]]

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span (see ``World``)."""
        own = sorted(self.beside(start_ns, end_ns), key=by_time)
        yield from heapq.merge(self.world.messages(start_ns, end_ns, batch_s), own, key=by_time)


@dataclass(frozen=True, slots=True)
class Switched:
    """A world that from ``at_ns`` on is another one."""

    before: World
    behind: World
    at_ns: int

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span (see ``World``)."""
        if start_ns < self.at_ns:
            yield from self.before.messages(start_ns, min(end_ns, self.at_ns), batch_s)
        if end_ns > self.at_ns:
            yield from self.behind.messages(max(start_ns, self.at_ns), end_ns, batch_s)


def lossy(world: World, start_ns: int, length_s: float) -> Filtered:
    """Return a world without a buffer that is cut off for ``length_s``: that is lost."""
    end_ns = start_ns + seconds_to_ns(length_s)
    return Filtered(world, lambda message: not start_ns <= message.time_ns < end_ns)


def status(station: Station, at_ns: int, word: str) -> Message:
    """Return a gateway's word about itself, ``online`` or (its will) ``offline``."""
    return Message(at_ns, station.gateway, station.district, "status", word.encode())


def _told(told: list[Message]) -> Callable[[int, int], list[Message]]:
    return lambda start_ns, end_ns: [one for one in told if start_ns <= one.time_ns < end_ns]


def flapping(
    station: Station, start_ns: int, length_s: float, *, every_s: float, down_s: float
) -> World:
    """Return a station whose connection goes for ``down_s`` each ``every_s``, with its will."""
    world: World = station
    told = []
    for number in range(int(length_s // every_s)):
        down_ns = start_ns + seconds_to_ns(number * every_s)
        world = outage(world, down_ns, down_s)
        up_ns = down_ns + seconds_to_ns(down_s)
        told += [status(station, down_ns, "offline"), status(station, up_ns, "online")]
    return Joined(world, _told(told))


def reboot(
    station: Station, at_ns: int, *, boot_s: float, unset_s: float, begins_ns: int = LOCKED_OUT_NS
) -> World:
    """Return a station that starts again: silent for ``boot_s``, then its clock begins anew.

    The clock counts from ``begins_ns`` (0: 1970) for ``unset_s``, until it is set.
    """
    up_ns = at_ns + seconds_to_ns(boot_s)
    set_ns = up_ns + seconds_to_ns(unset_s)

    def ahead(time_ns: Int64s) -> Float64s:
        unset = (time_ns >= up_ns) & (time_ns < set_ns)
        return np.where(unset, (begins_ns - up_ns) / NS_PER_S, 0.0)

    world = lossy(station.with_clock_ahead(ahead), at_ns, boot_s)
    told = [status(station, at_ns, "offline"), status(station, up_ns, "online")]
    return Joined(world, _told(told))


def flood(station: Station, start_ns: int, length_s: float, *, per_s: int) -> World:
    """Return a station gone mad: ``per_s`` more messages a second, of names that nobody knows."""
    end_ns = start_ns + seconds_to_ns(length_s)

    def extra(from_ns: int, to_ns: int) -> list[Message]:
        gap_ns = NS_PER_S // per_s
        first = -(-max(from_ns, start_ns) // gap_ns) * gap_ns
        return [
            Message(
                at_ns,
                station.gateway,
                station.district,
                "json",
                b'{"values":{"debug_%d":%d}}' % (at_ns // gap_ns % 50, at_ns // gap_ns),
            )
            for at_ns in range(first, min(to_ns, end_ns), gap_ns)
        ]

    return Joined(station, extra)


def changed_interval(station: Station, at_ns: int, factor: int) -> World:
    """Return a station that from ``at_ns`` on samples and uploads ``factor`` times as seldom."""
    uploads = [feed.upload_s for feed in station.feeds if isinstance(feed, JsonFeed)]
    length_ns = seconds_to_ns(max(uploads) * factor)
    aligned_ns = -(-at_ns // length_ns) * length_ns
    feeds = tuple(
        replace(
            feed,
            upload_s=feed.upload_s * factor,
            signals=tuple(replace(one, interval_s=one.interval_s * factor) for one in feed.signals),
        )
        if isinstance(feed, JsonFeed)
        else feed
        for feed in station.feeds
    )
    return Switched(station, Station(feeds), aligned_ns)
