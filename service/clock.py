"""The service's clocks: the wall's, and the readings' own for recordings and simulation.

A clock also makes the journal rows of gathered frames, because a data clock learns the time from
the frames and puts the ticks between them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from domain.journal import Frame, Record, Tick
from domain.time import NS_PER_S

TICKS_PER_ADVANCE_MAX = 4
JUMP_NS_MAX = 86_400 * NS_PER_S


class Clock(Protocol):
    """What tells the time, and turns frames into journal rows."""

    def now_ns(self) -> int:
        """Return the time, nanoseconds UTC."""
        ...

    def rows(self, frames: Sequence[Frame]) -> Sequence[Record]:
        """Return the journal rows of ``frames``, in order."""
        ...


class WallClock:
    """The wall's time; the ticks come from a task of their own."""

    def now_ns(self) -> int:
        """Return the wall's time."""
        return time.time_ns()

    def rows(self, frames: Sequence[Frame]) -> Sequence[Record]:
        """Return the frames as they are."""
        return frames


class DataClock:
    """Time as the readings tell it: it stands where the newest of them stands.

    Each frame is stamped as received at that time. A jump of more than ``jump_ns_max`` is believed
    when the next frame that carries a time confirms it, so that one absurd time stamp does not end
    a replay; the first time of all is believed as it is. Between two frames at most four ticks are
    made, on whole seconds. ``start_ns`` is where the time stood when the service was last there.
    """

    def __init__(
        self,
        newest_time_ns: Callable[[Frame], int | None],
        start_ns: int = 0,
        jump_ns_max: int = JUMP_NS_MAX,
    ) -> None:
        self._newest_time_ns = newest_time_ns
        self._jump_ns_max = jump_ns_max
        self._now_ns = start_ns
        self._unconfirmed_ns: int | None = None

    def now_ns(self) -> int:
        """Return the time of the newest reading."""
        return self._now_ns

    def rows(self, frames: Sequence[Frame]) -> Sequence[Record]:
        """Return the frames, stamped with data time, and the ticks between them."""
        rows: list[Record] = []
        for frame in frames:
            rows.extend(self._advance(self._newest_time_ns(frame)))
            rows.append(replace(frame, received_ns=self._now_ns))
        return rows

    def _advance(self, time_ns: int | None) -> Iterator[Tick]:
        if time_ns is None or time_ns <= self._now_ns:
            return
        if self._now_ns == 0:
            self._now_ns = time_ns
            return
        if time_ns - self._now_ns > self._jump_ns_max and not self._confirms(time_ns):
            self._unconfirmed_ns = time_ns
            return
        self._unconfirmed_ns = None
        yield from self._ticks(time_ns)
        self._now_ns = time_ns

    def _confirms(self, time_ns: int) -> bool:
        before_ns = self._unconfirmed_ns
        return before_ns is not None and abs(time_ns - before_ns) <= self._jump_ns_max

    def _ticks(self, until_ns: int) -> Iterator[Tick]:
        tick_s, until_s = self._now_ns // NS_PER_S, until_ns // NS_PER_S
        step_s = -(-(until_s - tick_s) // TICKS_PER_ADVANCE_MAX)
        while tick_s < until_s:
            passed_s = min(step_s, until_s - tick_s)
            tick_s += passed_s
            yield Tick(tick_s * NS_PER_S, passed_s * NS_PER_S, broker_connected=True)


def time_of(record: Record) -> int:
    """Return the service's time at which a row was made."""
    return record.received_ns if isinstance(record, Frame) else record.now_ns
