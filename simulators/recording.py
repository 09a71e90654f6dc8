"""Recordings: measured data in files, read as the messages that a gateway would have sent.

A recording is a folder with a ``recording.yaml`` that says how its files are written, the catalogue
to judge them by, a ``truth.csv`` of what really happened, and what is expected of the judgement.
Nothing here knows any one recording.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import groupby, islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import yaml

from domain.catalogue import Text
from domain.time import NS_PER_S, parse_rfc3339, seconds_to_ns
from ingest.wire import json_values
from simulators.feed import Message

_Record = tuple[int, Mapping[str, float]]
_Values = dict[str, dict[str, float]]


class RecordingError(ValueError):
    """A recording cannot be read; the message names the file, the line and the remedy."""


class TimeColumns(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where a line's time stands: ``columns`` are joined by a space.

    ``format`` is strptime's, ``rfc3339``, or ``seconds`` after ``since``. ``zone`` is the IANA zone
    of times that name none.
    """

    columns: list[int | str]
    format: str
    zone: str = "UTC"
    since: str | None = None


class ColumnChannel(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The channel that a column's values are sent as."""

    gateway: str
    sent_as: str


class RecordedFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One text file, or several alike: how it is written, and whose values its columns are.

    ``path`` may hold ``*``: the files that match are read one after the other, in order of their
    names. ``delimiter`` is one character, or ``whitespace``: any run of spaces and tabs. Columns are
    numbers from 0, or names that stand in the line ``names_line`` (from 0) of the file. In a long
    file each line holds one reading: the cells ``named_by``, joined by a space, are then the key
    in ``columns``, and the reading stands in the column ``value``; lines of other keys are not
    sent. ``message_s`` joins the lines of each so many seconds (on whole multiples) in one message,
    as loggers do that upload by the hour, or fast ones by the second; 0 sends each by itself.
    """

    path: str
    time: TimeColumns
    columns: dict[str, ColumnChannel]
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    header_lines: int = 1
    names_line: int = 0
    missing: list[str] = []
    start: str | None = None
    end: str | None = None
    named_by: list[int | str] = []
    value: int | str = "value"
    message_s: float = 0.0


class RecordingDocument(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What ``recording.yaml`` holds; ``expect`` is read by the judge (``service/verdict.py``).

    ``tail_s`` is how long what happened outlasts its end in the truth. ``clock_jump_s`` is the
    longest hole in the recording: how far the service's data clock may leap at once.
    """

    name: dict[str, str]
    source: str
    district: str
    catalogue: str
    files: list[RecordedFile]
    truth: str = "truth.csv"
    tail_s: float = 0.0
    clock_jump_s: float = 86_400.0
    expect: list[dict[str, Any]] = []


@dataclass(frozen=True, slots=True)
class Recorded:
    """A message as a gateway would have published it, with so many readings."""

    message: Message
    reading_count: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened: ``kind`` is ``condition`` or ``fault``; the span is half open."""

    start_ns: int
    end_ns: int
    subject: str
    kind: str
    note: str


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, opened: its files lie under ``data``."""

    folder: Path
    data: Path
    document: RecordingDocument

    @property
    def name(self) -> Text:
        """The recording's name."""
        return Text(self.document.name["zh"], self.document.name["en"])

    @property
    def catalogue_file(self) -> Path:
        """The catalogue to judge by."""
        return self.folder / self.document.catalogue

    def messages(self) -> Iterator[Recorded]:
        """Yield the messages of all files in order of time."""
        streams = [self._file_messages(file) for file in self.document.files]
        return merge(*streams, key=lambda recorded: recorded.message.time_ns)

    def truths(self) -> list[Truth]:
        """Return what really happened."""
        path = self.folder / self.document.truth
        with path.open(encoding="utf-8", newline="") as lines:
            return [
                _truth(path, number, row) for number, row in enumerate(csv.DictReader(lines), 2)
            ]

    def _file_messages(self, file: RecordedFile) -> Iterator[Recorded]:
        for path in _paths(self.data, file.path):
            try:
                yield from self._messages_of(path, file)
            except RecordingError:
                raise
            except UnicodeDecodeError as error:
                raise RecordingError(f"{path}: not {file.encoding}: {error.reason}") from None
            except (ValueError, LookupError, csv.Error) as error:
                raise RecordingError(f"{path}: {error}") from None

    def _messages_of(self, path: Path, file: RecordedFile) -> Iterator[Recorded]:
        start_ns = parse_rfc3339(file.start) if file.start else 0
        end_ns = parse_rfc3339(file.end) if file.end else 2**63 - 1
        rows = ((ns, values) for ns, values in _file_rows(path, file) if start_ns <= ns < end_ns)
        if file.message_s == 0.0:
            for time_ns, values in rows:
                for gateway, named in values.items():
                    yield self._message(gateway, [(time_ns, named)])
            return
        width_ns = seconds_to_ns(file.message_s)
        for _, together in groupby(rows, key=lambda row: row[0] // width_ns):
            gathered: dict[str, list[_Record]] = {}
            for time_ns, values in together:
                for gateway, named in values.items():
                    gathered.setdefault(gateway, []).append((time_ns, named))
            yield from (self._message(gateway, records) for gateway, records in gathered.items())

    def _message(self, gateway: str, records: Sequence[_Record]) -> Recorded:
        """Return the message of a gateway, sent when its newest reading was taken."""
        newest_ns = max(time_ns for time_ns, _ in records)
        if len(records) == 1:
            payload = json_values.encode(records[0][1], newest_ns)
        else:
            payload = json_values.encode_many(records)
        message = Message(newest_ns, gateway, self.document.district, "json", payload)
        return Recorded(message, sum(len(named) for _, named in records))


def open_recording(folder: Path, data: Path) -> Recording:
    """Return the recording in ``folder``; raises ``RecordingError`` where it makes no sense."""
    path = folder / "recording.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        document = msgspec.convert(content, RecordingDocument, strict=False)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise RecordingError(f"{path}: {error}") from None
    return Recording(folder, data, document)


def _paths(data: Path, pattern: str) -> list[Path]:
    paths = sorted(data.glob(pattern)) if "*" in pattern else [data / pattern]
    if not paths or not paths[0].exists():
        raise RecordingError(f"{data / pattern}: not there; name the data's folder with --data")
    return paths


def _truth(path: Path, number: int, row: Mapping[str, str]) -> Truth:
    try:
        start_ns, end_ns = parse_rfc3339(row["start"]), parse_rfc3339(row["end"])
        if row["kind"] not in ("condition", "fault"):
            raise ValueError(f"kind is condition or fault, not {row['kind']!r}")
    except (KeyError, ValueError) as error:
        raise RecordingError(f"{path}:{number}: {error}") from None
    return Truth(start_ns, end_ns, row["facility_or_channel"], row["kind"], row["note"])


def _file_rows(path: Path, file: RecordedFile) -> Iterator[tuple[int, _Values]]:
    with path.open(encoding=file.encoding, newline="") as lines:
        rows = _cells(lines, file.delimiter)
        header = list(islice(rows, file.header_lines))
        names = header[file.names_line] if file.names_line < len(header) else []
        times = _TimeReader(path, file.time, names)
        values_of = (_LongReader if file.named_by else _WideReader)(path, file, names)
        for number, row in enumerate(rows, file.header_lines + 1):
            if not any(cell.strip() for cell in row):
                continue
            time_ns = times.read(number, row)
            try:
                values = values_of.read(row)
            except ValueError as error:
                raise RecordingError(f"{path}:{number}: {error}") from None
            yield time_ns, values


def _cells(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    if delimiter == "whitespace":
        return (line.split() for line in lines)
    return csv.reader(lines, delimiter=delimiter)


class _Cells:
    """What a file's cells mean."""

    def __init__(self, file: RecordedFile) -> None:
        self._missing = {"", *file.missing}
        self._decimal = file.decimal

    def put(self, values: _Values, channel: ColumnChannel, row: Sequence[str], column: int) -> None:
        """Add the reading of a cell, unless it is missing."""
        cell = row[column].strip() if column < len(row) else ""
        if cell not in self._missing:
            value = float(cell.replace(self._decimal, "."))
            values.setdefault(channel.gateway, {})[channel.sent_as] = value


class _WideReader:
    """Reads lines with a column for each channel."""

    def __init__(self, path: Path, file: RecordedFile, names: Sequence[str]) -> None:
        self._cells = _Cells(file)
        self._columns = [(_column(path, key, names), one) for key, one in file.columns.items()]

    def read(self, row: Sequence[str]) -> _Values:
        """Return the readings of a line, by gateway and name."""
        values: _Values = {}
        for column, channel in self._columns:
            self._cells.put(values, channel, row, column)
        return values


class _LongReader:
    """Reads lines of one reading each, that name their channel."""

    def __init__(self, path: Path, file: RecordedFile, names: Sequence[str]) -> None:
        self._cells = _Cells(file)
        self._channels = file.columns
        self._named_by = [_column(path, key, names) for key in file.named_by]
        self._value = _column(path, file.value, names)

    def read(self, row: Sequence[str]) -> _Values:
        """Return the reading of a line, by gateway and name; nothing for a channel not wanted."""
        key = " ".join(row[column].strip() for column in self._named_by if column < len(row))
        values: _Values = {}
        if channel := self._channels.get(key):
            self._cells.put(values, channel, row, self._value)
        return values


def _column(path: Path, key: int | str, names: Sequence[str]) -> int:
    """Return the number of a column: that of its name where there is one, else ``key`` itself."""
    stripped = [name.strip() for name in names]
    if key in stripped:
        return stripped.index(str(key))
    if isinstance(key, int) or key.isdigit():
        return int(key)
    raise RecordingError(f"{path}: no column {key!r}; there are {', '.join(stripped)}")


class _TimeReader:
    """Reads the time of a line."""

    def __init__(self, path: Path, time: TimeColumns, names: Sequence[str]) -> None:
        self._path = path
        self._format = time.format
        self._zone = ZoneInfo(time.zone)
        self._columns = [_column(path, key, names) for key in time.columns]
        self._since_ns = parse_rfc3339(time.since, self._zone) if time.since else 0

    def read(self, number: int, row: Sequence[str]) -> int:
        """Return the time of line ``number``, in nanoseconds."""
        try:
            text = " ".join(row[column].strip() for column in self._columns)
            if self._format == "rfc3339":
                return parse_rfc3339(text, self._zone)
            if self._format == "seconds":
                return self._since_ns + seconds_to_ns(float(text.replace(",", ".")))
            local = datetime.strptime(text, self._format).replace(tzinfo=self._zone)
        except (ValueError, IndexError) as error:
            raise RecordingError(f"{self._path}:{number}: {error}") from None
        since_epoch = local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        whole_s = since_epoch.days * 86_400 + since_epoch.seconds
        return whole_s * NS_PER_S + since_epoch.microseconds * 1_000
