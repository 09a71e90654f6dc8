"""Limit profiles: which facility is in which special period, since when, and by whose word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class ActiveProfile:
    """The profile that a facility is in. ``until_ns`` is when it ends by itself, if it does."""

    profile: str
    since_ns: int
    author: str
    reason: str
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """Facilities went over to a profile, or back to ``normal``: an event, recorded for good.

    (``seq``, ``ordinal``) is its place in the journal. ``author`` is empty where its time was up.
    """

    seq: int
    ordinal: int
    profile: str
    facilities: tuple[str, ...]
    at_ns: int
    author: str
    reason: str
    until_ns: int | None = None


def facilities_of(scope: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """Return the ids of the facilities that ``scope`` means, in the catalogue's order.

    One of ``{"all": true}``, ``{"district": id}``, ``{"kind": id}``, ``{"facilities": [ids]}``.
    Raises ``ValueError``, saying what to write, for another one; ``LookupError`` where it means
    nothing that is there.
    """
    if len(scope) != 1:
        raise ValueError("a scope has one of: all, district, kind, facilities")
    ((key, value),) = scope.items()
    facilities = catalogue.facilities
    if key == "all" and value is True:
        return [one.id for one in facilities]
    if key in ("district", "kind") and isinstance(value, str):
        found = [one.id for one in facilities if getattr(one, key) == value]
        if not found:
            raise LookupError(f"no facility of the {key} {value!r}")
        return found
    named = isinstance(value, list) and all(isinstance(one, str) for one in value)
    if key == "facilities" and value and named:
        missing = [one for one in value if one not in catalogue.facility_by_id]
        if missing:
            raise LookupError(f"no facility {missing[0]!r}")
        wanted = set(value)
        return [one.id for one in facilities if one.id in wanted]
    raise ValueError("a scope is all: true, district: id, kind: id, or facilities: [ids]")
