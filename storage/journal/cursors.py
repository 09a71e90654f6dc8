"""How far each consumer has come: a small file, written now and then.

A cursor that is behind is harmless: it keeps rows longer than they are needed.
"""

import os
import threading
from pathlib import Path

import msgspec
import structlog

_log = structlog.get_logger(__name__)

FILE = "cursors.json"


class Cursors:
    """The cursors of ``folder``; changed in memory, made durable by ``save``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._changed = False
        self._seqs = self._load()

    def _load(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError as error:
            # Nothing is retired until a consumer has registered again, so nothing is lost.
            _log.error("journal_cursors_unreadable", file=str(self._path), error=str(error))
            return {}

    @property
    def changed(self) -> bool:
        """True where the file is behind."""
        return self._changed

    def get(self, consumer: str) -> int | None:
        """Return the last row that ``consumer`` is done with; ``None`` where it is unknown."""
        return self._seqs.get(consumer)

    def all(self) -> dict[str, int]:
        """Return every consumer's cursor."""
        with self._lock:
            return dict(self._seqs)

    def set(self, consumer: str, seq: int | None) -> None:
        """Set a cursor; ``None`` forgets the consumer."""
        with self._lock:
            if seq is None:
                self._seqs.pop(consumer, None)
            else:
                self._seqs[consumer] = seq
            self._changed = True

    def floor(self) -> int | None:
        """Return the last row that every consumer is done with; ``None`` where there is none."""
        with self._lock:
            return min(self._seqs.values(), default=None)

    def save(self) -> None:
        """Write the file whole or not at all; a failure is logged and tried again later."""
        with self._lock:
            data, self._changed = msgspec.json.encode(self._seqs), False
        beside = self._path.with_suffix(".tmp")
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fdatasync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            self._changed = True
            _log.warning("journal_cursors_not_saved", file=str(self._path), error=str(error))
