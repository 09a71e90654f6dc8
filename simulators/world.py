"""What every simulated world is: a pure function of its seed and of time.

Ask for any span, in one piece or in many: the messages are the same. So a backfill and life's
speed join without a seam, and a scenario can be run again to the bit.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from domain.time import seconds_to_ns
from simulators.course import Course
from simulators.feed import Feed, JsonFeed, Message, Signal, by_time

__all__ = ["Message", "Station", "World", "follow", "merged"]


class World(Protocol):
    """Anything that sends."""

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent from ``start_ns`` until before ``end_ns``, in order of time.

        ``batch_s`` gathers that many seconds of readings a message, as a gateway does that
        catches up; 0 is life. It is a multiple of every upload interval. Spans joined at
        multiples of ``batch_s`` carry each reading once, whatever their ``batch_s``.
        """


@dataclass(frozen=True, slots=True)
class Station:
    """A world of one gateway: its feeds."""

    feeds: tuple[Feed, ...]

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield the feeds' messages in order of time (see ``World``)."""
        yield from merged(self.feeds, start_ns, end_ns, batch_s)

    @property
    def gateway(self) -> str:
        """The id of the gateway."""
        return self.feeds[0].gateway

    @property
    def district(self) -> str:
        """The district in the gateway's topics."""
        return self.feeds[0].district

    @property
    def names(self) -> list[str]:
        """The channel names that are sent."""
        return sorted(name for feed in self.feeds for name in feed.names)

    def with_signal(self, name: str, change: Callable[[Course], Course]) -> "Station":
        """Return this station with the course of one signal changed; ``KeyError`` if unknown."""

        def changed(signal: Signal) -> Signal:
            return replace(signal, course=change(signal.course)) if signal.name == name else signal

        if not any(isinstance(feed, JsonFeed) and name in feed.names for feed in self.feeds):
            raise KeyError(name)
        return self._with_json(
            lambda feed: replace(feed, signals=tuple(map(changed, feed.signals)))
        )

    def with_clock_ahead(self, ahead_s: Course) -> "Station":
        """Return this station with a gateway clock that is wrong by so many seconds."""
        return self._with_json(lambda feed: replace(feed, ahead_s=ahead_s))

    def _with_json(self, change: Callable[[JsonFeed], JsonFeed]) -> "Station":
        return Station(
            tuple(change(feed) if isinstance(feed, JsonFeed) else feed for feed in self.feeds)
        )


def merged(
    worlds: Sequence[World], start_ns: int, end_ns: int, batch_s: float = 0.0
) -> Iterator[Message]:
    """Yield the messages of several worlds in order of time."""
    spans = [world.messages(start_ns, end_ns, batch_s) for world in worlds]
    yield from heapq.merge(*spans, key=by_time)


def follow(worlds: Sequence[World], start_ns: int, chunk_s: float = 5.0) -> Iterator[Message]:
    """Yield the messages of several worlds from ``start_ns`` on, for ever."""
    chunk_ns = seconds_to_ns(chunk_s)
    while True:
        yield from merged(worlds, start_ns, start_ns + chunk_ns)
        start_ns += chunk_ns
