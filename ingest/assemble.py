"""Frames of the journal to a ``Batch`` of readings, with the books of where each of them went.

A frame's fate depends on the frames before it and on nothing else: neither on a clock, nor on how
many frames are taken at a time.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import xxhash

from domain.accounting import Fate, Ingested, Reason, Unit
from domain.catalogue import Catalogue, Gateway
from domain.journal import Frame
from domain.readings import FLAG_FUTURE, Batch
from domain.time import format_rfc3339
from ingest.duplicates import DuplicateWindow
from ingest.lane import Lane, Short, join
from ingest.step import Listed, Seen, Step, close, reject_of
from ingest.topics import Topic, TopicError, parse_topic
from ingest.units import same_unit
from ingest.wire import DECODERS, PAYLOAD_BYTES_MAX, Decoded, Decoder, Refusal
from ingest.wire.decoded import REFUSALS_MAX, make_printable

UNKNOWN_GATEWAYS_MAX = 1_000
OTHER_GATEWAY = "other"
SIGHTED_NAMES_MAX = 2_000
"""Names of one frame that are shown in the inbox, each; readings of further ones are but counted."""

_ROUTES_MAX = 50_000
_STATUS = {b"online": True, b"offline": False}


@dataclass(slots=True)
class _Route:
    """All there is to know about a topic, found once."""

    gateway: str  # as counted
    gateway_index: int = -1
    district: str = ""
    is_status: bool = False
    decoder: Decoder | None = None
    refusal: Refusal | None = None
    channels: dict[str, int] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    seed: int = 0
    short: int = -1  # the gateway's index where its frames may go the short way


@dataclass(slots=True)
class _Names:
    """What the catalogue says of one gateway: its zone, and channel indices by name as sent."""

    index: int
    zone: ZoneInfo
    channels: dict[str, int] = field(default_factory=dict)


class Assembler:
    """Turns frames into readings by the active catalogue; remembers recent frames' hashes.

    Raises ``ValueError`` for a catalogue with a zone that nobody knows, and then keeps the old one.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._window = DuplicateWindow()
        self._unknown: dict[str, None] = {}
        self._made_of: tuple[object, tuple[Gateway, ...]] | None = None
        self._listed = Listed()
        self.change_catalogue(catalogue)

    def change_catalogue(self, catalogue: Catalogue) -> None:
        """Use ``catalogue`` from the next step on."""
        key = catalogue.sent_index, catalogue.gateways
        if self._made_of is not None and self._made_of[0] is key[0] and self._made_of[1] == key[1]:
            return  # nothing of what is used here has changed
        names = _names_by_gateway(catalogue)
        self._made_of = key
        self._gateway_ids = [gateway.id for gateway in catalogue.gateways]
        self._channel_owner = [channel.gateway or "" for channel in catalogue.channels]
        self._channel_name = [channel.sent_as or "" for channel in catalogue.channels]
        units = {quantity.id: quantity.unit for quantity in catalogue.quantities}
        self._channel_unit = [units.get(channel.quantity, "") for channel in catalogue.channels]
        self._names = names
        self._routes: dict[str, _Route] = {}
        self._lane = Lane(catalogue)

    def step(self, first_seq: int, frames: Sequence[Frame]) -> tuple[Batch, Ingested]:
        """Decode ``frames``, of which frame i has the number ``first_seq + i``; total."""
        step = Step()
        routes = [self._routes.get(f.topic) or self._find_route(f.topic) for f in frames]
        seen = self._seen_before(frames, routes)
        short = self._lane.read(frames, [route.short for route in routes])
        ways = [-1] * len(frames) if short is None else short.readings
        whole = zip(frames, routes, seen, ways, strict=True)
        for offset, (frame, route, known, readings) in enumerate(whole):
            step.received[route.gateway] += 1
            if short is not None and readings >= 0:
                self._take_short(step, short, offset, frame, route, known=known)
            elif route.decoder is not None:
                self._take_data(step, first_seq + offset, frame, route, route.decoder, known=known)
            else:
                self._take_other(step, first_seq + offset, frame, route)
        batch = step.columns.batch()
        if short is not None:
            batch = join(batch, short.batch(first_seq))
        batch.heard, batch.status = list(step.heard), step.status
        self._quarantine_future(step, batch, first_seq, frames)
        step.rejects = [reject for reject in step.rejects if self._listed.has_room(reject)]
        return batch, close(step)

    def _seen_before(self, frames: Sequence[Frame], routes: Sequence[_Route]) -> list[bool]:
        """Return which frames came before; what nobody decodes is not remembered."""
        places = [place for place, route in enumerate(routes) if route.decoder is not None]
        found = self._window.saw(
            [routes[place].seed for place in places],
            [frames[place].payload for place in places],
            [frames[place].received_ns for place in places],
        )
        if len(found) == len(frames):
            return found
        seen = [False] * len(frames)
        for place, known in zip(places, found, strict=True):
            seen[place] = known
        return seen

    @staticmethod
    def _take_short(
        step: Step, short: Short, offset: int, frame: Frame, route: _Route, *, known: bool
    ) -> None:
        """Take a frame that the compiled pass has read; see ``_take_data``."""
        if not (known and frame.redelivered):
            step.heard[route.gateway_index] = None
        if known:
            step.books[route.gateway, Unit.FRAMES, Fate.DUPLICATE, Reason.NONE] += 1
            return
        step.decoded[route.gateway] += 1
        step.readings[route.gateway] += short.readings[offset]
        short.take(offset)

    def _take_data(
        self, step: Step, seq: int, frame: Frame, route: _Route, decoder: Decoder, *, known: bool
    ) -> None:
        if known and frame.redelivered:
            # The broker speaking, not the gateway: it is not heard by this.
            step.books[route.gateway, Unit.FRAMES, Fate.DUPLICATE, Reason.NONE] += 1
            return
        if route.gateway_index >= 0:
            step.heard[route.gateway_index] = None
        decoded = decoder(frame.payload, frame.received_ns, route.zone)
        if decoded.undecodable is not None:
            step.refuse_frame(seq, frame, route.gateway, decoded.undecodable)
        elif known and not decoded.untimed:
            step.books[route.gateway, Unit.FRAMES, Fate.DUPLICATE, Reason.NONE] += 1
        else:
            step.decoded[route.gateway] += 1
            step.readings[route.gateway] += decoded.reading_count
            if decoded.units is not None:
                self._refuse_other_units(route, decoded, decoded.units)
            _take_decoded(step, seq, frame, route, decoded)

    def _refuse_other_units(self, route: _Route, decoded: Decoded, units: list[str]) -> None:
        """Refuse the readings whose unit is another than their channel's."""
        kept = []
        for place, (name, sent) in enumerate(zip(decoded.names, units, strict=True)):
            channel = route.channels.get(name)
            own = self._channel_unit[channel] if channel is not None else ""
            if not sent or not own or same_unit(sent, own):
                kept.append(place)
            else:
                detail = f"the unit is {make_printable(sent)[:32]!r}, the channel's is {own!r}"
                decoded.refuse(Reason.UNIT, detail, name)
        if len(kept) < len(units):
            decoded.keep(kept)

    def _take_other(self, step: Step, seq: int, frame: Frame, route: _Route) -> None:
        """Take a status, or a frame of a topic or a format that is not ours."""
        refusal = route.refusal
        if route.is_status:
            online = _STATUS.get(bytes(frame.payload))
            if online is not None:
                self._take_status(step, route, online=online)
                return
            refusal = Refusal(Reason.STRUCTURE, "a status is the word online or offline")
        elif route.gateway_index >= 0:
            step.heard[route.gateway_index] = None
        if refusal is not None and len(frame.payload) > PAYLOAD_BYTES_MAX:
            refusal = Refusal(Reason.OVERSIZE, f"{len(frame.payload)} bytes, at most 1 MiB")
        step.refuse_frame(seq, frame, route.gateway, refusal or Refusal(Reason.TOPIC, ""))

    def _take_status(self, step: Step, route: _Route, *, online: bool) -> None:
        step.decoded[route.gateway] += 1
        if route.gateway_index < 0:
            return
        step.status.append((route.gateway_index, online))
        if online:  # "offline" is mostly the broker's word, the gateway's will
            step.heard[route.gateway_index] = None

    def _find_route(self, text: str) -> _Route:
        try:
            route = self._make_route(parse_topic(text))
        except TopicError as error:
            route = _Route("", refusal=Refusal(Reason.TOPIC, str(error)))
        if len(self._routes) >= _ROUTES_MAX:
            self._routes.clear()
        self._routes[text] = route
        return route

    def _make_route(self, topic: Topic) -> _Route:
        names = self._names.get(topic.gateway)
        route = _Route(
            gateway=topic.gateway if names else self._count_unknown(topic.gateway),
            district=topic.district,
            is_status=topic.format is None,
            seed=xxhash.xxh3_64_intdigest(topic.gateway.encode()),
        )
        if names is not None:
            route.gateway_index, route.zone, route.channels = (
                names.index, names.zone, names.channels,
            )  # fmt: skip
        if topic.format is not None:
            route.decoder = DECODERS.get(topic.format)
            if topic.format == "json":
                route.short = route.gateway_index
            known = ", ".join(sorted(DECODERS))
            detail = f"nobody decodes {topic.format[:64]!r}; there are {known}"
            route.refusal = Refusal(Reason.FORMAT, detail)
        return route

    def counted_as(self, gateway: str) -> str:
        """Return the name that a gateway has in the books."""
        return gateway if gateway in self._names or not gateway else self._count_unknown(gateway)

    def _count_unknown(self, gateway: str) -> str:
        if gateway in self._unknown:
            return gateway
        if len(self._unknown) >= UNKNOWN_GATEWAYS_MAX:
            return OTHER_GATEWAY
        self._unknown[gateway] = None
        return gateway

    def _quarantine_future(
        self, step: Step, batch: Batch, first_seq: int, frames: Sequence[Frame]
    ) -> None:
        """Account for readings of the future, one entry a (frame, channel), at most 16 a frame."""
        future = np.flatnonzero(batch.flags & FLAG_FUTURE)
        if not len(future):
            return
        width = len(self._channel_name)
        keys = (batch.seq[future] - first_seq) * width + batch.channel[future]
        unique, where, counts = np.unique(keys, return_index=True, return_counts=True)
        entries: dict[int, list[Refusal]] = {}
        for place in np.argsort(where):  # in the order of the readings
            offset, channel = divmod(int(unique[place]), width)
            count = int(counts[place])
            owner = self._channel_owner[channel]
            step.books[owner, Unit.READINGS, Fate.QUARANTINED, Reason.FUTURE] += count
            listed = entries.setdefault(offset, [])
            if len(listed) < REFUSALS_MAX:
                time_ns = int(batch.time_ns[future[where[place]]])
                detail = f"more than 5 min ahead of the received time: {format_rfc3339(time_ns)}"
                name = self._channel_name[channel]
                listed.append(Refusal(Reason.FUTURE, detail, name, count))
            else:
                listed[-1].count += count
                listed[-1].channel_name = ""
        for offset, listed in entries.items():
            frame, seq = frames[offset], first_seq + offset
            owner = self._channel_owner[int(batch.channel[np.searchsorted(batch.seq, seq)])]
            step.rejects += [
                reject_of(seq, frame, owner, Fate.QUARANTINED, refusal) for refusal in listed
            ]
        step.rejects.sort(key=lambda reject: reject.seq)

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered between steps: recent hashes, unknown gateways."""
        return {
            "window": self._window.snapshot(),
            "unknown_gateways": list(self._unknown),
            "listed": {"second": self._listed.second, "by_gateway": dict(self._listed.by_gateway)},
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take a snapshot back; raises ``ValueError`` where it is torn."""
        self._window.restore(snapshot["window"])
        self._unknown = dict.fromkeys(snapshot["unknown_gateways"])
        listed = snapshot["listed"]
        counts = Counter(listed["by_gateway"])
        self._listed = Listed(int(listed["second"]), counts, counts.total())
        self._routes = {}


def _names_by_gateway(catalogue: Catalogue) -> dict[str, _Names]:
    names: dict[str, _Names] = {}
    for index, gateway in enumerate(catalogue.gateways):
        try:
            names[gateway.id] = _Names(index, ZoneInfo(gateway.zone))
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"gateway {gateway.id!r} has the zone {gateway.zone!r}, which is not known here:"
                " write an IANA name such as Asia/Shanghai"
            ) from error
    for (gateway_id, name), channel in catalogue.sent_index.items():
        if gateway_id in names:
            names[gateway_id].channels[name] = channel
    return names


def _take_decoded(step: Step, seq: int, frame: Frame, route: _Route, decoded: Decoded) -> None:
    """Take the readings and refusals of a decoded frame."""
    received_ns = frame.received_ns
    step.columns.open_frame(seq, received_ns)
    sighted = 0
    for at in _order(decoded.times_ns):
        name = decoded.names[at]
        channel = route.channels.get(name)
        time_ns, value = decoded.times_ns[at], decoded.values[at]
        if channel is not None:
            step.columns.add(channel, time_ns, value, decoded.flags[at])
        else:
            sighted += 1
            _see(step, route, received_ns, name, (1, time_ns, value), listed=sighted)
    if decoded.blocks:
        _take_blocks(step, received_ns, route, decoded)
    if decoded.rejected:
        for reason, count in decoded.rejected.items():
            step.books[route.gateway, Unit.READINGS, Fate.REJECTED, reason] += count
        step.rejects += [
            reject_of(seq, frame, route.gateway, Fate.REJECTED, refusal)
            for refusal in decoded.refusals
        ]


def _order(times_ns: list[int]) -> Sequence[int]:
    """Return the places of ``times_ns`` in ascending order, stable."""
    places = range(len(times_ns))
    if len(times_ns) < 2 or all(a <= b for a, b in pairwise(times_ns)):
        return places
    return sorted(places, key=times_ns.__getitem__)


def _take_blocks(step: Step, received_ns: int, route: _Route, decoded: Decoded) -> None:
    registered = [block for block in decoded.blocks if block.name in route.channels]
    channels = [route.channels[block.name] for block in registered]
    if len(registered) == 1:
        block = registered[0]
        step.columns.add_block(channels[0], block.time_ns, block.value)
    elif registered:
        times = [block.time_ns for block in registered]
        values = [block.value for block in registered]
        step.columns.add_blocks(channels, times, values)
    if len(registered) == len(decoded.blocks):
        return
    sighted = 0
    for block in decoded.blocks:
        if block.name not in route.channels:
            sighted += 1
            last = (len(block.value), int(block.time_ns[-1]), float(block.value[-1]))
            _see(step, route, received_ns, block.name, last, listed=sighted)


def _see(
    step: Step,
    route: _Route,
    received_ns: int,
    name: str,
    last: tuple[int, int, float],
    *,
    listed: int,
) -> None:
    """Count readings (count, last time_ns, last value) of an unregistered name."""
    count, time_ns, value = last
    step.books[route.gateway, Unit.READINGS, Fate.UNREGISTERED, Reason.NONE] += count
    if listed > SIGHTED_NAMES_MAX:
        return
    seen = step.seen.get((route.gateway, name))
    if seen is None:
        seen = Seen(route.district, 0, received_ns, received_ns, time_ns, value)
        step.seen[route.gateway, name] = seen
    seen.district, seen.last_seen_ns = route.district, received_ns
    seen.last_time_ns, seen.last_value = time_ns, float(value)
    seen.count += count
