"""From one catalogue to the next: a house built whole, or amended where only limits change.

Both ways lead to the same state, to the bit: which one is gone is a matter of speed. What can be
made beside is made in another thread beforehand; a change that was not prepared takes longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter, is_not

import numpy as np

from analytics.house import House, build_house
from analytics.layout import Records, Tables
from analytics.state import (
    Pairs,
    busy_limits_of,
    carry_limits,
    carry_over,
    look_at,
    match,
    recount_grades,
    restart_logs,
)
from analytics.tables import fill_quiet_band, limit_places, limit_records, link_faults
from domain.catalogue import Catalogue
from domain.grade import Grade, Side
from domain.readings import GradeChange

_STRUCTURE = attrgetter(
    "id", "facility", "gateway", "sent_as", "feature", "fault", "fault_of", "sample_interval_s",
    "on_change", "checks",
)  # fmt: skip
_UPLOADS = attrgetter("id", "upload_interval_s")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A house at rest, and which of its channels are those of the catalogue ``of``."""

    house: House
    of: Catalogue
    pairs: Pairs


def prepare(before: House, catalogue: Catalogue) -> Prepared | None:
    """Return what can be made before a change from ``before`` to ``catalogue`` is due.

    It reads nothing of ``before`` that a step changes, and may run in another thread. ``None``
    where the change is small, and nothing is to be prepared. Raises ``ValueError`` for a feature
    that is not valid.
    """
    if changed_limits(before.catalogue, catalogue) is not None:
        return None
    return _prepare_whole(before, catalogue)


def _prepare_whole(before: House, catalogue: Catalogue) -> Prepared:
    house = build_house(catalogue)
    pairs = match(before.catalogue.channel_ids, before.signatures, house)
    return Prepared(house, before.catalogue, pairs)


def changed_limits(before: Catalogue, after: Catalogue) -> list[int] | None:
    """Return the indices of channels with other limits; ``None`` where more than words changed."""
    if len(before.channels) != len(after.channels):
        return None
    if list(map(_UPLOADS, before.gateways)) != list(map(_UPLOADS, after.gateways)):
        return None
    others = np.fromiter(map(is_not, before.channels, after.channels), np.bool_)
    changed = []
    for index in np.flatnonzero(others).tolist():
        old, new = before.channels[index], after.channels[index]
        if _STRUCTURE(old) != _STRUCTURE(new):
            return None
        if old.limits != new.limits:
            changed.append(index)
    return changed


def go_over(
    before: House, catalogue: Catalogue, prepared: Prepared | None, seq: int, now_ns: int
) -> tuple[House, list[GradeChange]]:
    """Return the house of ``catalogue`` with the state of ``before``, and what changed by that.

    ``before`` is used up. Raises ``ValueError``, with nothing changed, for an invalid feature.
    """
    held = _held(before)
    changed = changed_limits(before.catalogue, catalogue)
    if changed is not None:
        house = _amend(before, catalogue, changed)
    else:
        if prepared is None or not _fits(prepared, before.catalogue, catalogue):
            prepared = _prepare_whole(before, catalogue)
        house = prepared.house
        house.catalogue = catalogue
        carry_over(look_at(before), house, prepared.pairs)
    return house, _changes(held, before.catalogue, house, seq, now_ns)


def _fits(prepared: Prepared, before: Catalogue, after: Catalogue) -> bool:
    """Whether what was prepared is for this very change."""
    meant = prepared.house.catalogue
    return (
        prepared.of is before
        and meant.revision == after.revision
        and meant.in_force == after.in_force
    )


def _amend(before: House, catalogue: Catalogue, changed: list[int]) -> House:
    """Put other limits into the tables as they stand: all else is the same."""
    channels = [catalogue.channels[index] for index in changed]
    chosen = np.array(changed, np.int64)
    busy = busy_limits_of(before.tables)
    tables = _relaid(before.tables, catalogue, changed)
    records = tables.channels
    limits = [limit for channel in channels for limit in channel.limits]
    places, _ = limit_places(records, chosen)
    tables.limits[places] = limit_records(limits, records["limit_count"][chosen])
    after = np.full(len(records), -1, np.int64)
    after[chosen] = chosen
    carry_limits(busy, after, tables)
    fill_quiet_band(records, tables.limits, chosen)
    link_faults(records, catalogue, changed)
    recount_grades(tables, chosen)
    if any(channel.on_change for channel in channels):
        before.silence.list_on_change(catalogue)
    house = replace(before, catalogue=catalogue, tables=tables)
    restart_logs(house)
    return house


def _limits_of(tables: Tables, index: int) -> Records:
    first = int(tables.channels["limit_first"][index])
    return tables.limits[first : first + int(tables.channels["limit_count"][index])]


def _relaid(tables: Tables, catalogue: Catalogue, changed: list[int]) -> Tables:
    """Return tables with room for the new numbers of limits, what stays in its new place."""
    records = tables.channels
    counts = records["limit_count"].copy()
    counts[changed] = [len(catalogue.channels[index].limits) for index in changed]
    if (counts == records["limit_count"]).all():
        return tables
    first = np.cumsum(counts) - counts
    stays = np.ones(len(counts), np.bool_)
    stays[changed] = False
    owners = np.repeat(np.arange(len(counts)), records["limit_count"])
    kept = np.flatnonzero(stays[owners])
    moved = (first - records["limit_first"])[owners[kept]]
    limits = np.zeros(int(counts.sum()), tables.limits.dtype)
    limits[kept + moved] = tables.limits[kept]
    # Other threads read of the records what is state, and that is not touched here.
    records["limit_first"], records["limit_count"] = first, counts
    return tables._replace(limits=limits)


_Held = Mapping[int, dict[Side, tuple[int, float]]]


def _held(house: House) -> _Held:
    """Return grade and worst limit by side of each channel that is out of bounds."""
    records = house.tables.channels
    found: dict[int, dict[Side, tuple[int, float]]] = {}
    for side, name in ((Side.HIGH, "high"), (Side.LOW, "low")):
        for index in np.flatnonzero(records[name]).tolist():
            grade = int(records[name][index])
            found.setdefault(index, {})[side] = (grade, worst_held(house.tables, index, side))
    return found


def _changes(
    held: _Held, before: Catalogue, after: House, seq: int, now_ns: int
) -> list[GradeChange]:
    """Return the changes of grade of channels that stand in both catalogues, in their order."""
    places = after.catalogue.channel_index
    pairs = [(places.get(before.channels[old].id), sides) for old, sides in held.items()]
    changes = []
    for index, sides in sorted((i, sides) for i, sides in pairs if i is not None):
        record = after.tables.channels[index]
        for side, name in ((Side.HIGH, "high"), (Side.LOW, "low")):
            previous, limit = sides.get(side, (0, 0.0))
            grade = int(record[name])
            if grade == previous:
                continue
            changes.append(
                GradeChange(
                    seq=seq,
                    channel=index,
                    side=side,
                    previous=Grade(previous),
                    grade=Grade(grade),
                    time_ns=now_ns,
                    received_ns=now_ns,
                    value=float(record["value"]),
                    limit=worst_held(after.tables, index, side) if grade else limit,
                )
            )
    return changes


def worst_held(tables: Tables, index: int, side: Side) -> float:
    """Return the value of the worst limit that a channel, out of bounds on ``side``, holds."""
    own = _limits_of(tables, index)
    held = own["value"][(own["held"] == 1) & (own["low"] == side)]
    return float(held[-1])
