"""Snapshots: all state keyed by channel id, and how it goes over to another revision.

There is one way over, for a restart and for a new catalogue: a snapshot is taken of the old house
and carried over to the new one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

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
from analytics.plan import Level
from analytics.tables import FAULT_LINKS, free_stack
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
    limits = np.zeros(len(tables.limits), _LIMIT_STATE)
    for name, column in _limit_columns(tables).items():
        limits[name] = column
    return {
        **look_at(house),
        "channels": _select(tables.channels, _CHANNEL_STATE),
        "limits": limits,
        "ladders": {name: column.copy() for name, column in tables.ladders._asdict().items()},
        "features": _save_features(house.catalogue, house.levels, copy=True),
    }


def look_at(house: House) -> dict[str, Any]:
    """Return what ``take_snapshot`` does without copying it: it changes with the next step."""
    catalogue, tables = house.catalogue, house.tables
    channels = tables.channels
    with_log = np.flatnonzero(channels["log"] >= 0)
    return {
        "version": VERSION,
        "revision": catalogue.revision,
        "ids": list(catalogue.channel_ids),
        "signatures": house.signatures,
        "channels": channels,
        "limits": _limit_columns(tables),
        "ladder_channels": np.flatnonzero(channels["ladder"] >= 0),
        "ladders": tables.ladders._asdict(),
        "log_channels": with_log,
        "logs": {
            name: column[channels["log"][with_log]]
            for name, column in tables.logs._asdict().items()
        },
        "silence": house.silence.snapshot(catalogue, tables),
        "features": _save_features(catalogue, house.levels, copy=False),
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
    _carry_limits(saved["limits"], len(saved["ids"]), pairs, tables)
    recount_grades(tables)
    wake_faults(tables.channels)
    _carry_ladders(saved, pairs, tables)
    before = _before(pairs, house)
    house.silence.carry(saved["silence"], house.catalogue, pairs, before, tables.marks)
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


def _select(records: Records, dtype: npt.DTypeLike) -> Records:
    selected = np.zeros(len(records), dtype)
    for name in selected.dtype.names or ():
        selected[name] = records[name]
    return selected


def _owners(channels: Records) -> Int64s:
    return np.repeat(np.arange(len(channels)), channels["limit_count"])


def _limit_columns(tables: Tables) -> dict[str, Any]:
    columns = {name: tables.limits[name] for name in (_LIMIT_STATE.names or ())[1:]}
    return {"channel": _owners(tables.channels), **columns}


def _carry_limits(saved: Any, channel_count: int, pairs: Pairs, tables: Tables) -> None:
    """Carry limits with the same value whole; of those with a new value, whether they are held.

    Only those that are not at rest are looked at: they are few.
    """
    limits, channels = tables.limits, tables.channels
    after = np.full(channel_count, -1, np.int64)
    after[pairs.old] = pairs.new
    busy = np.flatnonzero(
        (saved["held"] != 0) | (saved["history"] != 0) | (saved["count"] != 0)
        | (saved["on_since_ns"] != NONE_NS) | (saved["off_since_ns"] != NONE_NS)
    )  # fmt: skip
    busy = busy[after[saved["channel"][busy]] >= 0]
    owner = after[saved["channel"][busy]]
    first, count = channels["limit_first"][owner], channels["limit_count"][owner]
    for place in range(int(count.max(initial=0))):
        there = np.flatnonzero(place < count)
        new, old = first[there] + place, busy[there]
        fits = (limits["grade"][new] == saved["grade"][old]) & (
            limits["low"][new] == saved["low"][old]
        )
        _carry_state(saved, old[fits], limits, new[fits])


def _carry_state(saved: Any, old: Int64s, limits: Records, new: Int64s) -> None:
    limits["held"][new] = saved["held"][old]
    same = limits["value"][new] == saved["value"][old]
    for name in ("on_since_ns", "off_since_ns"):
        limits[name][new[same]] = saved[name][old[same]]
    same &= limits["m"][new] == saved["m"][old]
    for name in ("history", "count"):
        limits[name][new[same]] = saved[name][old[same]]


def recount_grades(tables: Tables) -> None:
    """Write the worst held grade of each side, and who is awake, into the channels' records."""
    channels, limits, owners = tables.channels, tables.limits, _owners(tables.channels)
    for side, name in ((0, "high"), (1, "low")):
        channels[name] = 0
        held = (limits["held"] == 1) & (limits["low"] == side)
        np.maximum.at(channels[name], owners[held], limits["grade"][held])
    busy = (limits["held"] == 1) | (limits["on_since_ns"] != NONE_NS) | (limits["history"] != 0)
    channels["awake"] = 0
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


def _save_features(
    catalogue: Catalogue, levels: list[Level], *, copy: bool
) -> list[dict[str, Any]]:
    return [
        {
            "ids": [catalogue.channel_ids[index] for index in members.tolist()],
            "records": bank.records.copy() if copy else bank.records,
            "cells": bank.cells.copy() if copy else bank.cells,
        }
        for level in levels
        for members, bank in zip(level.channels, level.banks, strict=True)
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
