"""From a catalogue to the core's tables: parameters filled in, all state at rest."""

from collections.abc import Sequence

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
from domain.time import seconds_to_ns

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
    channels = make_records(len(catalogue.channels), CHANNEL)
    limits = [order_limits(channel) for channel in catalogue.channels]
    counts = np.array([len(own) for own in limits], np.int32)
    channels["limit_first"] = np.cumsum(counts) - counts
    channels["limit_count"] = counts
    _fill_state(channels)
    _fill_checks(channels, catalogue.channels)
    _fill_intervals(channels, catalogue)
    _fill_quiet_band(channels, limits)
    _link_faults(channels, catalogue)
    ladders = (channels["checks"] & CHECK_FLAT != 0) & (channels["flat_tolerance"] > 0)
    channels["ladder"] = np.where(ladders, np.cumsum(ladders) - 1, -1)
    return Tables(
        channels=channels,
        limits=limit_records([limit for own in limits for limit in own]),
        marks=np.full(len(channels), HEARD, np.int64),
        ladders=make_ladders(int(ladders.sum())),
        logs=make_logs(LOG_SLOTS_FIRST),
        free=free_stack(0, LOG_SLOTS_FIRST),
    )


def order_limits(channel: Channel) -> list[Limit]:
    """Return the channel's limits by side and rising grade: the last one held is the worst."""
    return sorted(channel.limits, key=lambda limit: (limit.side, limit.grade))


def limit_records(limits: Sequence[Limit]) -> Records:
    """Return the records of ``limits``, in their order, none of them held."""
    records = np.zeros(len(limits), LIMIT)
    records["on_since_ns"] = records["off_since_ns"] = NONE_NS
    low = np.array([limit.side is Side.LOW for limit in limits], np.bool_)
    value = np.array([limit.value for limit in limits], np.float64)
    deadband = np.array([limit.deadband for limit in limits], np.float64)
    records["value"], records["low"] = value, low
    records["release"] = np.where(low, value + deadband, value - deadband)
    records["on_ns"] = [seconds_to_ns(limit.on_delay_s) for limit in limits]
    records["off_ns"] = [seconds_to_ns(limit.off_delay_s) for limit in limits]
    records["mask"] = np.array([(1 << limit.m) - 1 for limit in limits], np.uint64)
    records["grade"] = [limit.grade for limit in limits]
    records["n"] = [limit.n for limit in limits]
    records["m"] = [limit.m for limit in limits]
    return records


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
    def column(name: str, missing: float) -> list[float]:
        values = (getattr(channel.checks, name) for channel in of)
        return [missing if value is None else float(value) for value in values]

    for name in ("fail_low", "suspect_low"):
        channels[name] = column(name, -np.inf)
    for name in ("fail_high", "suspect_high", "spike"):
        channels[name] = column(name, np.inf)
    channels["rate_per_ns"] = np.array(column("rate_per_s", np.inf)) / 1e9
    channels["flat_tolerance"] = column("flat_tolerance", 0.0)
    flat_s = [channel.checks.flat_s for channel in of]
    channels["flat_ns"] = [NEVER if s is None else seconds_to_ns(s) for s in flat_s]
    changing = np.isfinite(channels["spike"]) | np.isfinite(channels["rate_per_ns"])
    flat = channels["flat_ns"] != NEVER
    channels["checks"] = changing * CHECK_CHANGE + flat * CHECK_FLAT


def _fill_intervals(channels: Records, catalogue: Catalogue) -> None:
    gap_ns, restart_ns = [], []
    for channel in catalogue.channels:
        sample_ns = seconds_to_ns(channel.sample_interval_s)
        endless = sample_ns <= 0 or channel.on_change or channel.fault in _WITHOUT_GAPS
        gap_ns.append(NEVER if endless else INTERVALS_MISSED * sample_ns)
        upload_ns = 0
        if channel.gateway is not None:
            place = catalogue.gateway_index[channel.gateway]
            upload_ns = seconds_to_ns(catalogue.gateways[place].upload_interval_s)
        restart_ns.append(INTERVALS_MISSED * max(sample_ns, upload_ns))
    channels["gap_ns"] = gap_ns
    channels["restart_ns"] = restart_ns


def _fill_quiet_band(channels: Records, limits: Sequence[Sequence[Limit]]) -> None:
    high = [[x.value for x in own if x.side is Side.HIGH] for own in limits]
    low = [[x.value for x in own if x.side is Side.LOW] for own in limits]
    channels["quiet_high"] = [min(values, default=np.inf) for values in high]
    channels["quiet_low"] = [max(values, default=-np.inf) for values in low]
    high_ends = [channels[f"{name}_high"] for name in ("quiet", "suspect", "fail")]
    low_ends = [channels[f"{name}_low"] for name in ("quiet", "suspect", "fail")]
    channels["calm_high"] = np.minimum.reduce(high_ends)
    channels["calm_low"] = np.maximum.reduce(low_ends)


def _link_faults(channels: Records, catalogue: Catalogue) -> None:
    for index, channel in enumerate(catalogue.channels):
        name = f"{channel.fault}_channel"
        if channel.fault_of is None or name not in FAULT_LINKS:
            continue
        parent = channels[catalogue.channel_index[channel.fault_of]]
        parent[name] = index
        own = channels[index]
        if not own["quiet_low"] < 0.0 < own["quiet_high"]:
            parent["fault_always"] |= FAULT_LINKS[name]
            parent["fault_live"] |= FAULT_LINKS[name]
