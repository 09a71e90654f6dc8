"""A whole city to load a service with: seeded, of any size, a pure function of (seed, time).

Every channel but the waveforms is read once a minute, at a moment of its own within it, and sent at
once: one JSON reading a message. Its value is

    mean + swing * cos(2 pi (hour - peak) / 24) + deviation * noise(channel, minute)

with mean, swing and peak varied by channel. In each hour a channel has an event with the
probability ``EVENTS_PER_CHANNEL_H``: for ``EVENT_S`` its value stands beyond its first limits,
which really raises an alarm. So a city of 85,000 has about 75 an hour. The first bridges send a
waveform besides, in blocks of 100 samples of 100 Hz: ambient swinging in two modes, and noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_MS, NS_PER_S, format_rfc3339
from simulators.city_mix import (
    CHANNELS_MIN,
    LIFT,
    MIX,
    WAVE,
    WHOLE_CHANNELS,
    WHOLE_FACILITIES,
    WHOLE_WAVES,
    Mix,
    Variety,
)
from simulators.course import local_hour
from simulators.feed import Message, by_time
from simulators.noise import bell, key_of, uniform
from simulators.payload import encode_block

SEED = 20211128
DISTRICTS = 12
MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
EVENTS_PER_CHANNEL_H = 0.001
EVENT_S = 600
SAMPLE_NS = 10 * NS_PER_MS
BLOCK_SAMPLES = 100
_IN_MILLISECONDS = ("bridge", "tunnel")  # their gateways write numbers; the others RFC 3339
_MINUTE_BITS = 32  # a minute since 1970 fits: channel and minute together count the noise


@dataclass(frozen=True, slots=True)
class CityFacility:
    """A facility with one gateway; its channels' numbers are ``first`` and those that follow."""

    kind: str
    number: int
    first: int
    varieties: tuple[Variety, ...]

    @property
    def id(self) -> str:
        """Its id in the catalogue."""
        return f"{self.kind}/c{self.number:05d}"

    @property
    def gateway(self) -> str:
        """The id of its gateway."""
        return f"gw-{self.kind}-c{self.number:05d}"

    @property
    def district(self) -> str:
        """Its district."""
        return f"district-{self.number % DISTRICTS + 1:02d}"

    @property
    def names(self) -> list[str]:
        """The names of its channels, which are the names as sent, too."""
        return [
            f"{variety.quantity.replace('_', '-')}-{number}"
            for number, variety in enumerate(self.varieties, 1)
        ]


@dataclass(frozen=True, slots=True)
class Event:
    """A channel's value stands beyond its limits from ``start_ns`` on, for ``EVENT_S``."""

    facility: CityFacility
    name: str
    start_ns: int

    @property
    def channel(self) -> str:
        """The channel's id in the catalogue."""
        return f"{self.facility.id}/{self.name}"


def facilities_of(channels: int) -> list[CityFacility]:
    """Return the facilities of a city of so many channels, by kind, lifts last.

    Raises ``ValueError`` below 85 channels, where not every kind would have its share.
    """
    if channels < CHANNELS_MIN:
        raise ValueError(f"a city has at least {CHANNELS_MIN} channels, not {channels}")
    share = channels / WHOLE_CHANNELS
    waves = round(WHOLE_WAVES * share)
    made: list[CityFacility] = []
    first = 0
    for mix in MIX:
        for number, every in enumerate(_of_kind(mix, share, channels - first, len(made))):
            waved = mix.kind == "bridge" and number < waves
            varieties = (*every[:-1], WAVE) if waved else every
            made.append(CityFacility(mix.kind, number, first, varieties))
            first += len(varieties)
    return made


def _of_kind(mix: Mix, share: float, left: int, before: int) -> Iterator[tuple[Variety, ...]]:
    """Yield the channels of each facility of a kind; lifts have what is ``left``."""
    every = tuple(variety for variety in mix.varieties for _ in range(variety.count))
    if mix.kind != LIFT:
        for _ in range(min(round(mix.facilities * share), left // mix.channels)):
            yield every
        return
    lifts = min(max(round(WHOLE_FACILITIES * share) - before, -(-left // mix.channels)), left)
    for number in range(lifts):
        yield every[: left // lifts + (number < left % lifts)]


class City:
    """The messages of a city, or of every ``parts``-th facility of it from ``part`` on."""

    def __init__(self, channels: int, seed: int = SEED, *, part: int = 0, parts: int = 1) -> None:
        self.facilities = facilities_of(channels)[part::parts]
        self._key = key_of(seed, "city")
        singles = [
            (facility, name, facility.first + place, variety)
            for facility in self.facilities
            for place, (name, variety) in enumerate(
                zip(facility.names, facility.varieties, strict=True)
            )
            if variety is not WAVE
        ]
        numbers = np.array([number for _, _, number, _ in singles], np.int64)
        offset_ms = (uniform(self._key + 1, numbers) * 60_000).astype(np.int64)
        order = np.argsort(offset_ms, kind="stable")
        singles = [singles[place] for place in order.tolist()]
        self.singles = [(facility, name) for facility, name, _, _ in singles]
        self._numbers, self._offset_ns = numbers[order], offset_ms[order] * NS_PER_MS
        self._read_varieties([variety for *_, variety in singles])
        self._heads = [f'"{name}"' for _, name in self.singles]
        self._tails = [f"{ms // 1000:02d}.{ms % 1000:03d}Z" for ms in offset_ms[order].tolist()]
        self._plain = [facility.kind in _IN_MILLISECONDS for facility, _ in self.singles]
        self._waves = [
            (facility, facility.names[-1], facility.first + len(facility.varieties) - 1)
            for facility in self.facilities
            if facility.varieties[-1] is WAVE
        ]
        phases = uniform(self._key + 2, np.array([n for *_, n in self._waves], np.int64))
        self._phase_ns = (phases * 1000).astype(np.int64) * NS_PER_MS

    def _read_varieties(self, varieties: list[Variety]) -> None:
        """Take the parameters of the single readings as columns, varied by channel."""
        vary = uniform(self._key + 3, self._numbers)
        column = np.array(
            [
                (v.mean, v.swing, v.deviation, np.nan if v.event is None else v.event)
                for v in varieties
            ],
            np.float64,
        ).reshape(-1, 4)
        self._mean, self._swing, self._deviation, self._event = column.T
        self._mean = self._mean + self._swing * (vary - 0.5)
        self._swing = self._swing * (0.7 + 0.5 * vary)
        self._peak_hour = 13.0 + 5.0 * vary
        self._decimals = [variety.decimals for variety in varieties]

    def values(self, time_ns: Int64s, chosen: slice) -> Float64s:
        """Return the values of some of ``singles``, each at a time of its own."""
        numbers = self._numbers[chosen]
        angle = (local_hour(time_ns) - self._peak_hour[chosen]) * (2 * np.pi / 24)
        quiet = self._mean[chosen] + self._swing[chosen] * np.cos(angle)
        noise = bell(self._key, (numbers << _MINUTE_BITS) + time_ns // MINUTE_NS)
        event = self._event[chosen]
        since_ns = time_ns - self._event_start_ns(numbers, time_ns // HOUR_NS)
        during = (since_ns >= 0) & (since_ns < EVENT_S * NS_PER_S) & ~np.isnan(event)
        steady = np.where(during, event, quiet)
        return np.asarray(steady + self._deviation[chosen] * noise, np.float64)

    def _event_start_ns(self, numbers: Int64s, hour: Int64s) -> Int64s:
        """Return when each channel's event of an hour begins; far in the future where it has none."""
        place = (numbers << _MINUTE_BITS) + hour
        has = uniform(self._key + 4, place) < EVENTS_PER_CHANNEL_H
        start_s = uniform(self._key + 5, place) * (3600 - EVENT_S)
        start_ns = hour * HOUR_NS + (start_s * NS_PER_S).astype(np.int64)
        return np.asarray(np.where(has, start_ns, np.iinfo(np.int64).max), np.int64)

    def events(self, start_ns: int, end_ns: int) -> list[Event]:
        """Return the events that begin in the span."""
        found = []
        for hour in range(start_ns // HOUR_NS, -(-end_ns // HOUR_NS)):
            starts_ns = self._event_start_ns(self._numbers, np.full(len(self._numbers), hour))
            fits = (starts_ns >= start_ns) & (starts_ns < end_ns) & ~np.isnan(self._event)
            for place in np.flatnonzero(fits).tolist():
                facility, name = self.singles[place]
                found.append(Event(facility, name, int(starts_ns[place])))
        return found

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span, in order of time; it cannot be batched."""
        del batch_s
        second_ns = start_ns
        while second_ns < end_ns:
            until_ns = min((second_ns // NS_PER_S + 1) * NS_PER_S, end_ns)
            together = [*self._read(second_ns, until_ns), *self._blocks(second_ns, until_ns)]
            together.sort(key=by_time)
            yield from together
            second_ns = until_ns

    def _read(self, start_ns: int, end_ns: int) -> Iterator[Message]:
        """Yield the single readings of a span within one second."""
        minute_ns = start_ns // MINUTE_NS * MINUTE_NS
        inside = np.array([start_ns - minute_ns, end_ns - minute_ns])
        first, last = np.searchsorted(self._offset_ns, inside).tolist()
        chosen = slice(first, last)
        time_ns = minute_ns + self._offset_ns[chosen]
        head = format_rfc3339(minute_ns)[:17]
        columns = zip(
            time_ns.tolist(), self.values(time_ns, chosen).tolist(), self.singles[chosen],
            self._heads[chosen], self._tails[chosen], self._plain[chosen], self._decimals[chosen],
            strict=True,
        )  # fmt: skip
        for moment_ns, value, (facility, _), name, tail, plain, decimals in columns:
            stamp = str(moment_ns // NS_PER_MS) if plain else f'"{head}{tail}"'
            number = round(value, decimals) + 0.0  # no -0.0
            payload = f'{{"ts":{stamp},"values":{{{name}:{number}}}}}'.encode()
            yield Message(moment_ns, facility.gateway, facility.district, "json", payload)

    def _blocks(self, start_ns: int, end_ns: int) -> Iterator[Message]:
        """Yield the blocks whose last sample lies in a span within one second."""
        length_ns = (BLOCK_SAMPLES - 1) * SAMPLE_NS
        for (facility, name, number), phase_ns in zip(
            self._waves, self._phase_ns.tolist(), strict=True
        ):
            second_ns = -(-(start_ns - phase_ns - length_ns) // NS_PER_S) * NS_PER_S
            first_ns = second_ns + phase_ns
            if first_ns + length_ns < end_ns:
                samples = self._swinging(number, first_ns)
                payload = encode_block(name, first_ns, SAMPLE_NS, samples)
                last_ns = first_ns + length_ns
                yield Message(last_ns, facility.gateway, facility.district, "block", payload)

    def _swinging(self, number: int, first_ns: int) -> npt.NDArray[np.float32]:
        """Return a block of acceleration, m/s2: two modes of 0.85 and 2.3 Hz, and noise."""
        time_ns = first_ns + np.arange(BLOCK_SAMPLES) * SAMPLE_NS
        moment_s = (time_ns % (1000 * NS_PER_S)) / NS_PER_S
        swing = np.sin(2 * np.pi * 0.85 * moment_s) + 0.4 * np.sin(2 * np.pi * 2.3 * moment_s)
        noise = bell(key_of(self._key, number), time_ns // SAMPLE_NS)
        return (0.02 * swing + WAVE.deviation * noise).astype(np.float32)
