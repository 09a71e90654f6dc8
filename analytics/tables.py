"""From a catalogue to the core's tables: parameters filled in, all state at rest."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

from analytics.layout import (
    CHANNEL,
    CHECK_CHANGE,
    CHECK_FLAT,
    FAULT_CLOCK,
    FAULT_NOISE,
    FAULT_RANGE,
    FAULT_STUCK,
    HEARD,
    LIMIT,
    NEVER,
    NONE_NS,
    Records,
    Tables,
    make_ladders,
    make_logs,
    make_records,
)
from domain.catalogue import Catalogue, Channel, Limit
from domain.grade import FaultKind, Side
from domain.readings import Float64s, Int32s, Int64s
from domain.time import NS_PER_S, seconds_to_ns

T = TypeVar("T")

INTERVALS_MISSED = 3  # a gap, and a watermark restart, is more than so many intervals
LOG_SLOTS_FIRST = 16

FAULT_LINKS = {  # field of the parent's record that holds the fault channel's index, and its bit
    "range_channel": FAULT_RANGE,
    "stuck_channel": FAULT_STUCK,
    "noise_channel": FAULT_NOISE,
    "clock_channel": FAULT_CLOCK,
}
# Values of these come by the tick or by arrival, not by the sample: no gap says anything.
_WITHOUT_GAPS = (FaultKind.SILENT, FaultKind.CLOCK, FaultKind.OVERLOAD)


def build_tables(catalogue: Catalogue) -> Tables:
    """Return the tables of ``catalogue``, all state at rest."""
    of = catalogue.channels
    channels = make_records(len(of), CHANNEL)
    limits = _fill_limits(channels, of)
    _fill_state(channels)
    _fill_checks(channels, of)
    _fill_intervals(channels, catalogue)
    fill_quiet_band(channels, limits, np.arange(len(of)))
    link_faults(channels, catalogue)
    ladders = (channels["checks"] & CHECK_FLAT != 0) & (channels["flat_tolerance"] > 0)
    channels["ladder"] = np.where(ladders, np.cumsum(ladders) - 1, -1)
    return Tables(
        channels=channels,
        limits=limits,
        marks=np.full(len(channels), HEARD, np.int64),
        ladders=make_ladders(int(ladders.sum())),
        logs=make_logs(LOG_SLOTS_FIRST),
        free=free_stack(0, LOG_SLOTS_FIRST),
    )


def _fill_limits(channels: Records, of: Sequence[Channel]) -> Records:
    """Write where the channels' limits begin, and return the limits' records, none held."""
    own, which = _distinct(map(attrgetter("limits"), of))
    counts = np.fromiter(map(len, own), np.int32, len(own))
    records = limit_records(list(chain.from_iterable(own)), counts)
    count = counts[which].astype(np.int64)
    channels["limit_first"] = np.cumsum(count) - count
    channels["limit_count"] = count
    first: Int64s = (np.cumsum(counts) - counts)[which]
    return records[_spread(first, count)]


def _distinct(objects: Iterable[T]) -> tuple[list[T], Int64s]:
    """Return the objects that are not the same one, and which of them each is.

    What is equal in a stored catalogue is one object (``storage.catalogue.packing``).
    """
    own: list[T] = []
    places: dict[int, int] = {}
    which = []
    for one in objects:
        place = places.setdefault(id(one), len(own))
        if place == len(own):
            own.append(one)
        which.append(place)
    return own, np.array(which, np.int64)


def order_limits(channel: Channel) -> list[Limit]:
    """Return the channel's limits by side and rising grade: the last one held is the worst."""
    return sorted(channel.limits, key=attrgetter("side", "grade"))


def limit_records(limits: Sequence[Limit], counts: Int32s) -> Records:
    """Return the records of limits, none held, ordered as by ``order_limits`` within a channel.

    ``counts`` says how many of ``limits`` belong to each channel in turn.
    """

    def column(name: str, dtype: type) -> np.ndarray[Any, Any]:
        return np.fromiter(map(attrgetter(name), limits), dtype, len(limits))

    records = np.zeros(len(limits), LIMIT)
    records["on_since_ns"] = records["off_since_ns"] = NONE_NS
    low = column("side", np.int64) == Side.LOW
    value, deadband = column("value", np.float64), column("deadband", np.float64)
    records["value"], records["low"] = value, low
    records["release"] = np.where(low, value + deadband, value - deadband)
    records["on_ns"] = _nanoseconds(column("on_delay_s", np.float64))
    records["off_ns"] = _nanoseconds(column("off_delay_s", np.float64))
    records["grade"] = column("grade", np.uint8)
    records["n"] = column("n", np.uint8)
    m = records["m"] = column("m", np.uint8)
    shifted = np.left_shift(np.uint64(1), np.minimum(m, 63).astype(np.uint64)) - np.uint64(1)
    records["mask"] = np.where(m >= 64, ~np.uint64(0), shifted)
    rank = np.repeat(np.arange(len(counts)), counts) * 16 + low * 8 + records["grade"]
    in_order = bool((rank[1:] >= rank[:-1]).all())
    return records if in_order else records[np.argsort(rank, kind="stable")]


def limit_places(channels: Records, chosen: Int64s) -> tuple[Int64s, Int64s]:
    """Return the places of the limits of ``chosen`` channels, and whose each is."""
    first, count = channels["limit_first"][chosen], channels["limit_count"][chosen]
    return _spread(first, count), np.repeat(chosen, count)


def _spread(first: Int64s, count: Int64s) -> Int64s:
    """Return ``first[i], first[i] + 1, …``, ``count[i]`` of them, for each i in turn."""
    starts = np.repeat(np.cumsum(count) - count, count)
    return np.repeat(first, count) + np.arange(len(starts)) - starts


def _nanoseconds(seconds: Float64s) -> Int64s:
    """Return ``domain.time.seconds_to_ns`` of a column; what int64 cannot hold is for ever."""
    return np.minimum(np.rint(seconds * NS_PER_S), 9.2e18).astype(np.int64)


def free_stack(used: int, slots: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """Return the stack of free log slots where the first ``used`` of ``slots`` are taken."""
    stack = np.zeros(slots + 1, np.int32)
    stack[0] = slots - used
    stack[1 : slots - used + 1] = np.arange(slots - 1, used - 1, -1)
    return stack


def grow_logs(tables: Tables) -> Tables:
    """Return the same tables with room for twice as many logs."""
    slots = len(tables.logs.length)
    larger = make_logs(2 * slots)
    for name, column in larger._asdict().items():
        column[:slots] = getattr(tables.logs, name)
    free = np.zeros(2 * slots + 1, np.int32)
    height = int(tables.free[0])
    free[0] = height + slots
    free[1 : height + 1] = tables.free[1 : height + 1]
    free[height + 1 : height + slots + 1] = np.arange(2 * slots - 1, slots - 1, -1)
    return tables._replace(logs=larger, free=free)


def _fill_state(channels: Records) -> None:
    for name in ("value", "last_good", "previous", "flat_value"):
        channels[name] = np.nan
    channels["quality"] = 9  # missing
    channels["log"] = -1
    for name in FAULT_LINKS:
        channels[name] = -1


def _fill_checks(channels: Records, of: Sequence[Channel]) -> None:
    checks, which = _distinct(map(attrgetter("checks"), of))

    def column(name: str, missing: float) -> Float64s:
        values = np.array(list(map(attrgetter(name), checks)), np.float64)  # None: not a number
        filled: Float64s = np.where(np.isnan(values), missing, values)[which]
        return filled

    for name in ("fail_low", "suspect_low"):
        channels[name] = column(name, -np.inf)
    for name in ("fail_high", "suspect_high", "spike"):
        channels[name] = column(name, np.inf)
    channels["rate_per_ns"] = column("rate_per_s", np.inf) / 1e9
    channels["flat_tolerance"] = column("flat_tolerance", 0.0)
    flat_s = column("flat_s", np.nan)
    without = np.isnan(flat_s)
    channels["flat_ns"] = np.where(without, NEVER, _nanoseconds(np.where(without, 0.0, flat_s)))
    changing = np.isfinite(channels["spike"]) | np.isfinite(channels["rate_per_ns"])
    channels["checks"] = changing * CHECK_CHANGE + ~without * CHECK_FLAT


def _fill_intervals(channels: Records, catalogue: Catalogue) -> None:
    of = catalogue.channels
    sample_s = np.fromiter((one.sample_interval_s for one in of), np.float64, len(of))
    on_change = np.fromiter((one.on_change for one in of), np.bool_, len(of))
    no_gaps = np.fromiter((one.fault in _WITHOUT_GAPS for one in of), np.bool_, len(of))
    sample_ns = _nanoseconds(sample_s)
    endless = (sample_ns <= 0) | on_change | no_gaps
    channels["gap_ns"] = np.where(endless, NEVER, INTERVALS_MISSED * sample_ns)
    uploads = [seconds_to_ns(gateway.upload_interval_s) for gateway in catalogue.gateways]
    places = catalogue.gateway_index
    own = (len(uploads) if one.gateway is None else places[one.gateway] for one in of)
    upload_ns = np.array([*uploads, 0], np.int64)[np.fromiter(own, np.int64, len(of))]
    channels["restart_ns"] = INTERVALS_MISSED * np.maximum(sample_ns, upload_ns)


def fill_quiet_band(channels: Records, limits: Records, chosen: Int64s) -> None:
    """Write between which values a reading of ``chosen`` channels exceeds no limit."""
    places, owners = limit_places(channels, chosen)
    low, value = limits["low"][places] == 1, limits["value"][places]
    highest, lowest = np.full(len(channels), -np.inf), np.full(len(channels), np.inf)
    np.minimum.at(lowest, owners[~low], value[~low])
    np.maximum.at(highest, owners[low], value[low])
    channels["quiet_high"][chosen], channels["quiet_low"][chosen] = lowest[chosen], highest[chosen]
    for side, nearest in (("high", np.minimum), ("low", np.maximum)):
        ends = [channels[f"{name}_{side}"][chosen] for name in ("quiet", "suspect", "fail")]
        channels[f"calm_{side}"][chosen] = nearest.reduce(ends)


def link_faults(
    channels: Records, catalogue: Catalogue, chosen: Iterable[int] | None = None
) -> None:
    """Write into the records what fault channels watch them, of the ``chosen`` ones or of all."""
    of, places = catalogue.channels, catalogue.channel_index
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in FAULT_LINKS}
    for index in range(len(of)) if chosen is None else chosen:
        channel = of[index]
        if channel.fault_of is not None and (name := f"{channel.fault}_channel") in found:
            found[name].append((places[channel.fault_of], index))
    for name, bit in FAULT_LINKS.items():
        table = np.array(found[name], np.int64).reshape(-1, 2)
        parents, own = table[:, 0], table[:, 1]
        channels[name][parents] = own
        quiet = (channels["quiet_low"][own] < 0.0) & (channels["quiet_high"][own] > 0.0)
        channels["fault_always"][parents[quiet]] &= np.uint8(255 - bit)
        channels["fault_always"][parents[~quiet]] |= np.uint8(bit)
        channels["fault_live"][parents[~quiet]] |= np.uint8(bit)
