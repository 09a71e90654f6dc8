"""Which notice an endpoint gets next: a state machine without clock or I/O.

While the endpoint works, notices go in their order, each after the one before is through. What
fails is tried again, and after three failures the next is tried in its stead. Whose fault it was is
only known when another notice gets through: a notice that still fails then fails alone, and is
given up. While none gets through it is the endpoint, and nothing is given up, however long.

After an outage (`catch_up`) of each alarm only the newest notice is sent, since it holds the whole
alarm, and the worst grades go first: a red alarm does not wait behind a thousand blue ones.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from domain.grade import Grade

FAILURES_BEFORE_NEXT = 3
STRIKES_MAX = 3
STRIKES_REFUSED_MAX = 2
RETRY_S_MIN = 1.0
RETRY_S_MAX = 300.0


@dataclass(slots=True)
class Pending:
    """A notice to be sent.

    ``failures`` counts since another one got through last; ``strikes`` counts how often it failed
    while others got through; ``superseded`` earlier notices of its alarm stand behind it unsent.
    """

    number: int
    alarm: str
    grade: Grade
    superseded: int = 0
    attempts: int = 0
    failures: int = 0
    strikes: int = 0
    refused: bool = False
    error: str = ""
    first_tried_ns: int = 0
    last_tried_ns: int = 0

    @property
    def waits(self) -> bool:
        """Whether it is another's turn now."""
        allowed = 1 if self.refused or self.strikes else FAILURES_BEFORE_NEXT
        return self.failures >= allowed

    @property
    def hopeless(self) -> bool:
        """Whether it fails alone."""
        return self.strikes >= (STRIKES_REFUSED_MAX if self.refused else STRIKES_MAX)


class Backlog:
    """The notices of one endpoint that are read and not done, after the outbox's row ``cursor``."""

    def __init__(self, cursor: int) -> None:
        self.read_to = cursor
        self.catching_up = False
        self.superseded = 0
        self.failures = 0  # in a row, of any notice
        self._lines: dict[Grade, dict[int, Pending]] = {grade: {} for grade in reversed(Grade)}
        self._of_alarm: dict[str, list[int]] = {}
        self._tried: dict[int, Pending] = {}
        self._after_success = False

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def cursor(self) -> int:
        """The number up to which everything is done."""
        firsts = [next(iter(line)) for line in self._lines.values() if line]
        return min(firsts) - 1 if firsts else self.read_to

    def skip_to(self, number: int) -> None:
        """Note that the rows up to ``number`` are read; those not added are not for this endpoint."""
        self.read_to = max(self.read_to, number)

    def add(self, number: int, alarm: str, grade: Grade) -> None:
        """Take the next notice: ``grade`` is the alarm's grade now, normal once it has returned."""
        entry = Pending(number, alarm, grade)
        if self.catching_up:
            self._supersede(entry)
        self._lines[grade][number] = entry
        self._of_alarm.setdefault(alarm, []).append(number)
        self.skip_to(number)

    def catch_up(self) -> None:
        """Go for the newest of each alarm from here on, the worst first, until all are through."""
        if self.catching_up:
            return
        self.catching_up = True
        entries = list(self._in_order())
        for line in self._lines.values():
            line.clear()
        self._of_alarm.clear()
        for entry in entries:
            self._supersede(entry)
            self._lines[entry.grade][entry.number] = entry
            self._of_alarm[entry.alarm] = [entry.number]

    def next(self) -> Pending | None:
        """Return the notice to try now; ``None`` where all are through."""
        waiting: list[Pending] = []
        for entry in self._by_urgency() if self.catching_up else self._in_order():
            if not entry.waits:
                return entry
            waiting.append(entry)
        return min(waiting, key=lambda entry: entry.failures, default=None)

    def behind(self, entry: Pending) -> int:
        """Return how many earlier notices of its alarm ``entry`` stands for, if it gets through."""
        earlier = [number for number in self._of_alarm[entry.alarm] if number < entry.number]
        return entry.superseded + len(earlier)

    def pause_s(self, jitter: float, retry_after_s: float = 0.0) -> float:
        """Return how long to wait after the last attempt; ``jitter`` is a number from 0 to 1."""
        if not self.failures:
            return 0.0
        grown = min(RETRY_S_MIN * 2.0 ** min(self.failures - 1, 30), RETRY_S_MAX)
        return max(min(grown * (0.8 + 0.4 * jitter), RETRY_S_MAX), retry_after_s)

    def delivered(self, entry: Pending) -> list[Pending]:
        """Note that ``entry`` got through; return those that are given up for it."""
        self._remove(entry)
        self.failures = 0
        self._after_success = True
        given_up = []
        for other in sorted(self._tried.values(), key=lambda one: one.number):
            other.strikes += 1 if other.failures else 0
            other.failures = 0
            if other.alarm == entry.alarm and other.number < entry.number:
                self.superseded += 1  # whoever has the newer state has no use for the older
                self._remove(other)
            elif other.hopeless:
                given_up.append(other)
                self._remove(other)
        self._rest()
        return given_up

    def failed(self, entry: Pending, *, reached: bool, refused: bool = False) -> list[Pending]:
        """Note that ``entry`` failed; return it where it is given up.

        ``reached`` is False where the endpoint gave no answer at all: that says nothing of the
        notice. ``refused``: the answer was that trying again does not help.
        """
        entry.attempts += 1
        entry.refused = refused
        self._tried[entry.number] = entry
        self.failures += 1
        if not reached:
            self._after_success = False
            return []
        if self._after_success and entry.strikes:
            entry.strikes += 1  # another got through just before
        else:
            entry.failures += 1
        self._after_success = False
        if not entry.hopeless:
            return []
        self._remove(entry)
        self.failures = 0
        self._rest()
        return [entry]

    def drop(self, entry: Pending) -> None:
        """Forget a notice whose row is no longer there."""
        self._remove(entry)
        self._rest()

    def _rest(self) -> None:
        if not len(self):
            self.catching_up = False

    def _supersede(self, entry: Pending) -> None:
        for number in self._of_alarm.pop(entry.alarm, []):
            for line in self._lines.values():
                older = line.pop(number, None)
                if older is not None:
                    self._tried.pop(number, None)
                    entry.superseded += older.superseded + 1
                    self.superseded += 1

    def _remove(self, entry: Pending) -> None:
        self._lines[entry.grade].pop(entry.number, None)
        self._tried.pop(entry.number, None)
        numbers = self._of_alarm.get(entry.alarm, [])
        if entry.number in numbers:
            numbers.remove(entry.number)
        if not numbers:
            self._of_alarm.pop(entry.alarm, None)

    def _in_order(self) -> Iterator[Pending]:
        lines = [line.values() for line in self._lines.values()]
        return heapq.merge(*lines, key=lambda entry: entry.number)

    def _by_urgency(self) -> Iterator[Pending]:
        for line in self._lines.values():
            yield from line.values()
