"""Snapshots: all state keyed by channel id, and how it goes over to another revision.

There is one way over, for a restart and for a new catalogue: a snapshot is taken of the old house
and carried over to the new one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.features.bank import signature
from analytics.layout import (
    CHANNEL,
    CHANNEL_STATE,
    LIMIT_STATE,
    LOG_READINGS,
    NONE_NS,
    Logs,
    Records,
    Tables,
    make_logs,
)
from analytics.overload import Overload
from analytics.plan import Level, input_indices
from analytics.silence import Silence
from analytics.tables import FAULT_LINKS, free_stack
from domain.catalogue import Catalogue
from domain.readings import Int64s

VERSION = 1

_CHANNEL_STATE = np.dtype([(name, CHANNEL[name]) for name in CHANNEL_STATE])
_LIMIT_STATE = np.dtype(
    [("channel", "i8"), ("grade", "u1"), ("low", "u1"), ("m", "u1"), ("value", "f8"), *LIMIT_STATE]
)


def take_snapshot(
    catalogue: Catalogue,
    tables: Tables,
    levels: list[Level],
    watched: tuple[Silence, Overload],
    signatures: list[str],
) -> dict[str, Any]:
    """Return all state in plain values and arrays; ``signatures`` are those of ``sign``."""
    channels = tables.channels
    silence, overload = watched
    with_log = np.flatnonzero(channels["log"] >= 0)
    with_ladder = np.flatnonzero(channels["ladder"] >= 0)
    return {
        "version": VERSION,
        "revision": catalogue.revision,
        "ids": list(catalogue.channel_ids),
        "signatures": signatures,
        "channels": _select(channels, _CHANNEL_STATE),
        "limits": _save_limits(tables),
        "ladder_channels": with_ladder,
        "ladders": {name: column.copy() for name, column in tables.ladders._asdict().items()},
        "log_channels": with_log,
        "logs": {
            name: column[channels["log"][with_log]]
            for name, column in tables.logs._asdict().items()
        },
        "silence": silence.snapshot(catalogue, tables),
        "overload": overload.snapshot(catalogue),
        "features": _save_features(catalogue, levels),
    }


def carry_over(
    saved: dict[str, Any],
    catalogue: Catalogue,
    tables: Tables,
    levels: list[Level],
    watched: tuple[Silence, Overload],
    signatures: list[str],
) -> Tables:
    """Take the state of ``saved`` into a house at rest; return its tables with the logs in place.

    Raises ``ValueError`` for a snapshot of another version.
    """
    if saved.get("version") != VERSION:
        raise ValueError(f"a snapshot of version {saved.get('version')!r}, not {VERSION}")
    old, new = _same_channels(saved, catalogue, signatures)
    for name in _CHANNEL_STATE.names or ():
        tables.channels[name][new] = saved["channels"][name][old]
    _carry_limits(saved["limits"], old, new, tables)
    _wake_faults(tables.channels)
    _carry_ladders(saved, old, new, tables)
    silence, overload = watched
    silence.carry(saved["silence"], catalogue, old, new, tables.marks)
    overload.carry(saved["overload"], catalogue, old, new)
    _carry_features(saved["features"], {saved["ids"][i] for i in old.tolist()}, catalogue, levels)
    return _carry_logs(saved, catalogue, old, new, tables)


def sign(catalogue: Catalogue) -> list[str]:
    """Return for each channel a text that stays the same while its state keeps its meaning.

    It takes long where there are many channels, and is the same for a whole revision.
    """
    return [
        signature(channel, [catalogue.channels[i] for i in input_indices(catalogue, index)])
        for index, channel in enumerate(catalogue.channels)
    ]


def _select(records: Records, dtype: npt.DTypeLike) -> Records:
    selected = np.zeros(len(records), dtype)
    for name in selected.dtype.names or ():
        selected[name] = records[name]
    return selected


def _same_channels(
    saved: dict[str, Any], catalogue: Catalogue, signatures: list[str]
) -> tuple[Int64s, Int64s]:
    known = {name: place for place, name in enumerate(saved["ids"])}
    pairs = []
    for new, (name, own) in enumerate(zip(catalogue.channel_ids, signatures, strict=True)):
        old = known.get(name)
        if old is not None and saved["signatures"][old] == own:
            pairs.append((old, new))
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _owners(channels: Records) -> Int64s:
    return np.repeat(np.arange(len(channels)), channels["limit_count"])


def _save_limits(tables: Tables) -> Records:
    saved = np.zeros(len(tables.limits), _LIMIT_STATE)
    saved["channel"] = _owners(tables.channels)
    for name in (_LIMIT_STATE.names or ())[1:]:
        saved[name] = tables.limits[name]
    return saved


def _carry_limits(saved: Records, old: Int64s, new: Int64s, tables: Tables) -> None:
    """Carry limits with the same value whole; of those with a new value, whether they are held."""
    limits, channels = tables.limits, tables.channels
    before = np.full(len(channels), -1, np.int64)
    before[new] = old
    wanted = before[_owners(channels)] * 16 + limits["grade"] * 2 + limits["low"]
    have = saved["channel"] * 16 + saved["grade"] * 2 + saved["low"]
    order = np.argsort(have, kind="stable")
    place = np.searchsorted(have, wanted, sorter=order)
    found = np.flatnonzero(place < len(have))
    found = found[have[order[place[found]]] == wanted[found]]
    source = saved[order[place[found]]]
    limits["held"][found] = source["held"]
    same = limits["value"][found] == source["value"]
    for name in ("on_since_ns", "off_since_ns"):
        limits[name][found[same]] = source[name][same]
    same &= limits["m"][found] == source["m"]
    for name in ("history", "count"):
        limits[name][found[same]] = source[name][same]
    _recount_grades(tables)


def _recount_grades(tables: Tables) -> None:
    channels, limits, owners = tables.channels, tables.limits, _owners(tables.channels)
    for side, name in ((0, "high"), (1, "low")):
        channels[name] = 0
        held = (limits["held"] == 1) & (limits["low"] == side)
        np.maximum.at(channels[name], owners[held], limits["grade"][held])
    busy = (limits["held"] == 1) | (limits["on_since_ns"] != NONE_NS) | (limits["history"] != 0)
    channels["awake"] = 0
    channels["awake"][owners[busy]] = 1


def _wake_faults(channels: Records) -> None:
    """Mark each fault channel that is not at rest at its parent, whatever was carried of either."""
    channels["fault_live"] |= channels["fault_always"]
    for name, bit in FAULT_LINKS.items():
        parent = np.flatnonzero(channels[name] >= 0)
        own = channels[channels[name][parent]]
        live = (own["awake"] == 1) | (np.nan_to_num(own["value"]) != 0.0)
        channels["fault_live"][parent[live]] |= bit


def _carry_ladders(saved: dict[str, Any], old: Int64s, new: Int64s, tables: Tables) -> None:
    rows = {channel: row for row, channel in enumerate(saved["ladder_channels"].tolist())}
    ladders, channels = tables.ladders, tables.channels
    for before, now in zip(old.tolist(), new.tolist(), strict=True):
        row, slot = rows.get(before, -1), int(channels["ladder"][now])
        if (row >= 0) != (slot >= 0):
            channels["last_good"][now] = np.nan  # the run was kept otherwise: it begins anew
        elif row >= 0:
            for name, column in ladders._asdict().items():
                column[slot] = saved["ladders"][name][row]


def _carry_logs(
    saved: dict[str, Any], catalogue: Catalogue, old: Int64s, new: Int64s, tables: Tables
) -> Tables:
    """Give each channel not at rest a log: its own within a revision, else one that begins here."""
    channels = tables.channels
    awake = np.flatnonzero(channels["awake"])
    slots = max(16, 1 << (len(awake) + 8).bit_length())
    logs = make_logs(slots)
    channels["log"] = -1
    channels["log"][awake] = np.arange(len(awake))
    logs.length[: len(awake)] = LOG_READINGS  # full: the next reading finds the limits as they are
    if saved["revision"] == catalogue.revision:
        rows = {channel: row for row, channel in enumerate(saved["log_channels"].tolist())}
        before = dict(zip(new.tolist(), old.tolist(), strict=True))
        for slot, channel in enumerate(awake.tolist()):
            row = rows.get(before.get(channel, -1), -1)
            if row >= 0:
                for name, column in logs._asdict().items():
                    column[slot] = saved["logs"][name][row]
    return tables._replace(logs=Logs(*logs), free=free_stack(len(awake), slots))


def _save_features(catalogue: Catalogue, levels: list[Level]) -> list[dict[str, Any]]:
    return [
        {
            "ids": [catalogue.channel_ids[index] for index in members.tolist()],
            "records": bank.records.copy(),
            "cells": bank.cells.copy(),
        }
        for level in levels
        for members, bank in zip(level.channels, level.banks, strict=True)
    ]


def _carry_features(
    saved: list[dict[str, Any]], kept: set[str], catalogue: Catalogue, levels: list[Level]
) -> None:
    where = {
        name: (part, slot)
        for part in saved
        for slot, name in enumerate(part["ids"])
        if name in kept
    }
    for level in levels:
        for members, bank in zip(level.channels, level.banks, strict=True):
            for slot, index in enumerate(members.tolist()):
                part, before = where.get(catalogue.channel_ids[index], (None, 0))
                if part is not None:
                    bank.load(slot, part["records"], part["cells"], before)
