"""Feeds: the ways in which a gateway sends (time steps as json, waveforms as blocks, events)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan
from typing import Protocol

import numpy as np

from domain.readings import Int64s
from domain.time import NS_PER_S, seconds_to_ns
from simulators.course import Course, still
from simulators.payload import Step, TimeForm, encode_block, encode_json

WINDOWS_AT_ONCE = 60  # computed together, which costs little more than one
BLOCK_S_MAX = 10.0  # 1,000 samples at 100 Hz: the most that the block format is meant for


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message, sent at ``time_ns``: when its last reading was taken."""

    time_ns: int
    gateway: str
    district: str
    format: str
    payload: bytes

    @property
    def topic(self) -> str:
        """The topic it is published on; format ``status`` is a gateway's word about itself."""
        if self.format == "status":
            return f"lifeline/v1/{self.district}/{self.gateway}/status"
        return f"lifeline/v1/{self.district}/{self.gateway}/data/{self.format}"


def by_time(message: Message) -> tuple[int, str, str]:
    """Return what messages are sorted by."""
    return (message.time_ns, message.gateway, message.format)


class Feed(Protocol):
    """A gateway's messages of one format."""

    @property
    def gateway(self) -> str:
        """The gateway that sends."""

    @property
    def district(self) -> str:
        """The district in its topics."""

    @property
    def names(self) -> Sequence[str]:
        """The channel names that it sends."""

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span (see ``simulators.world.World``)."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One measured channel: its name as sent, interval, course (NaN is not sent) and decimals."""

    name: str
    interval_s: float
    course: Course
    decimals: int = 2


def windows(start_ns: int, end_ns: int, length_ns: int, step_ns: int) -> range:
    """Return the beginnings of the windows whose last step lies in the span.

    Windows stand on the multiples of ``length_ns``; steps on those of ``step_ns``.
    """
    last_ns = length_ns - step_ns
    first = -((last_ns - start_ns) // length_ns) * length_ns
    return range(first, end_ns - last_ns, length_ns)


@dataclass(frozen=True, slots=True)
class JsonFeed:
    """Signals sampled on the grids of their intervals and uploaded each ``upload_s``.

    The smallest interval divides ``upload_s`` and the others. ``ahead_s`` is the error of the
    gateway's clock.
    """

    gateway: str
    district: str
    upload_s: float
    signals: tuple[Signal, ...]
    time_form: TimeForm = TimeForm.MILLISECONDS
    ahead_s: Course = still

    @property
    def names(self) -> Sequence[str]:
        """The channel names that it sends."""
        return [signal.name for signal in self.signals]

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield a message for each window that has any reading."""
        length_ns = seconds_to_ns(max(self.upload_s, batch_s))
        step_ns = seconds_to_ns(min(signal.interval_s for signal in self.signals))
        wanted = windows(start_ns, end_ns, length_ns, step_ns)
        for place in range(0, len(wanted), WINDOWS_AT_ONCE):
            together = wanted[place : place + WINDOWS_AT_ONCE]
            for window_ns, steps in self._steps(together[0], together[-1] + length_ns, length_ns):
                sent_ns = window_ns + length_ns - step_ns
                payload = encode_json(steps, self.time_form)
                yield Message(sent_ns, self.gateway, self.district, "json", payload)

    def _steps(
        self, start_ns: int, end_ns: int, length_ns: int
    ) -> Iterator[tuple[int, list[Step]]]:
        """Yield the windows from ``start_ns`` on that have any readings, with their time steps."""
        values: dict[int, dict[str, float]] = {}
        for signal in self.signals:
            interval_ns = seconds_to_ns(signal.interval_s)
            time_ns = np.arange(-(-start_ns // interval_ns) * interval_ns, end_ns, interval_ns)
            value = np.round(signal.course(time_ns), signal.decimals) + 0.0  # no -0.0
            for moment_ns, number in zip(time_ns.tolist(), value.tolist(), strict=True):
                if not isnan(number):
                    values.setdefault(moment_ns, {})[signal.name] = number
        moments = np.array(sorted(values), np.int64)
        stamped = moments + np.round(self.ahead_s(moments) * NS_PER_S).astype(np.int64)
        pairs = zip(moments.tolist(), stamped.tolist(), strict=True)
        for window_ns, inside in groupby(pairs, lambda pair: pair[0] // length_ns * length_ns):
            yield window_ns, [(stamp_ns, values[moment_ns]) for moment_ns, stamp_ns in inside]


@dataclass(frozen=True, slots=True)
class BlockFeed:
    """A waveform, sent in blocks of ``block_s`` (gathered: of at most 10 s)."""

    gateway: str
    district: str
    name: str
    rate_hz: int
    course: Course
    block_s: float = 1.0

    @property
    def names(self) -> Sequence[str]:
        """The channel name that it sends."""
        return [self.name]

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield a message for each block."""
        length_ns = seconds_to_ns(max(self.block_s, min(batch_s, BLOCK_S_MAX)))
        interval_ns = NS_PER_S // self.rate_hz
        for window_ns in windows(start_ns, end_ns, length_ns, interval_ns):
            time_ns: Int64s = np.arange(window_ns, window_ns + length_ns, interval_ns)
            values = self.course(time_ns).astype(np.float32)
            payload = encode_block(self.name, window_ns, interval_ns, values)
            sent_ns = window_ns + length_ns - interval_ns
            yield Message(sent_ns, self.gateway, self.district, "block", payload)


@dataclass(frozen=True, slots=True)
class EventFeed:
    """Events as they happen, each its own message; gathered, a list of them a message.

    ``events(start_ns, end_ns)`` gives those of any span, in order of time.
    """

    gateway: str
    district: str
    names: tuple[str, ...]
    events: Callable[[int, int], Sequence[tuple[int, Mapping[str, float]]]]

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield a message for each event, or for each window that has any."""
        if batch_s == 0.0:
            for event in self.events(start_ns, end_ns):
                yield self._message([event])
            return
        length_ns = seconds_to_ns(batch_s)
        first = start_ns // length_ns * length_ns
        for window_ns in range(first, end_ns, length_ns):
            events = self.events(window_ns, window_ns + length_ns)
            if events and start_ns <= events[-1][0] < end_ns:
                yield self._message(events)

    def _message(self, steps: Sequence[Step]) -> Message:
        payload = encode_json(steps)
        return Message(steps[-1][0], self.gateway, self.district, "json", payload)
