"""Reading a mapping key by key: types, unknown keys, the nearest known one; faults collected."""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.catalogue import Text
from domain.grade import Grade
from storage.catalogue.document import Branch, Faults, Items, Place, shorten
from storage.catalogue.expression import ExpressionError, parse

ID_LENGTH_MAX = 128
SENT_AS_LENGTH_MAX = 128

_ID = re.compile(r"[a-z0-9._/-]{1,128}", re.ASCII)
_FLAGS = {"on": True, "yes": True, "off": False, "no": False}
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Expression:
    """Arithmetic that waits for its names; ``place`` is where it stands."""

    text: str
    place: Place


Amount = float | Expression


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a remedy: the nearest known word, or all of them where they are few.

    >>> suggest("yelow", ["blue", "yellow"])
    'did you mean `yellow`?'
    """
    words = sorted(known)
    near = difflib.get_close_matches(word[:ID_LENGTH_MAX], words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known: {', '.join(words)}" if 0 < len(words) <= 24 else ""


def id_problem(text: str, *, slash: bool = True) -> str:
    """Return why ``text`` is no id of ours, empty where it is one."""
    if not _ID.fullmatch(text):
        return f"`{shorten(text)}` is no id: 1 to {ID_LENGTH_MAX} of a-z 0-9 . _ / -"
    if not slash and "/" in text:
        return f"`{shorten(text)}` is one level of a topic: it may hold no /"
    if any(part in ("", ".", "..") for part in text.split("/")):
        return f"`{shorten(text)}` has an empty part, or . or .. for one"
    return ""


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Return whether ``name`` is an IANA time zone of this machine."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class Section:
    """One mapping being read. Whatever is wrong is noted, and the default returned."""

    def __init__(self, branch: Branch, faults: Faults, what: str, known: Iterable[str]) -> None:
        self.branch = branch
        self.faults = faults
        self.what = what
        known = frozenset(known)
        for key in branch:
            if key not in known:
                message = f"unknown key `{shorten(key)}` in {what}"
                faults.add(branch.place_of(key), message, suggest(key, known))

    @property
    def place(self) -> Place:
        """Where the mapping begins."""
        return self.branch.place

    def fault(self, key: str, message: str, remedy: str = "") -> None:
        """Note a fault of ``key``."""
        self.faults.add(self.branch.place_of(key), message, remedy)

    def has(self, key: str) -> bool:
        """Return whether ``key`` stands here and is not null."""
        return self.branch.get(key) is not None

    def require(self, key: str) -> bool:
        """Return whether ``key`` stands here; a fault where not."""
        if not self.has(key):
            self.fault(key, f"{self.what} needs `{key}`", f"add `{key}:`")
        return self.has(key)

    def _expected(self, key: str, expected: str, remedy: str = "") -> None:
        given = shorten(self.branch[key]) if not isinstance(self.branch[key], dict | list) else ""
        shown = f", not {given}" if given else ""
        self.fault(key, f"`{key}` of {self.what} must be {expected}{shown}", remedy)

    def text(self, key: str, default: str = "", *, length_max: int = 400) -> str:
        """Return a text."""
        value = self.branch.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            self._expected(key, "text", "write it in quotes")
            return default
        if len(value) > length_max:
            self.fault(key, f"`{key}` of {self.what} is longer than {length_max} characters")
            return default
        return value

    def identifier(self, key: str, *, slash: bool = True) -> str:
        """Return an id of ours, empty where there is none or it is not one."""
        if not self.require(key) or not isinstance(self.branch[key], str):
            return self.text(key)
        text = str(self.branch[key])
        problem = id_problem(text, slash=slash)
        if problem:
            self.fault(key, problem)
            return ""
        return text

    def number(
        self, key: str, default: float | None = None, *, low: float | None = None
    ) -> float | None:
        """Return a finite number, at least ``low`` where that is given."""
        value = self.branch.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._expected(key, "a number")
            return default
        if not math.isfinite(value):
            self._expected(key, "a finite number")
            return default
        if low is not None and value < low:
            self._expected(key, f"at least {low:g}")
            return default
        return float(value)

    def finite(self, key: str) -> None:
        """Note a fault where a number that is not finite stands under ``key``, however deep."""
        stack = [self.branch[key]]
        while stack:
            value = stack.pop()
            if isinstance(value, float) and not math.isfinite(value):
                self._expected(key, "a finite number")
            elif isinstance(value, dict):
                stack.extend(value.values())
            elif isinstance(value, list):
                stack.extend(value)

    def positive(self, key: str, default: float | None = None) -> float | None:
        """Return a number above zero."""
        value = self.number(key, default)
        if value is not None and value <= 0 and self.has(key):
            self._expected(key, "above 0")
            return default
        return value

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self.branch.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._expected(key, f"a whole number from {low} to {high}")
            return default
        return value

    def amount(self, key: str, default: Amount | None = None) -> Amount | None:
        """Return a number, or an expression of one."""
        value = self.branch.get(key)
        if not isinstance(value, str):
            return self.number(key) if value is not None else default
        return self.expression(key, value) or default

    def expression(self, key: str, text: str) -> Expression | None:
        """Return the expression that ``text`` is; ``None`` with a fault where it is none."""
        text = text.strip().removeprefix("=").strip()
        try:
            parse(text)
        except ExpressionError as error:
            self.fault(key, f"`{key}` of {self.what}: `{shorten(text)}` is {error}")
            return None
        return Expression(text, self.branch.place_of(key))

    def flag(self, key: str, default: bool | None = None) -> bool | None:
        """Return true or false; ``on``, ``off``, ``yes`` and ``no`` are understood."""
        value = self.branch.get(key)
        if value is None:
            return default
        if isinstance(value, str):
            value = _FLAGS.get(value.lower(), value)
        if not isinstance(value, bool):
            self._expected(key, "true or false")
            return default
        return value

    def names(self, key: str, default: Text) -> Text:
        """Return a text in Chinese and English; a plain text stands for both."""
        value = self.branch.get(key)
        if value is None:
            return default
        if isinstance(value, str):
            return Text(value, value)
        if not isinstance(value, Branch):
            self._expected(key, "text, or {zh: …, en: …}")
            return default
        section = Section(value, self.faults, f"`{key}` of {self.what}", ("zh", "en"))
        for language in ("zh", "en"):
            section.require(language)
        return Text(section.text("zh", default.zh), section.text("en", default.en))

    def grade(self, key: str, default: Grade, *, normal: bool = False) -> Grade:
        """Return a grade by its word; ``normal`` only where it may stand."""
        word = self.text(key)
        if not word:
            return default
        words = [grade.word for grade in Grade if normal or grade is not Grade.NORMAL]
        if word not in words:
            self.fault(key, f"no grade `{shorten(word)}`", suggest(word, words))
            return default
        return Grade.from_word(word)

    def mapping(self, key: str) -> Branch:
        """Return a mapping, an empty one where there is none."""
        value = self.branch.get(key)
        if value is None:
            return Branch(self.branch.place_of(key))
        if not isinstance(value, Branch):
            self._expected(key, "a mapping")
            return Branch(self.branch.place_of(key))
        return value

    def items(self, key: str) -> Iterator[tuple[Place, Any]]:
        """Return the items of a list with their places, none where there is no list."""
        value = self.branch.get(key)
        if value is None:
            return iter(())
        if not isinstance(value, Items):
            self._expected(key, "a list")
            return iter(())
        return value.placed()

    def branches(self, key: str) -> Iterator[Branch]:
        """Return the mappings of a list; an item that is none is a fault."""
        for place, item in self.items(key):
            if isinstance(item, Branch):
                yield item
            else:
                self.faults.add(place, f"each of `{key}` must be a mapping")

    def each(self, key: str, read: Callable[[str, Branch], None]) -> None:
        """Call ``read`` for each named mapping under ``key``; one that is none is a fault."""
        outer = self.mapping(key)
        for name, inner in outer.items():
            if isinstance(inner, Branch):
                read(name, inner)
            else:
                place = outer.place_of(name)
                self.faults.add(place, f"`{shorten(name)}` of {self.what} must be a mapping")
