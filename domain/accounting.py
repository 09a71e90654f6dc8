"""The books of ingest: where every frame and every reading of a gateway went.

Two units, and each balances per gateway:
frames = decoded + duplicate + undecodable + refused; readings in decoded frames = stored (of which late) +
unregistered + rejected + quarantined + pending.
"""

import zlib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class _Word(StrEnum):
    """A word that is part of an account's hash: the text's own, not one that an enum asks for by name."""

    __hash__ = str.__hash__


class Unit(_Word):
    """What is counted."""

    FRAMES = "frames"
    READINGS = "readings"


class Fate(_Word):
    """What became of it."""

    RECEIVED = "received"  # counted on its own, before any other: what the others must add up to
    DECODED = "decoded"
    DUPLICATE = "duplicate"
    UNDECODABLE = "undecodable"
    REFUSED = "refused"  # before the journal: over the gateway's limits
    STORED = "stored"
    LATE = "late"  # of the stored and pending
    PENDING = "pending"  # judged, and on the way to the archive
    UNREGISTERED = "unregistered"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


class Reason(_Word):
    """Why a frame was undecodable or refused, or a reading rejected or quarantined."""

    NONE = ""
    TOPIC = "topic"  # not one of ours, or of a gateway's
    FORMAT = "format"  # a payload format nobody decodes
    OVERSIZE = "oversize"  # more than 1 MiB
    SYNTAX = "syntax"  # not JSON, not CBOR, cut short
    STRUCTURE = "structure"  # well formed, but not what the format says
    NAME = "name"  # not text, empty, longer than 128 characters
    VALUE_TYPE = "value-type"  # neither a number nor a bool
    NOT_FINITE = "not-finite"  # infinite, or no number (NaN)
    UNIT = "unit"  # another than the channel's
    TIME = "time"  # unreadable, or out of the years 1970 to 2261
    RATE = "rate"  # more frames or bytes than the gateway may send
    FUTURE = "future"  # more than 5 min ahead of the received time
    ARCHIVE = "archive"  # judged, and then refused for good by the archive


class Account(NamedTuple):
    """A line of the books: one gateway, one unit, one fate, one reason.

    A tuple, since thousands a second are looked up: its hash is made without the interpreter.
    """

    gateway: str
    unit: Unit
    fate: Fate
    reason: Reason = Reason.NONE


Accounts = Counter[Account]
"""How many of each; a change of the books is written the same way."""


# The books are written gateway by gateway in so many parts, of which each has its own place in the journal.
PARTS = 10


@lru_cache(1 << 16)
def part_of(gateway: str) -> int:
    """Return the part of the books, from 0, that a gateway is in: the same for ever."""
    return zlib.crc32(gateway.encode("utf-8", "surrogatepass")) % PARTS


def in_parts(accounts: Accounts) -> list[Accounts]:
    """Return the accounts of each part."""
    parts: list[Accounts] = [Counter() for _ in range(PARTS)]
    for account, count in accounts.items():
        parts[part_of(account.gateway)][account] = count
    return parts


def of_parts(accounts: Accounts, parts: Collection[int]) -> Accounts:
    """Return the accounts that are in these parts."""
    return Counter({a: count for a, count in accounts.items() if part_of(a.gateway) in parts})


def by_fate(accounts: Accounts, unit: Unit) -> Counter[Fate]:
    """Return how many of a unit came to each end, for whatever reason."""
    fates: Counter[Fate] = Counter()
    for account, count in accounts.items():
        if account.unit == unit:
            fates[account.fate] += count
    return fates


def frames_balance(fates: Counter[Fate]) -> bool:
    """Whether every frame received came to one end."""
    ends = (Fate.DECODED, Fate.DUPLICATE, Fate.UNDECODABLE, Fate.REFUSED)
    return fates[Fate.RECEIVED] == sum(fates[fate] for fate in ends)


def readings_balance(fates: Counter[Fate]) -> bool:
    """Whether every reading in decoded frames came to one end, and no more are late than were kept."""
    ends = (Fate.STORED, Fate.PENDING, Fate.UNREGISTERED, Fate.REJECTED, Fate.QUARANTINED)
    ended = fates[Fate.RECEIVED] == sum(fates[fate] for fate in ends)
    return ended and fates[Fate.LATE] <= fates[Fate.STORED] + fates[Fate.PENDING]


@dataclass(frozen=True, slots=True)
class Reject:
    """An entry of the quarantine: what was refused, of whom, why, and the beginning of it.

    ``channel_name`` is the name as sent where a single reading is meant, else empty. ``detail``
    says what is wrong, for a person; ``excerpt`` is at most 256 bytes of the payload; ``count`` how
    many readings (or frames, for a whole frame) the entry stands for.
    """

    seq: int
    gateway: str
    topic: str
    received_ns: int
    unit: Unit
    fate: Fate
    reason: Reason
    detail: str
    channel_name: str = ""
    excerpt: bytes = b""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Sighting:
    """Readings of a name that the catalogue does not know, in one step: for the inbox."""

    gateway: str
    district: str
    channel_name: str
    count: int
    first_seen_ns: int
    last_seen_ns: int
    last_time_ns: int
    last_value: float


@dataclass(slots=True)
class Ingested:
    """What a step of ingest counted, beside the readings themselves."""

    accounts: Accounts = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
