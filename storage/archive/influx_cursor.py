"""How far an InfluxDB server is: a point among the others, written after the readings before it."""

import time

from domain.time import NS_PER_S
from storage.archive import ArchiveError
from storage.archive.influx_rows import quoted
from storage.archive.influx_server import MissingDatabaseError, Server
from storage.archive.lines import tag_text

MEASUREMENT = "lifeline_cursor"
EVERY_NS = 600 * NS_PER_S


class Cursor:
    """The last journal row that a server has, of one consumer; ``seq`` is 0 before ``read``."""

    def __init__(self, server: Server, consumer: str) -> None:
        self._server = server
        self._consumer = quoted(consumer)
        self._consumer_tag = tag_text(consumer)
        self._written_ns: int | None = None  # where the point stands that was written last
        self.seq = 0

    def read(self) -> None:
        """Believe the server; raises as ``Server.query`` does."""
        self.seq, self._written_ns = self._greatest(), None

    def _greatest(self) -> int:
        # The greatest, not the newest: clocks step back, and the cursor does not.
        text = f"SELECT max(seq) FROM {MEASUREMENT} WHERE consumer = {self._consumer}"  # noqa: S608
        found = self._server.query(text)
        return int(found[0][1] or 0) if found else 0

    def line_of(self, seq: int) -> tuple[bytes, int]:
        """Return the line that says ``seq``, and its time: to be given to ``written`` afterwards."""
        # A point every ten minutes, so that it neither grows nor is older than what is kept.
        now_ns = time.time_ns()
        at_ns = now_ns - now_ns % EVERY_NS
        line = f"{MEASUREMENT},consumer={self._consumer_tag} seq={seq}i {at_ns}\n"
        return line.encode(), at_ns

    def written(self, seq: int, at_ns: int) -> None:
        """Note that the server took the line of ``seq``."""
        self.seq, self._written_ns = seq, at_ns

    def see_that_it_stands(self) -> None:
        """Raise where the server came back without the last that it took; ``seq`` goes back, too.

        InfluxDB 1.x that is killed in the middle of a write leaves half an entry in its log, and at a
        later start may cut off what it acknowledged behind that. The cursor is written last: where it
        is as we left it, so is all before.
        """
        if self._written_ns is None:
            return
        where = f"consumer = {self._consumer} AND time = {self._written_ns}"
        try:
            found = self._server.query(f"SELECT seq FROM {MEASUREMENT} WHERE {where}")  # noqa: S608
            if found and int(found[0][1] or 0) >= self.seq:
                return
            had = self.seq
            self.read()
        except MissingDatabaseError:
            return  # as whoever writes to it will be told
        if self.seq < had:
            raise ArchiveError(
                f"the server came back without rows {self.seq + 1} to {had}, which it had taken: they "
                "are taken from the journal again",
                permanent=False,
            )
