"""The newest rows, kept in memory so that a reader at the head never reads a file."""

import threading
from collections import OrderedDict

from domain.journal import Record, Rows
from storage.journal import codec

_ROW_BYTES = 200  # about what a record's Python objects take beside its payload


class Tail:
    """The newest rows up to about ``bytes_max`` bytes, by the number of the first of each run."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._runs: OrderedDict[int, tuple[Rows, int]] = OrderedDict()
        self.bytes = 0

    def add(self, rows: Rows, payload_bytes: int) -> None:
        """Add a run that follows the newest one; the oldest runs make room."""
        size = payload_bytes + _ROW_BYTES * len(rows.records)
        with self._lock:
            self._runs[rows.first_seq] = (rows, size)
            self.bytes += size
            while self.bytes > self._bytes_max:
                self.bytes -= self._runs.popitem(last=False)[1][1]

    def after(self, after_seq: int) -> Rows | None:
        """Return the rows after ``after_seq`` as far as one read goes, or ``None``.

        ``None`` where they are not here, or where a run does not begin just there.
        """
        with self._lock:
            found = self._runs.get(after_seq + 1)
            if found is None:
                return None
            rows, size = found
            following = self._runs.get(rows.last_seq + 1)
            if following is None:
                return rows
            records: list[Record] = list(rows.records)
            while following is not None:
                size += following[1]
                count = len(records) + len(following[0].records)
                if size > codec.BYTES_MAX or count > codec.ROWS_MAX:
                    break
                records += following[0].records
                following = self._runs.get(following[0].last_seq + 1)
        return Rows(after_seq + 1, records)
