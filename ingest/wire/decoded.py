"""What a decoder returns: readings, and what it refused with the reason."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from domain.accounting import Reason
from domain.readings import Float64s, Int64s

PAYLOAD_BYTES_MAX = 1 << 20
NAME_LENGTH_MAX = 128
REFUSALS_MAX = 16


@dataclass(slots=True)
class Refusal:
    """Readings refused for one reason; ``count`` how many the entry stands for.

    ``channel_name`` is the name as sent, made printable, empty where it is not about one name.
    """

    reason: Reason
    detail: str
    channel_name: str = ""
    count: int = 1


@dataclass(slots=True)
class Block:
    """Readings of one name: event times ascending, finite values, columns of one length."""

    name: str
    time_ns: Int64s
    value: Float64s


class Decoded:
    """Readings and refusals of one payload.

    ``names``, ``times_ns``, ``values`` and ``flags`` are columns of single readings (plain lists:
    most frames hold very few); ``units``, where the format has any, is the column of their units as
    sent, empty where none was; ``blocks`` are series kept as arrays. ``untimed``: something in the
    payload had no time of its own and carries the received time. ``rejected`` counts refused
    readings by reason, exactly; ``refusals`` describes them, one entry a (reason, name), at most 16
    entries, the last of which stands for all that did not fit. ``undecodable`` is set, and all else
    empty, where the payload as a whole cannot be read.
    """

    __slots__ = (
        "blocks", "flags", "names", "refusals", "rejected", "times_ns", "undecodable", "units", "untimed", "values",
    )  # fmt: skip

    def __init__(self) -> None:
        self.names: list[str] = []
        self.times_ns: list[int] = []
        self.values: list[float] = []
        self.flags: list[int] = []
        self.blocks: list[Block] = []
        self.units: list[str] | None = None
        self.untimed = False
        self.rejected: dict[Reason, int] = {}
        self.refusals: list[Refusal] = []
        self.undecodable: Refusal | None = None

    @classmethod
    def failed(cls, reason: Reason, detail: str) -> "Decoded":
        """Return the result for a payload that cannot be read at all."""
        decoded = cls()
        decoded.undecodable = Refusal(reason, detail)
        return decoded

    def add(self, name: str, time_ns: int, value: float, flags: int) -> None:
        """Take one reading."""
        self.names.append(name)
        self.times_ns.append(time_ns)
        self.values.append(value)
        self.flags.append(flags)

    def keep(self, places: list[int]) -> None:
        """Keep the single readings at ``places``, and let the others go."""
        self.names = [self.names[place] for place in places]
        self.times_ns = [self.times_ns[place] for place in places]
        self.values = [self.values[place] for place in places]
        self.flags = [self.flags[place] for place in places]
        self.units = None

    def refuse(self, reason: Reason, detail: str, name: str = "", count: int = 1) -> None:
        """Refuse ``count`` readings."""
        if count <= 0:
            return
        self.rejected[reason] = self.rejected.get(reason, 0) + count
        shown = name if name.isprintable() else make_printable(name)
        shown = shown[:NAME_LENGTH_MAX]
        for entry in self.refusals:
            if entry.reason is reason and entry.channel_name == shown:
                entry.count += count
                return
        if len(self.refusals) < REFUSALS_MAX:
            self.refusals.append(Refusal(reason, detail, shown, count))
            return
        last = self.refusals[-1]
        last.count += count
        last.channel_name = ""
        last.detail = "several readings, of these and other names and reasons; the frame has more"

    @property
    def reading_count(self) -> int:
        """All readings of the payload, refused ones included."""
        count = len(self.names)
        for block in self.blocks:
            count += len(block.value)
        return count + sum(self.rejected.values()) if self.rejected else count


Decoder = Callable[[bytes, int, ZoneInfo | None], Decoded]
"""(payload, received_ns, the gateway's zone or None for UTC) -> Decoded; never raises."""


def name_fault(name: object) -> str:
    """Return what is wrong with a name as sent, empty where nothing is."""
    if type(name) is not str:
        return f"a name must be text, not {type(name).__name__}"
    if not name:
        return "a name must not be empty"
    if len(name) > NAME_LENGTH_MAX:
        return f"a name has at most {NAME_LENGTH_MAX} characters, not {len(name)}"
    if name.isprintable() or not any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        return ""
    return "a name must not hold control characters or halves of surrogate pairs"


def make_printable(text: str) -> str:
    """Return the beginning of ``text`` with a mark for each character that must not be stored."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:256])


def describe(value: object) -> str:
    """Return a short, safe description of a refused value for a person."""
    if isinstance(value, str):
        return repr(value[:32])
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**24 else "an integer of more than 24 digits"
    return f"a {type(value).__name__}"
