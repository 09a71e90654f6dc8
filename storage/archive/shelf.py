"""Files that the database has let go of, and that reads which began before may still be using."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Shelf:
    """Who reads, and what is to be unlinked once they are done."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._reading: set[object] = set()
        self._doomed: list[tuple[Path, set[object]]] = []

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep every file that is there now for as long as this lasts."""
        token = object()
        with self._guard:
            self._reading.add(token)
        try:
            yield
        finally:
            with self._guard:
                self._reading.discard(token)

    def doom(self, paths: Iterable[Path]) -> None:
        """Unlink ``paths`` now, or when those who read now are done (with a later ``sweep``)."""
        with self._guard:
            reading = set(self._reading)
            self._doomed += [(path, reading) for path in paths]
        self.sweep()

    def sweep(self) -> None:
        """Unlink the doomed files that no read began with may still be using."""
        with self._guard:
            gone = [path for path, readers in self._doomed if not readers & self._reading]
            self._doomed = [entry for entry in self._doomed if entry[1] & self._reading]
        for path in gone:
            path.unlink(missing_ok=True)
