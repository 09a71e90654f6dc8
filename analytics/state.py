"""Snapshots: all state keyed by channel id, and how it goes over to another revision.

There is one way over, for a restart and for a new catalogue: a snapshot is taken of the old house
and carried over to the new one.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from analytics.house import House
from analytics.layout import (
    CHANNEL,
    CHANNEL_STATE,
    LIMIT_STATE,
    LOG_READINGS,
    NONE_NS,
    Records,
    Tables,
    make_logs,
)
from analytics.picking import copied, pick
from analytics.plan import Level
from analytics.tables import FAULT_LINKS, free_stack, limit_places
from domain.catalogue import Catalogue
from domain.readings import Int64s

VERSION = 1

_CHANNEL_STATE = np.dtype([(name, CHANNEL[name]) for name in CHANNEL_STATE])
_LIMIT_STATE = np.dtype(
    [("channel", "i8"), ("grade", "u1"), ("low", "u1"), ("m", "u1"), ("value", "f8"), *LIMIT_STATE]
)


class Pairs(NamedTuple):
    """Channel ``old[i]`` of one catalogue is channel ``new[i]`` of another, with the same state."""

    old: Int64s
    new: Int64s


def take_snapshot(house: House) -> dict[str, Any]:
    """Return all state in plain values and arrays, none of which changes any more."""
    tables = house.tables
    return {
        **_parts(house),
        "channels": pick(tables.channels, _CHANNEL_STATE),
        "limits": busy_limits_of(tables),
        "ladders": {name: column.copy() for name, column in tables.ladders._asdict().items()},
        "features": _save_features(house.levels, copied),
    }


def look_at(house: House) -> dict[str, Any]:
    """Return what ``take_snapshot`` does without copying it: it changes with the next step."""
    tables = house.tables
    return {
        **_parts(house),
        "channels": tables.channels,
        "limits": busy_limits_of(tables),
        "ladders": tables.ladders._asdict(),
        "features": _save_features(house.levels, lambda whole: whole),
    }


def _parts(house: House) -> dict[str, Any]:
    """Return the parts of a snapshot that are copies, or never change."""
    catalogue, tables = house.catalogue, house.tables
    channels = tables.channels
    with_log = np.flatnonzero(channels["log"] >= 0)
    return {
        "version": VERSION,
        "revision": catalogue.revision,
        "ids": catalogue.channel_ids,
        "signatures": house.signatures,
        "ladder_channels": np.flatnonzero(channels["ladder"] >= 0),
        "log_channels": with_log,
        "logs": {
            name: column[channels["log"][with_log]]
            for name, column in tables.logs._asdict().items()
        },
        "silence": house.silence.snapshot(catalogue, tables),
        "overload": house.overload.snapshot(catalogue),
    }


def take_back(saved: dict[str, Any], house: House) -> None:
    """Take the state of a snapshot into a house at rest, of this or of another revision.

    Raises ``ValueError`` for a snapshot of another version.
    """
    if saved.get("version") != VERSION:
        raise ValueError(f"a snapshot of version {saved.get('version')!r}, not {VERSION}")
    pairs = match(saved["ids"], saved["signatures"], house)
    carry_over(saved, house, pairs)
    if saved["revision"] == house.catalogue.revision:
        _carry_logs(saved, pairs, house)


def carry_over(saved: dict[str, Any], house: House, pairs: Pairs) -> None:
    """Take the state of ``saved`` into a house at rest; the logs begin anew."""
    old, new = pairs
    tables = house.tables
    for name in _CHANNEL_STATE.names or ():
        tables.channels[name][new] = saved["channels"][name][old]
    after = np.full(len(saved["ids"]), -1, np.int64)
    after[old] = new
    carry_limits(busy_limits(saved["limits"], saved["channels"]["awake"]), after, tables)
    recount_grades(tables, np.arange(len(tables.channels)))
    wake_faults(tables.channels)
    _carry_ladders(saved, pairs, tables)
    before = _before(pairs, house)
    house.silence.carry(saved["silence"], house.catalogue, pairs, before, tables.marks)
    house.overload.carry(saved["overload"], house.catalogue, before)
    _carry_features(saved["features"], before, house.catalogue, house.levels)
    restart_logs(house)


def match(ids: Sequence[str], signatures: Sequence[str], house: House) -> Pairs:
    """Return which channels of ``ids`` are channels of ``house`` whose state means the same."""
    here = house.catalogue.channel_ids
    if ids is here or (len(ids) == len(here) and tuple(ids) == here):
        pairs = [
            (index, index)
            for index, (old, new) in enumerate(zip(signatures, house.signatures, strict=True))
            if old == new
        ]
    else:
        known = {name: place for place, name in enumerate(ids)}
        found = [(known.get(name, -1), new) for new, name in enumerate(here)]
        own = house.signatures
        pairs = [(old, new) for old, new in found if old >= 0 and signatures[old] == own[new]]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return Pairs(np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1]))


def _before(pairs: Pairs, house: House) -> Int64s:
    """Return for each channel of ``house`` its place before, -1 where it had none."""
    before = np.full(len(house.catalogue.channels), -1, np.int64)
    before[pairs.new] = pairs.old
    return before


def busy_limits(saved: Any, awake: Any) -> Records:
    """Return a copy of the limits of a snapshot that are not at rest: those of channels awake.

    A snapshot of today has no others; one of before has all.
    """
    busy = np.flatnonzero((awake != 0)[saved["channel"]])
    limits = np.zeros(len(busy), _LIMIT_STATE)
    for name in _LIMIT_STATE.names or ():
        limits[name] = saved[name][busy]
    return limits


def busy_limits_of(tables: Tables) -> Records:
    """Return the limits that are not at rest, as ``busy_limits`` does of a snapshot."""
    places, owners = limit_places(tables.channels, np.flatnonzero(tables.channels["awake"]))
    limits = np.zeros(len(places), _LIMIT_STATE)
    limits["channel"] = owners
    for name in (_LIMIT_STATE.names or ())[1:]:
        limits[name] = tables.limits[name][places]
    return limits


def carry_limits(busy: Records, after: Int64s, tables: Tables) -> None:
    """Carry limits with the same value whole; of those with a new value, whether they are held.

    ``after`` says which channel of ``tables`` each is now, -1 for none.
    """
    limits, channels = tables.limits, tables.channels
    busy = busy[after[busy["channel"]] >= 0]
    owner = after[busy["channel"]]
    first, count = channels["limit_first"][owner], channels["limit_count"][owner]
    for place in range(int(count.max(initial=0))):
        there = np.flatnonzero(place < count)
        new, old = first[there] + place, busy[there]
        fits = (limits["grade"][new] == old["grade"]) & (limits["low"][new] == old["low"])
        _carry_state(old[fits], limits, new[fits])


def _carry_state(old: Records, limits: Records, new: Int64s) -> None:
    limits["held"][new] = old["held"]
    same = limits["value"][new] == old["value"]
    for name in ("on_since_ns", "off_since_ns"):
        limits[name][new[same]] = old[name][same]
    same &= limits["m"][new] == old["m"]
    for name in ("history", "count"):
        limits[name][new[same]] = old[name][same]


def recount_grades(tables: Tables, chosen: Int64s) -> None:
    """Write the worst held grade of each side, and who is awake, into the records of channels."""
    channels = tables.channels
    places, owners = limit_places(channels, chosen)
    limits = {name: tables.limits[name][places] for name in ("held", "low", "grade", "history")}
    for side, name in ((0, "high"), (1, "low")):
        channels[name][chosen] = 0
        held = (limits["held"] == 1) & (limits["low"] == side)
        np.maximum.at(channels[name], owners[held], limits["grade"][held])
    pending = tables.limits["on_since_ns"][places] != NONE_NS
    busy = (limits["held"] == 1) | pending | (limits["history"] != 0)
    channels["awake"][chosen] = 0
    channels["awake"][owners[busy]] = 1


def wake_faults(channels: Records) -> None:
    """Mark each fault channel that is not at rest at its parent, whatever was carried of either."""
    channels["fault_live"] |= channels["fault_always"]
    for name, bit in FAULT_LINKS.items():
        parent = np.flatnonzero(channels[name] >= 0)
        own = channels[channels[name][parent]]
        live = (own["awake"] == 1) | (np.nan_to_num(own["value"]) != 0.0)
        channels["fault_live"][parent[live]] |= bit


def _carry_ladders(saved: dict[str, Any], pairs: Pairs, tables: Tables) -> None:
    rows = np.full(len(saved["ids"]), -1, np.int64)
    rows[saved["ladder_channels"]] = np.arange(len(saved["ladder_channels"]))
    row, slot = rows[pairs.old], tables.channels["ladder"][pairs.new]
    # The run was kept otherwise: it begins anew.
    tables.channels["last_good"][pairs.new[(row >= 0) != (slot >= 0)]] = np.nan
    both = (row >= 0) & (slot >= 0)
    for name, column in tables.ladders._asdict().items():
        column[slot[both]] = saved["ladders"][name][row[both]]


def restart_logs(house: House) -> None:
    """Give each channel not at rest a log that begins here."""
    channels = house.tables.channels
    awake = np.flatnonzero(channels["awake"])
    slots = max(16, 1 << (len(awake) + 8).bit_length())
    logs = make_logs(slots)
    channels["log"] = -1
    channels["log"][awake] = np.arange(len(awake))
    logs.length[: len(awake)] = LOG_READINGS  # full: the next reading finds the limits as they are
    house.tables = house.tables._replace(logs=logs, free=free_stack(len(awake), slots))


def _carry_logs(saved: dict[str, Any], pairs: Pairs, house: House) -> None:
    """Give each channel not at rest the log it had."""
    rows = np.full(len(saved["ids"]), -1, np.int64)
    rows[saved["log_channels"]] = np.arange(len(saved["log_channels"]))
    before = _before(pairs, house)
    awake = np.flatnonzero(house.tables.channels["awake"] & (before >= 0))
    row = rows[before[awake]]
    slot = house.tables.channels["log"][awake[row >= 0]]
    for name, column in house.tables.logs._asdict().items():
        column[slot] = saved["logs"][name][row[row >= 0]]


def _save_features(levels: list[Level], take: Callable[[Records], Records]) -> list[dict[str, Any]]:
    return [
        {"ids": ids, "records": take(bank.records), "cells": take(bank.cells)}
        for level in levels
        for ids, bank in zip(level.ids, level.banks, strict=True)
    ]


def _carry_features(
    saved: list[dict[str, Any]], before: Int64s, catalogue: Catalogue, levels: list[Level]
) -> None:
    """Carry the features of the channels that have a place in ``before``."""
    where = {
        name: (number, slot)
        for number, part in enumerate(saved)
        for slot, name in enumerate(part["ids"])
    }
    for level in levels:
        for members, bank in zip(level.channels, level.banks, strict=True):
            found = [
                (*where.get(catalogue.channel_ids[index], (-1, 0)), slot)
                for slot, index in enumerate(members.tolist())
                if before[index] >= 0
            ]
            table = np.array(found, np.int64).reshape(-1, 3)
            for number in np.unique(table[table[:, 0] >= 0, 0]).tolist():
                own = table[table[:, 0] == number]
                part = saved[number]
                bank.load(own[:, 2], part["records"], part["cells"], own[:, 1])
