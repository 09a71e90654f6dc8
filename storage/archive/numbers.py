"""Channel ids to the small numbers that rows carry."""

from collections.abc import Iterable

import numpy as np

from domain.readings import Int32s, Readings

_UNKNOWN = -1


class Numbers:
    """Which number each channel has; numbers are given once and stay.

    New numbers stand in ``fresh`` until ``keep`` (they are in the database) or ``discard``.
    """

    def __init__(self, known: Iterable[tuple[str, int]]) -> None:
        self.known = dict(known)
        self.fresh: dict[str, int] = {}
        self._ids: tuple[str, ...] = ()
        self._by_index = np.empty(0, np.int32)

    def of(self, readings: Readings) -> Int32s:
        """Return the channel number of each reading."""
        if readings.channel_ids is not self._ids:
            self._ids = readings.channel_ids
            numbers = [self.known.get(id_, self.fresh.get(id_, _UNKNOWN)) for id_ in self._ids]
            self._by_index = np.array(numbers, np.int32)
        found = self._by_index[readings.channel]
        if len(found) and found.min() == _UNKNOWN:
            for index in np.unique(readings.channel[found == _UNKNOWN]).tolist():
                self._by_index[index] = self._give(self._ids[index])
            found = self._by_index[readings.channel]
        return found

    def _give(self, channel_id: str) -> int:
        number = self.known.get(channel_id)
        if number is not None:
            return number
        return self.fresh.setdefault(channel_id, len(self.known) + len(self.fresh) + 1)

    def keep(self) -> None:
        """Take the fresh numbers for good: they are durable."""
        self.known.update(self.fresh)
        self.fresh = {}

    def discard(self) -> None:
        """Forget the fresh numbers: they never became durable."""
        if self.fresh:
            self.fresh, self._ids = {}, ()
