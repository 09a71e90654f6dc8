"""The deployed archive: InfluxDB 1.x and 2.x. Lines are built in bulk and sent as bodies.

Every body may be sent again: a point is known by channel and time, and the later one wins. So the
cursor is a point that is written after the readings' bodies, and a crash between them does no harm.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import structlog

from domain.catalogue import Retention
from domain.grade import Quality
from domain.readings import Readings
from storage.archive import (
    ArchiveError,
    Buckets,
    GivenUp,
    RefusedReading,
    Series,
    TakeRefused,
    empty_series,
    nobody_takes,
)
from storage.archive.figures import figures
from storage.archive.influx_cursor import Cursor
from storage.archive.influx_expiry import InfluxExpiry
from storage.archive.influx_rows import as_buckets, as_series, quoted, where
from storage.archive.influx_server import (
    BodyRefusedError,
    ExpiredError,
    MissingDatabaseError,
    Row,
    Server,
    connect_to,
)
from storage.archive.influx_url import InfluxUrl
from storage.archive.lines import MEASUREMENT, UNUSUAL, Columns, Encoder, joined, warm_up

TIME_NS_MIN, TIME_NS_MAX = -(2**63) + 2, 2**63 - 2
"""What InfluxDB takes as times."""
LINES_MAX = 10_000  # of one body: about 1 MB
WRITE_ROWS_MAX = 100_000
LANES = 2  # bodies on their way at a time: the server parses one while it syncs the other
REFUSED_MAX = 256
"""More lines of one write are not refused for themselves: something is wrong with the database."""
_PAGE_ROWS = 50_000
_ENCODERS_MAX = 4
_AWAY_S = 1.0
CLOSE_TIMEOUT_S = 1.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Write:
    """One call of ``write``: what was refused so far."""

    refused: list[RefusedReading] = field(default_factory=list)
    unfit: int = 0  # of them, those that were never sent


class InfluxArchive:
    """An ``Archive`` on InfluxDB. ``open`` it by URL; ``consumer`` names whose cursor is kept."""

    write_rows_max = WRITE_ROWS_MAX

    def __init__(
        self,
        url: InfluxUrl,
        server: Server,
        consumer: str,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self._url = url
        self._server = server
        self._may_write = may_write
        self._writing = threading.Lock()
        self._cursor = Cursor(server, consumer)
        self.ready = False
        self.lines_max = LINES_MAX
        # An encoder is used by one thread; the first lane is the caller's own.
        self._encoders: list[list[Encoder]] = [[] for _ in range(LANES)]
        self._lanes = ThreadPoolExecutor(LANES - 1, "archive lane")
        self._trying = threading.Lock()
        self._away: tuple[float, ArchiveError] | None = None
        self._expiry = InfluxExpiry(self, quoted)

    @classmethod
    def open(
        cls,
        url: str,
        consumer: str = "lifeline",
        *,
        connect: bool = True,
        may_write: Callable[[], bool] = lambda: True,
    ) -> Self:
        """Return the archive at ``url``, connected unless told otherwise; raises ``ArchiveError``.

        ``may_write`` is asked before each body: where two instances share the server, a leader of
        before must not put its older rows over those of the present one.
        """
        parsed = InfluxUrl.parse(url)
        warm_up()
        archive = cls(parsed, connect_to(parsed), consumer, may_write)
        if connect:
            try:
                archive.connect()
            except ArchiveError:
                archive.close()
                raise
        return archive

    @property
    def cursor(self) -> int:
        """The last journal row whose readings are durably in; 0 before ``ready``."""
        return self._cursor.seq

    def connect(self) -> None:
        """See that the database is there, and learn the cursor, once."""
        with self._writing:
            self._connect()

    def _connect(self) -> None:
        if self.ready:
            return
        try:
            self._cursor.read()
        except MissingDatabaseError:
            self._create()
        self.ready = True

    def _create(self) -> None:
        try:
            self._server.create()
        except (ArchiveError, MissingDatabaseError) as error:
            raise ArchiveError(
                f"the database {self._url!r} is not there and cannot be made: {error}",
                permanent=False,
            ) from error
        _log.info("archive_database_made", database=repr(self._url))

    def write(
        self, last_seq: int, readings: Sequence[Readings], refused: TakeRefused = nobody_takes
    ) -> None:
        """Store ``readings`` and then the cursor; a replay is ignored.

        Readers may see a part of it meanwhile. What the server refuses for good goes to ``refused``.
        """
        with self._writing:
            self._connect()
            if last_seq <= self._cursor.seq:
                return
            self._cursor.see_that_it_stands()
            state = _Write()
            for columns in joined(readings):
                self._store(columns, state)
            if state.refused:
                refused(state.refused)
            line, at_ns = self._cursor.line_of(last_seq)
            self._send(line, 1)
            self._cursor.written(last_seq, at_ns)

    def _store(self, columns: Columns, state: _Write) -> None:
        columns = self._without_impossible(columns, self._encoder(0, columns.channel_ids), state)
        if len(columns) <= self.lines_max:
            self._store_lane(0, columns, state)
            return
        # By channels, so that of two readings of one key the later still comes after the other.
        lane_of = columns.channel % LANES
        others = [
            self._lanes.submit(
                self._store_lane, lane, columns.part(np.flatnonzero(lane_of == lane)), state
            )
            for lane in range(1, LANES)
        ]
        try:
            self._store_lane(0, columns.part(np.flatnonzero(lane_of == 0)), state)
        finally:
            wait(others)
        for each in others:
            each.result()

    def _store_lane(self, lane: int, columns: Columns, state: _Write) -> None:
        encoder = self._encoder(lane, columns.channel_ids)
        begin = 0
        while begin < len(columns):
            end = min(begin + self.lines_max, len(columns))
            self._store_part(encoder, columns, begin, end, state)
            begin = end

    def _encoder(self, lane: int, channel_ids: tuple[str, ...]) -> Encoder:
        kept = self._encoders[lane]
        for encoder in kept:
            if encoder.channel_ids is channel_ids:
                return encoder
        self._encoders[lane] = [Encoder(channel_ids), *kept[: _ENCODERS_MAX - 1]]
        return self._encoders[lane][0]

    def _without_impossible(self, columns: Columns, encoder: Encoder, state: _Write) -> Columns:
        """Take out what no line can say, so that it never spoils a body."""
        outside = (columns.time_ns < TIME_NS_MIN) | (columns.time_ns > TIME_NS_MAX)
        unfit = outside
        if encoder.unfit:
            unfit = outside | np.isin(columns.channel, list(encoder.unfit))
        if not unfit.any():
            return columns
        for index in np.flatnonzero(unfit).tolist():
            why = encoder.unfit.get(int(columns.channel[index]), "a time before 1677 or after 2262")
            state.refused.append(_refused(columns, index, why))
        state.unfit = len(state.refused)
        return columns.part(np.flatnonzero(~unfit))

    def _store_part(
        self, encoder: Encoder, columns: Columns, begin: int, end: int, state: _Write
    ) -> None:
        """Store some readings; where they are refused, each half by itself, down to single ones."""
        try:
            self._send(encoder.encode(columns, begin, end), end - begin)
        except BodyRefusedError as error:
            if end - begin > 1:
                middle = (begin + end) // 2
                if error.too_large:
                    self.lines_max = max(1, min(self.lines_max, middle - begin))
                self._store_part(encoder, columns, begin, middle, state)
                self._store_part(encoder, columns, middle, end, state)
                return
            self._give_up(_refused(columns, begin, str(error)), error, state)

    def _give_up(self, reading: RefusedReading, error: BodyRefusedError, state: _Write) -> None:
        if error.too_large:
            raise ArchiveError(
                f"{self._url!r} takes no body of a single line: raise max-body-size of the server, or "
                "of the proxy before it",
                permanent=False,
            ) from error
        state.refused.append(reading)
        if len(state.refused) - state.unfit > REFUSED_MAX:
            raise ArchiveError(
                f"{self._url!r} refuses more than {REFUSED_MAX} readings at once, such as "
                f"{reading.channel_id}: {error}. See that the measurement {MEASUREMENT!r} is "
                "Lifeline's alone, or give it a database of its own; nothing is lost meanwhile",
                permanent=False,
            ) from error

    def _send(self, body: bytes, lines: int) -> None:
        if not self._may_write():
            raise ArchiveError(
                f"nothing is written to {self._url!r} while it is not sure that this instance leads",
                permanent=False,
            )
        try:
            self._server.write(body)
        except ExpiredError as error:
            # As if it had been stored and then expired: what is kept is the owner's choice.
            _log.warning("archive_keeps_nothing_so_old", of_lines=lines, server=str(error))

    def read(self, channel_id: str, start_ns: int, end_ns: int, limit: int) -> Series:
        """Return the first ``limit`` readings of [start, end), ascending."""
        parts, wanted = [empty_series()], limit
        for run in self._runs(channel_id, start_ns, end_ns, limit):
            parts.append(Series(run.time_ns[:wanted], run.value[:wanted], run.quality[:wanted]))
            wanted -= len(parts[-1])
            if wanted <= 0:
                break
        return Series(
            np.concatenate([part.time_ns for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.quality for part in parts]),
        )

    def _runs(
        self, channel_id: str, start_ns: int, end_ns: int, limit: int = 2**62
    ) -> Iterator[Series]:
        """Stream the readings of a range, a page at a time."""
        start_ns, end_ns = max(start_ns, TIME_NS_MIN), min(end_ns, TIME_NS_MAX + 1)
        page = min(limit, _PAGE_ROWS)
        while start_ns < end_ns and page > 0:
            rows = self._query(
                f"SELECT value, quality FROM {MEASUREMENT} "  # noqa: S608  quoted
                f"{where(channel_id, start_ns, end_ns)} LIMIT {page}"
            )
            yield as_series(rows)
            if len(rows) < page:
                return
            start_ns = rows[-1][0] + 1

    def read_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures by stretches of ``bucket_ns``; summaries stand in for what is gone."""
        begin_ns, stop_ns = max(start_ns, TIME_NS_MIN), min(end_ns, TIME_NS_MAX + 1)
        return self._expiry.buckets(channel_id, begin_ns, stop_ns, bucket_ns)

    def raw_buckets(self, channel_id: str, start_ns: int, end_ns: int, bucket_ns: int) -> Buckets:
        """Return figures by stretches of ``bucket_ns`` of the readings in [start, end)."""
        if bucket_ns <= 0:
            raise ValueError(f"a bucket of {bucket_ns} ns")
        first, last = max(start_ns, TIME_NS_MIN), min(end_ns, TIME_NS_MAX + 1)
        if first >= last:
            return figures([], bucket_ns)
        try:
            found = self._query(
                "SELECT count(value), min(value), max(value), mean(value), last(value) "  # noqa: S608
                f"FROM {MEASUREMENT} {where(channel_id, first, last)} "
                f"AND quality <> {Quality.FAIL.value} AND quality <> {Quality.MISSING.value} "
                f"AND quality < {UNUSUAL} GROUP BY time({bucket_ns}ns) fill(none)"
            )
        except ArchiveError as error:
            if not error.permanent:
                raise
            # The server adds up, and the sum of large values is beyond a float.
            return figures(self._runs(channel_id, start_ns, end_ns), bucket_ns)
        return as_buckets(found)

    def count(self, channel_id: str | None = None) -> int:
        """Return how many keys there are. Of all channels this looks at every one there is."""
        which = "" if channel_id is None else f" WHERE channel = {quoted(channel_id)}"
        found = self._query(f"SELECT count(quality) FROM {MEASUREMENT}{which}")  # noqa: S608
        return int(found[0][1] or 0) if found else 0

    def maintain(self) -> bool:
        """Do nothing: the server keeps house itself."""
        return False

    def keep(self, rules: Mapping[str, Retention]) -> None:
        """Take how long each channel is kept."""
        with self._writing:
            self._expiry.keep(rules)

    def expire(self, now_ns: int) -> bool:
        """Summarise and delete a day of a channel, if one is due; see ``influx_expiry``."""
        if not self.ready:
            return False
        with self._writing:
            return self._expiry.one_step(now_ns)

    def give_way(self) -> GivenUp | None:
        """Give nothing: the room is the server's."""
        return None

    def ask(self, text: str) -> list[Row]:
        """Return the rows of an InfluxQL query."""
        return self._query(text)

    def send(self, body: bytes, lines: int) -> None:
        """Write lines that are not readings."""
        try:
            self._send(body, lines)
        except (BodyRefusedError, MissingDatabaseError) as error:
            raise ArchiveError(f"{self._url!r} refuses it: {error}", permanent=False) from error

    def delete(self, measurement: str, channel_id: str, time_ns: int) -> None:
        """Delete a channel's points of a measurement before a time."""
        try:
            self._server.delete_of(measurement, channel_id, time_ns)
        except MissingDatabaseError as error:
            raise self._missing(error) from error

    def drop_before(self, time_ns: int) -> int:
        """Delete the readings before ``time_ns``; no files are known to go, so it returns 0."""
        with self._writing:
            try:
                self._server.delete_before(min(max(time_ns, TIME_NS_MIN), TIME_NS_MAX))
            except MissingDatabaseError as error:
                raise self._missing(error) from error
        return 0

    def close(self) -> None:
        """Let go; what is stored is durable already. It does not wait for a server that hangs."""
        written = self._writing.acquire(timeout=CLOSE_TIMEOUT_S)
        self._server.close()
        self._lanes.shutdown(wait=written)
        if written:
            self._writing.release()

    def _query(self, text: str) -> list[Row]:
        """Ask the server; while it is away, one at a time and now and then: nobody waits in vain."""
        away = self._away
        if away is None:
            return self._asked(text)
        if time.monotonic() < away[0] or not self._trying.acquire(blocking=False):
            raise ArchiveError(str(away[1]), permanent=False)
        try:
            return self._asked(text)
        finally:
            self._trying.release()

    def _asked(self, text: str) -> list[Row]:
        try:
            found = self._server.query(text)
        except MissingDatabaseError as error:
            raise self._missing(error) from error
        except ArchiveError as error:
            if not error.permanent:
                self._away = time.monotonic() + _AWAY_S, error
            raise
        self._away = None
        return found

    def _missing(self, error: MissingDatabaseError) -> ArchiveError:
        return ArchiveError(f"the database {self._url!r} is not there: {error}", permanent=False)


def _refused(columns: Columns, index: int, reason: str) -> RefusedReading:
    return RefusedReading(
        columns.channel_ids[columns.channel[index]],
        int(columns.time_ns[index]),
        float(columns.value[index]),
        int(columns.quality[index]),
        reason,
    )
