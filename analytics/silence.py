"""Silence: how long gateways and channels have not been heard, counted in ticks.

Only time counts in which hearing was possible: ticks' elapsed time with the broker connected. Each
gateway has two clocks that run on it: one for the silence of its channels, which stands while the
gateway itself is silent or offline, and one for the delays of channels that report on change,
which stands only while it is offline. A channel's silence is the reading of its clock less its
mark; an arrival sets the mark to "heard", and the tick behind it begins to count.
"""

from typing import Any

import numpy as np

from analytics.layout import HEARD, NEVER, Tables
from domain.catalogue import Catalogue
from domain.grade import FaultKind
from domain.journal import Tick
from domain.readings import Float64s, Int32s, Int64s
from domain.time import NS_PER_S, seconds_to_ns

_QUIET, _ON_CHANGE = 0, 1
_AT_TICKS = (FaultKind.SILENT, FaultKind.OVERLOAD)  # their values are new at each tick

# Silence is looked at with the ticks, each second: of a 100 Hz channel that sends each second, one
# tick without a message would be a hundred missed intervals.
_EXPECTED_NS_MIN = NS_PER_S


class Silence:
    """Clocks of the gateways, and the channels of the fault ``silent``."""

    def __init__(self, catalogue: Catalogue, roots: Int64s) -> None:
        """``roots`` are those of ``root_gateways``."""
        gateways = len(catalogue.gateways)
        self.unheard_ns = np.zeros(gateways, np.int64)  # by gateway
        self.heard = np.ones(gateways, np.bool_)  # since the last tick
        self.offline = np.zeros(gateways, np.bool_)
        self.interval_ns = _gateway_intervals(catalogue)
        self._clocks = np.zeros((2, gateways + 1), np.int64)  # the last gateway is "none"
        self._gateway = roots
        on_change = [channel.on_change for channel in catalogue.channels]
        self._which = np.array(on_change, np.int64) * _ON_CHANGE
        self._list_silent(catalogue)
        self.list_on_change(catalogue)

    def list_on_change(self, catalogue: Catalogue) -> None:
        """List the graded channels that report on change: with other limits it may be others."""
        graded = [
            channel.on_change and bool(channel.limits) and channel.fault not in _AT_TICKS
            for channel in catalogue.channels
        ]
        self.on_change = np.flatnonzero(np.array(graded, np.bool_)).astype(np.int32)

    def _list_silent(self, catalogue: Catalogue) -> None:
        of_channel, of_gateway = [], []
        for index, channel in enumerate(catalogue.channels):
            if channel.fault is not FaultKind.SILENT:
                continue
            if channel.fault_of is not None:
                parent = catalogue.channel_index[channel.fault_of]
                interval_ns = _expected_interval(catalogue, parent, int(self._gateway[parent]))
                if interval_ns != NEVER:
                    of_channel.append((index, parent, interval_ns))
            elif channel.gateway is not None:
                of_gateway.append((index, catalogue.gateway_index[channel.gateway]))
        table = np.array(of_channel, np.int64).reshape(-1, 3)
        self._parent, self._parent_interval_ns = table[:, 1], table[:, 2]
        gateways = np.array(of_gateway, np.int64).reshape(-1, 2)
        self._watched = gateways[:, 1]
        self.channels: Int32s = np.concatenate([gateways[:, 0], table[:, 0]]).astype(np.int32)
        self.missed = np.zeros(len(self.channels), np.int64)  # as last told
        self.unsettled = np.zeros(len(self.channels), np.bool_)  # each tick must be judged

    def hear(self, gateways: list[int], status: list[tuple[int, bool]]) -> None:
        """Take in whom frames came from, and the gateways' own words, in order."""
        self.heard[gateways] = True
        for gateway, online in status:
            self.offline[gateway] = not online

    def advance(self, tick: Tick, marks: Int64s) -> tuple[Int64s, Float64s]:
        """Let a tick pass; return the places in ``channels`` to judge now, and their values."""
        elapsed_ns = tick.elapsed_ns if tick.broker_connected else 0
        self.unheard_ns += elapsed_ns
        self.unheard_ns[self.heard] = 0
        self.heard[:] = False
        missed = self.unheard_ns // self.interval_ns
        missed = np.where(self.offline, np.maximum(missed, 1), missed)
        self._clocks[_QUIET, :-1] += np.where(missed > 0, 0, elapsed_ns)
        self._clocks[_ON_CHANGE, :-1] += np.where(self.offline, 0, elapsed_ns)
        heard = np.flatnonzero(marks == HEARD)
        marks[heard] = self._clocks[self._which[heard], self._gateway[heard]]
        silent_ns = self._clocks[_QUIET][self._gateway[self._parent]] - marks[self._parent]
        channels_missed = silent_ns // self._parent_interval_ns
        now = np.concatenate([missed[self._watched], channels_missed])
        places = np.flatnonzero((now != self.missed) | self.unsettled)
        self.missed = now
        return places, now[places].astype(np.float64)

    def standing_ns(self, channels: Int32s, marks: Int64s) -> Int64s:
        """Return for how long the values of ``channels`` have stood since they came."""
        clocks = self._clocks[self._which[channels], self._gateway[channels]]
        return np.where(marks[channels] == HEARD, 0, clocks - marks[channels])

    def snapshot(self, catalogue: Catalogue, tables: Tables) -> dict[str, Any]:
        """Return the gateways' part of a snapshot; the channels' is their standing time."""
        clocks = self._clocks[self._which, self._gateway]
        return {
            "gateways": [gateway.id for gateway in catalogue.gateways],
            "unheard_ns": self.unheard_ns.copy(),
            "heard": self.heard.copy(),
            "offline": self.offline.copy(),
            "standing_ns": np.where(tables.marks == HEARD, -1, clocks - tables.marks),
            "silent": self.channels.copy(),
            "missed": self.missed.copy(),
            "unsettled": self.unsettled.copy(),
        }

    def carry(
        self,
        saved: dict[str, Any],
        catalogue: Catalogue,
        pairs: tuple[Int64s, Int64s],
        before: Int64s,
        marks: Int64s,
    ) -> None:
        """Take a snapshot over: channel ``old[i]`` of it is channel ``new[i]`` of ``pairs`` here.

        ``before`` says the same by channel, -1 where there is none.
        """
        old, new = pairs
        known = {gateway: place for place, gateway in enumerate(saved["gateways"])}
        for place, gateway in enumerate(catalogue.gateways):
            if gateway.id in known:
                there = known[gateway.id]
                self.unheard_ns[place] = saved["unheard_ns"][there]
                self.heard[place] = saved["heard"][there]
                self.offline[place] = saved["offline"][there]
        standing_ns = saved["standing_ns"][old]
        marks[new] = np.where(standing_ns < 0, HEARD, -standing_ns)
        told = np.full(len(saved["standing_ns"]) + 1, -1, np.int64)  # the last is for "none"
        told[saved["silent"]] = np.arange(len(saved["silent"]))
        source = told[before[self.channels]]
        self.missed[source >= 0] = saved["missed"][source[source >= 0]]
        self.unsettled[source >= 0] = saved["unsettled"][source[source >= 0]]


def root_gateways(catalogue: Catalogue) -> Int64s:
    """Return by channel the index of the gateway that its readings come from in the end, or -1."""
    index, gateways = catalogue.channel_index, catalogue.gateway_index
    roots = np.full(len(catalogue.channels), -1, np.int64)
    parents = np.full(len(catalogue.channels), -1, np.int64)
    for place, channel in enumerate(catalogue.channels):
        if channel.gateway is not None:
            roots[place] = gateways[channel.gateway]
        elif channel.fault_of is not None:
            parents[place] = index[channel.fault_of]
        elif channel.feature is not None and channel.feature.inputs:
            parents[place] = index[channel.feature.inputs[0]]
    while True:
        waiting = np.flatnonzero((roots < 0) & (parents >= 0))
        found = waiting[roots[parents[waiting]] >= 0]
        if not len(found):
            return roots
        roots[found] = roots[parents[found]]


def _expected_interval(catalogue: Catalogue, index: int, gateway: int) -> int:
    channel = catalogue.channels[index]
    if channel.on_change:
        return NEVER
    upload_s = catalogue.gateways[gateway].upload_interval_s if gateway >= 0 else 0.0
    expected_ns = seconds_to_ns(channel.sample_interval_s + upload_s)
    return max(expected_ns, _EXPECTED_NS_MIN) if expected_ns else NEVER


def _gateway_intervals(catalogue: Catalogue) -> Int64s:
    smallest_s = [0.0] * len(catalogue.gateways)
    for channel in catalogue.channels:
        if channel.gateway is None or channel.sent_as is None or channel.on_change:
            continue
        place, sample_s = catalogue.gateway_index[channel.gateway], channel.sample_interval_s
        smallest_s[place] = min(smallest_s[place] or sample_s, sample_s)
    pairs = zip(catalogue.gateways, smallest_s, strict=True)
    expected_ns = [seconds_to_ns(max(gateway.upload_interval_s, s)) for gateway, s in pairs]
    return np.array([max(ns, _EXPECTED_NS_MIN) if ns else NEVER for ns in expected_ns], np.int64)
