"""Which channels are made of which: features in levels, each fed by the levels before it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from analytics.features.bank import Bank, Inputs, Outputs
from domain.catalogue import Catalogue, Channel
from domain.readings import Float64s, Int32s, Int64s, UInt8s


class Stream(NamedTuple):
    """Good readings in order. ``root`` is the place of the measured reading each comes from.

    ``row`` is the number of the journal's row that brought it.
    """

    root: Int64s
    channel: Int32s
    time_ns: Int64s
    value: Float64s
    restarted: UInt8s
    row: Int64s

    def take(self, places: Int64s) -> "Stream":
        """Return the readings at ``places``."""
        return Stream(
            root=self.root[places],
            channel=self.channel[places],
            time_ns=self.time_ns[places],
            value=self.value[places],
            restarted=self.restarted[places],
            row=self.row[places],
        )


def join_streams(streams: Sequence[Stream]) -> Stream:
    """Return one stream in order: by root, and behind one root by level (as given), as made."""
    if len(streams) == 1:
        return streams[0]
    columns = zip(*streams, strict=True)
    joined = Stream(*(np.concatenate(column) for column in columns))
    return joined.take(np.argsort(joined.root, kind="stable"))


class Level:
    """The derived channels all of whose inputs are of earlier levels: indices, ids and state by bank."""

    def __init__(self, catalogue: Catalogue, members: Sequence[int]) -> None:
        """``members`` are the channels' indices; raises ``ValueError`` for invalid features."""
        kinds = sorted({_kind(catalogue.channels[index]) for index in members})
        self.channels: list[Int32s] = []
        self.ids: list[list[str]] = []
        self.banks: list[Bank] = []
        edges: list[tuple[int, int, int, int]] = []
        for place, kind in enumerate(kinds):
            own = [index for index in members if _kind(catalogue.channels[index]) == kind]
            inputs = [input_indices(catalogue, index) for index in own]
            sources = [[catalogue.channels[i] for i in indices] for indices in inputs]
            pairs = zip(own, sources, strict=True)
            self.banks.append(Bank(kind, [(catalogue.channels[i], of) for i, of in pairs]))
            self.channels.append(np.array(own, np.int32))
            self.ids.append([catalogue.channels[index].id for index in own])
            edges += [
                (source, place, slot, port)
                for slot, indices in enumerate(inputs)
                for port, source in enumerate(indices)
            ]
        table = np.array(sorted(edges), np.int64).reshape(-1, 4)
        self._bank, self._slot, self._port = table[:, 1], table[:, 2], table[:, 3]
        self._count = np.bincount(table[:, 0], minlength=len(catalogue.channels))
        self._first = np.cumsum(self._count) - self._count

    def advance(self, stream: Stream) -> Stream | None:
        """Return the derived readings that ``stream`` makes, in order; None where none."""
        count = self._count[stream.channel]
        fed = np.flatnonzero(count)
        if len(fed) == 0:
            return None
        count = count[fed]
        reading = np.repeat(fed, count)
        within = np.arange(len(reading)) - np.repeat(np.cumsum(count) - count, count)
        edge = self._first[stream.channel[reading]] + within
        made = [derived for derived in self._made(stream, reading, edge) if len(derived.root)]
        if not made:
            return None
        columns = zip(*made, strict=True)
        joined = Stream(*(np.concatenate(column) for column in columns))
        return joined.take(np.lexsort((joined.channel, joined.root)))

    def _made(self, stream: Stream, reading: Int64s, edge: Int64s) -> Iterator[Stream]:
        for place, bank in enumerate(self.banks):
            own = np.flatnonzero(self._bank[edge] == place)
            source, slot = reading[own], self._slot[edge[own]].astype(np.int32)
            inputs = Inputs(
                slot=slot,
                port=self._port[edge[own]].astype(np.uint8),
                time_ns=stream.time_ns[source],
                value=stream.value[source],
                restarted=stream.restarted[source],
                row=stream.row[source],
            )
            outputs: Outputs = bank.advance(inputs)
            yield Stream(
                root=stream.root[source[outputs.source]],
                channel=self.channels[place][slot[outputs.source]],
                time_ns=outputs.time_ns,
                value=outputs.value,
                restarted=np.zeros(len(outputs.source), np.uint8),
                row=stream.row[source[outputs.source]],
            )


def input_indices(catalogue: Catalogue, index: int) -> list[int]:
    """Return the indices of the channels that a derived channel is made of.

    Raises ``ValueError`` where one is not there, or is the channel of a fault.
    """
    channel = catalogue.channels[index]
    indices = []
    for name in channel.feature.inputs if channel.feature else ():
        place = catalogue.channel_index.get(name)
        if place is None or catalogue.channels[place].fault is not None:
            raise ValueError(f"{channel.id}: no channel {name!r} to make it of")
        indices.append(place)
    return indices


def plan_levels(catalogue: Catalogue) -> list[Level]:
    """Return the levels in order; raises ``ValueError`` for features that go round in a circle."""
    waiting = {
        index: input_indices(catalogue, index)
        for index, channel in enumerate(catalogue.channels)
        if channel.feature is not None and channel.fault is None
    }
    levels = []
    while waiting:
        ready = [i for i, inputs in waiting.items() if not any(j in waiting for j in inputs)]
        if not ready:
            names = ", ".join(sorted(catalogue.channels[index].id for index in waiting))
            raise ValueError(f"these channels are made of one another: {names}")
        levels.append(Level(catalogue, ready))
        for index in ready:
            del waiting[index]
    return levels


def _kind(channel: Channel) -> str:
    return channel.feature.kind if channel.feature else ""
