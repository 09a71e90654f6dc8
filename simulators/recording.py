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
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import yaml

from domain.catalogue import Text
from domain.time import NS_PER_S, parse_rfc3339, seconds_to_ns
from ingest.wire import json_values
from simulators.feed import Message


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
    """One text file: how it is written, and whose values its columns are.

    Columns are numbers from 0, or names that stand in the line ``names_line`` (from 0) of the file.
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


class RecordingDocument(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What ``recording.yaml`` holds; ``expect`` is read by the judge (``service/verdict.py``)."""

    name: dict[str, str]
    source: str
    district: str
    catalogue: str
    files: list[RecordedFile]
    truth: str = "truth.csv"
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
        path = self.data / file.path
        if not path.exists():
            raise RecordingError(f"{path}: not there; name the data's folder with --data")
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
        for time_ns, values in _file_rows(path, file):
            if not start_ns <= time_ns < end_ns:
                continue
            for gateway, named in values.items():
                yield self._message(time_ns, gateway, named)

    def _message(self, time_ns: int, gateway: str, named: Mapping[str, float]) -> Recorded:
        payload = json_values.encode(named, time_ns)
        message = Message(time_ns, gateway, self.document.district, "json", payload)
        return Recorded(message, len(named))


def open_recording(folder: Path, data: Path) -> Recording:
    """Return the recording in ``folder``; raises ``RecordingError`` where it makes no sense."""
    path = folder / "recording.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        document = msgspec.convert(content, RecordingDocument, strict=False)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise RecordingError(f"{path}: {error}") from None
    return Recording(folder, data, document)


def _truth(path: Path, number: int, row: Mapping[str, str]) -> Truth:
    try:
        start_ns, end_ns = parse_rfc3339(row["start"]), parse_rfc3339(row["end"])
        if row["kind"] not in ("condition", "fault"):
            raise ValueError(f"kind is condition or fault, not {row['kind']!r}")
    except (KeyError, ValueError) as error:
        raise RecordingError(f"{path}:{number}: {error}") from None
    return Truth(start_ns, end_ns, row["facility_or_channel"], row["kind"], row["note"])


def _file_rows(path: Path, file: RecordedFile) -> Iterator[tuple[int, dict[str, dict[str, float]]]]:
    with path.open(encoding=file.encoding, newline="") as lines:
        rows = csv.reader(lines, delimiter=file.delimiter)
        header = list(islice(rows, file.header_lines))
        names = header[file.names_line] if file.names_line < len(header) else []
        times = _TimeReader(path, file.time, names)
        columns = [(_column(path, key, names), channel) for key, channel in file.columns.items()]
        for number, row in enumerate(rows, file.header_lines + 1):
            if not any(cell.strip() for cell in row):
                continue
            time_ns = times.read(number, row)
            try:
                values = _values(row, columns, file)
            except ValueError as error:
                raise RecordingError(f"{path}:{number}: {error}") from None
            yield time_ns, values


def _values(
    row: Sequence[str], columns: Iterable[tuple[int, ColumnChannel]], file: RecordedFile
) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, float]] = {}
    for column, channel in columns:
        cell = row[column].strip() if column < len(row) else ""
        if cell == "" or cell in file.missing:
            continue
        value = float(cell.replace(file.decimal, "."))
        values.setdefault(channel.gateway, {})[channel.sent_as] = value
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
