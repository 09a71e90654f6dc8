"""Overload: how many frames of each gateway were refused since the last tick.

A gateway's fault ``overload`` is a reading at each tick at which that number changes, or while a
delay of its limits runs; so it returns to normal by itself.
"""

from typing import Any

import numpy as np

from domain.catalogue import Catalogue
from domain.grade import FaultKind
from domain.readings import Float64s, Int32s, Int64s


class Overload:
    """Refused frames by gateway, and the channels of the fault ``overload``."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._refused = np.zeros(len(catalogue.gateways), np.int64)  # since the last tick
        watched = [
            (index, catalogue.gateway_index[channel.gateway])
            for index, channel in enumerate(catalogue.channels)
            if channel.fault is FaultKind.OVERLOAD and channel.gateway is not None
        ]
        table = np.array(watched, np.int64).reshape(-1, 2)
        self.channels: Int32s = table[:, 0].astype(np.int32)
        self._gateway = table[:, 1]
        self._told = np.zeros(len(self.channels), np.int64)
        self.unsettled = np.zeros(len(self.channels), np.bool_)  # each tick must be judged

    def add(self, gateway: int, frames: int) -> None:
        """Count frames of a gateway (its index) as refused."""
        self._refused[gateway] += frames

    def advance(self) -> tuple[Int64s, Float64s]:
        """Let a tick pass; return the places in ``channels`` to judge now, and their values."""
        now = self._refused[self._gateway]
        self._refused[:] = 0
        places = np.flatnonzero((now != self._told) | self.unsettled)
        self._told = now
        return places, now[places].astype(np.float64)

    def snapshot(self, catalogue: Catalogue) -> dict[str, Any]:
        """Return the counts by gateway, and what was told last by channel."""
        return {
            "gateways": [gateway.id for gateway in catalogue.gateways],
            "refused": self._refused.copy(),
            "channels": self.channels.copy(),
            "told": self._told.copy(),
            "unsettled": self.unsettled.copy(),
        }

    def carry(self, saved: dict[str, Any], catalogue: Catalogue, before: Int64s) -> None:
        """Take a snapshot over; ``before`` says by channel its index there, -1 for none."""
        known = {gateway: place for place, gateway in enumerate(saved["gateways"])}
        for place, gateway in enumerate(catalogue.gateways):
            if gateway.id in known:
                self._refused[place] = saved["refused"][known[gateway.id]]
        places = {channel: place for place, channel in enumerate(saved["channels"].tolist())}
        for place, channel in enumerate(self.channels.tolist()):
            told = places.get(int(before[channel]), -1)
            if told >= 0:
                self._told[place] = saved["told"][told]
                self.unsettled[place] = saved["unsettled"][told]
