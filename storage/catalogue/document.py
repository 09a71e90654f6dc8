"""YAML read as plain mappings and lists that know their file and lines, and nothing more.

The reader sees events only: no tag is ever constructed, so no document can make an object. Plain
scalars follow the core schema of YAML 1.2 (``1e3`` is a number, ``no`` and ``off`` are text); keys
are always text.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BYTES_MAX = 16 * 1024 * 1024
DEPTH_MAX = 32
NODES_MAX = 4_000_000  # as if every alias were written out
FAULTS_PRINTED_MAX = 1_000
INTEGER_MAX = 2**63  # larger ones are floating: what is stored must read back the same

_Parser = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,40}", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_INFINITE = re.compile(r"([-+]?)\.(?:inf|Inf|INF)")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line of a file; lines count from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a document, where, and what would put it right."""

    file: str
    line: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return one line, whatever characters of the document are quoted in it."""
        remedy = f" – {self.remedy}" if self.remedy else ""
        text = f"{self.file}:{self.line}: {self.message}{remedy}"
        return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class CatalogueError(Exception):
    """Documents that make no catalogue; ``faults`` are all that is wrong with them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        lines = [str(fault) for fault in self.faults[:FAULTS_PRINTED_MAX]]
        if len(self.faults) > FAULTS_PRINTED_MAX:
            lines.append(f"and {len(self.faults) - FAULTS_PRINTED_MAX} more")
        return "\n".join(lines)


class Faults:
    """Collects faults, so that all are told at once; one and the same is told once."""

    def __init__(self) -> None:
        self._found: dict[Fault, None] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, message: str, remedy: str = "") -> None:
        """Note what is wrong at ``place``."""
        self._found[Fault(place.file, place.line, message, remedy)] = None

    def raise_if_any(self) -> None:
        """Raise ``CatalogueError`` of all faults, by file in the order met, then by line."""
        if not self._found:
            return
        files: dict[str, int] = {}
        for fault in self._found:
            files.setdefault(fault.file, len(files))
        order = sorted(self._found, key=lambda fault: (files[fault.file], fault.line))
        raise CatalogueError(tuple(order))


class Branch(dict[str, Any]):
    """A mapping that knows where it stands; ``lines`` holds the line of each key."""

    __slots__ = ("lines", "place")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.lines: dict[str, int] = {}

    def place_of(self, key: str) -> Place:
        """Return where ``key`` stands, or the mapping itself where it has no such key."""
        return Place(self.place.file, self.lines.get(key, self.place.line))


class Items(list[Any]):
    """A list that knows where it stands; ``lines`` holds the line of each item."""

    __slots__ = ("lines", "place")

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.lines: list[int] = []

    def placed(self) -> Iterator[tuple[Place, Any]]:
        """Return the items with their places."""
        for line, item in zip(self.lines, self, strict=True):
            yield Place(self.place.file, line), item


def plain(value: Any) -> Any:
    """Return ``value`` without its places: dictionaries, lists and scalars."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


class _RefusedError(Exception):
    """The document cannot be read on; its fault has been noted."""


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


class _Reader:
    def __init__(self, file: str, text: str, faults: Faults) -> None:
        self.file = file
        self.faults = faults
        self.events = yaml.parse(text, Loader=_Parser)
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = 0

    def refuse(self, line: int, message: str, remedy: str = "") -> _RefusedError:
        self.faults.add(Place(self.file, line), message, remedy)
        return _RefusedError()

    def document(self) -> Any:
        value: Any = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refuse(
                        _line(event), "a second document begins", "one document a file"
                    )
                value = self.node(next(self.events), 0)
        if documents == 0:
            raise self.refuse(1, "the file is empty")
        return value

    def node(self, event: Any, depth: int) -> Any:
        line = _line(event)
        self.count(1, line)
        if isinstance(event, yaml.ScalarEvent):
            value: Any = _scalar(event.value, event.style) if event.tag in (None, "!") else event
            if value is event:
                raise self.refuse(line, f"the tag {event.tag} is not read", "write plain YAML")
            if event.style == '"' and (control := _CONTROL.search(event.value)):
                code = ord(control[0])
                raise self.refuse(line, f"the character U+{code:04X} may not stand here")
            if event.anchor:
                self.anchors[event.anchor] = (value, 1)
            return value
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor, line)
        if depth >= DEPTH_MAX:
            raise self.refuse(line, f"nested deeper than {DEPTH_MAX} levels")
        if event.tag not in (None, "!"):
            raise self.refuse(line, f"the tag {event.tag} is not read", "write plain YAML")
        before = self.nodes
        mapping = isinstance(event, yaml.MappingStartEvent)
        branch = self.mapping(line, depth) if mapping else self.items(line, depth)
        if event.anchor:
            self.anchors[event.anchor] = (branch, self.nodes - before + 1)
        return branch

    def count(self, nodes: int, line: int) -> None:
        self.nodes += nodes
        if self.nodes > NODES_MAX:
            raise self.refuse(line, f"more than {NODES_MAX:,} values, aliases written out")

    def alias(self, anchor: Any, line: int) -> Any:
        if anchor not in self.anchors:
            raise self.refuse(line, f"the alias *{anchor} stands for nothing before it")
        value, nodes = self.anchors[anchor]
        self.count(nodes - 1, line)
        return value

    def mapping(self, line: int, depth: int) -> Branch:
        branch = Branch(Place(self.file, line))
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key_line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self.refuse(key_line, "a key must be plain text")
            key = event.value
            value = self.node(next(self.events), depth + 1)
            if key in branch.lines:
                first = branch.lines[key]
                self.faults.add(
                    Place(self.file, key_line),
                    f"the key `{shorten(key)}` stands here twice, first in line {first}",
                    "keep one",
                )
                continue
            branch.lines[key] = key_line
            branch[key] = value
        return branch

    def items(self, line: int, depth: int) -> Items:
        items = Items(Place(self.file, line))
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.lines.append(_line(event))
            items.append(self.node(event, depth + 1))
        return items


def shorten(text: object, length_max: int = 48) -> str:
    """Return ``text`` fit for a message: one line, not endless."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= length_max else f"{flat[: length_max - 1]}…"


def _scalar(text: str, style: str | None) -> Any:
    if style in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in "0123456789+-." else text


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        whole = int(text)
        return whole if abs(whole) < INTEGER_MAX else float(whole)
    if len(text) <= 400 and _DECIMAL.fullmatch(text):
        return float(text)
    infinite = _INFINITE.fullmatch(text)
    if infinite:
        return -math.inf if infinite[1] == "-" else math.inf
    return text


def _syntax_fault(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    """Return line, message and remedy of what the parser said."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"the character U+{_code_point(error.character):04X} may not stand here", ""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark is not None else 1
    lines = text.split("\n")
    written = lines[line - 1] if line <= len(lines) else ""
    if re.match(r" *\t", written):
        return line, "a tab stands in the indentation", "indent with spaces"
    problem = getattr(error, "problem", None) or "cannot be read"
    return line, f"not YAML: {shorten(problem, 100)}", ""


def _code_point(character: Any) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def parse_document(file: str, data: bytes, faults: Faults) -> Branch | None:
    """Return the mapping that ``data`` holds; ``None`` where it cannot be read, the fault noted."""
    if len(data) > BYTES_MAX:
        faults.add(Place(file, 1), "larger than 16 MB", "split it into several files")
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.add(Place(file, line), "not UTF-8", "save the file as UTF-8")
        return None
    try:
        value = _Reader(file, text, faults).document()
    except _RefusedError:
        return None
    except yaml.YAMLError as error:
        line, message, remedy = _syntax_fault(error, text)
        faults.add(Place(file, line), message, remedy)
        return None
    if not isinstance(value, Branch):
        faults.add(Place(file, 1), "the document must be a mapping")
        return None
    return value


def read_bytes(path: Path, faults: Faults) -> bytes | None:
    """Return the bytes of a file, at most one more than may be read; faults noted."""
    try:
        with path.open("rb") as stream:
            return stream.read(BYTES_MAX + 1)
    except OSError as error:
        faults.add(Place(str(path), 1), f"cannot be read: {error.strerror or error}")
        return None
