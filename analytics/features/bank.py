"""A bank: the state of all channels of one feature kind, advanced together in one compiled pass."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.features import KINDS, validate
from analytics.features.protocol import complete
from domain.catalogue import Channel
from domain.readings import Float64s, Int32s, Int64s, UInt8s


class Inputs(NamedTuple):
    """Good readings of inputs in order: whose feature (``slot``), which of its inputs (``port``).

    ``row`` is the number of the journal's row that brought each.
    """

    slot: Int32s
    port: UInt8s
    time_ns: Int64s
    value: Float64s
    restarted: UInt8s
    row: Int64s


class Outputs(NamedTuple):
    """Derived readings: ``source[i]`` is the input that made reading i."""

    source: Int64s
    time_ns: Int64s
    value: Float64s


_NOTHING = Inputs(
    slot=np.zeros(0, np.int32),
    port=np.zeros(0, np.uint8),
    time_ns=np.zeros(0, np.int64),
    value=np.zeros(0, np.float64),
    restarted=np.zeros(0, np.uint8),
    row=np.zeros(0, np.int64),
)


_NO_PARAMETERS: Mapping[str, Any] = {}


class Bank:
    """The channels of one feature kind; ``channels[i]`` with its inputs has slot i."""

    def __init__(self, kind: str, channels: Sequence[tuple[Channel, Sequence[Channel]]]) -> None:
        """Begin empty; raises ``ValueError`` where a channel's feature is not valid."""
        settled = _Settled(kind)
        configured = [settled.configure(channel, inputs) for channel, inputs in channels]
        self.kind = kind
        self._advance = KINDS[kind].advance
        self.records = np.zeros(len(channels), KINDS[kind].RECORD)
        for record, (fields, _) in zip(self.records, configured, strict=True):
            for name, value in fields.items():
                record[name] = value
        cells = [own for _, own in configured]
        counts = np.array([len(own) for own in cells], np.int64)
        self.records["cells"] = counts
        self.records["first"] = np.cumsum(counts) - counts
        self.cells = np.concatenate(cells) if cells else np.zeros(0, KINDS[kind].CELL)
        self.advance(_NOTHING)  # compiled now, not while the first readings wait

    def advance(self, inputs: Inputs) -> Outputs:
        """Take readings in and return what comes out, in order; at most one for each reading."""
        room = len(inputs.slot)
        outputs = Outputs(
            np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float64)
        )
        count = self._advance(self.records, self.cells, inputs, outputs)
        whole = np.flatnonzero(np.isfinite(outputs.value[:count]))
        return Outputs(outputs.source[whole], outputs.time_ns[whole], outputs.value[whole])

    def load(
        self, slots: Int64s, records: npt.NDArray[Any], cells: npt.NDArray[Any], before: Int64s
    ) -> None:
        """Take over the channels that had the slots ``before`` in a bank of these records and cells."""
        first, count = self.records["first"][slots], self.records["cells"][slots]
        within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        source = np.repeat(records["first"][before], count) + within
        self.cells[np.repeat(first, count) + within] = cells[source]
        self.records[slots] = records[before]
        self.records["first"][slots] = first


def signature(channel: Channel, inputs: Sequence[Channel]) -> str:
    """Return a text that stays the same while a channel's state keeps its meaning."""
    if channel.feature is None:
        return f"fault:{channel.fault}" if channel.fault is not None else "measured"
    parameters = complete(KINDS[channel.feature.kind], channel.feature.parameters)
    intervals = [source.sample_interval_s for source in inputs]
    meaning = [channel.feature.kind, list(channel.feature.inputs), _plain(parameters), intervals]
    return json.dumps(meaning, sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    """Return ``value`` with texts for keys: a code may be a number in one place, a text in another."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return value


class _Settled:
    """Parameters of one kind that are valid and whole; equal ones of a stored catalogue are one object."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._known: dict[tuple[int, int], Mapping[str, Any]] = {}

    def configure(
        self, channel: Channel, inputs: Sequence[Channel]
    ) -> tuple[Mapping[str, Any], npt.NDArray[Any]]:
        """Return the fields and cells a channel begins with; raises ``ValueError`` where invalid."""
        parameters = self._parameters(channel, len(inputs))
        return KINDS[self._kind].configure(parameters, inputs)

    def _parameters(self, channel: Channel, inputs: int) -> Mapping[str, Any]:
        given = channel.feature.parameters if channel.feature else _NO_PARAMETERS
        known = self._known.get((id(given), inputs))
        if known is None:
            faults = validate(self._kind, given, inputs)
            if faults:
                raise ValueError(f"{channel.id}: {'; '.join(faults)}")
            known = complete(KINDS[self._kind], given)
            self._known[id(given), inputs] = known
        return known
