"""A city to measure with: a catalogue of any size, and the messages its gateways send."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from domain.catalogue import Catalogue, Channel
from domain.time import NS_PER_MS, NS_PER_S, format_rfc3339
from ingest.topics import build_data_topic
from ingest.wire import block
from simulators.city import facilities_of
from simulators.city_mix import WAVE
from storage.catalogue.arrange import arrange
from storage.catalogue.build import build_catalogue
from storage.catalogue.revisions import CatalogueStore
from storage.state import StateEngine

ROOT = Path(__file__).resolve().parent.parent
DISTRICT = "bench"
PROBE = "bridge/probe/level"
PROBE_GATEWAY = "gw-probe"
PROBE_LIMIT = 100.0
SAMPLE_NS = 10_000_000  # 100 Hz

# Eight limits, range and flat line checks and the fault channels that the templates give: what a
# channel of a real bridge has. The uploads are declared slow so that a pause is no silence.
_SITE = """
name: {zh: 基准, en: Bench}
gateways:
  - {id: gw-000, district: bench, facility: bridge/b-000, name: {zh: 网关, en: Gateway}, zone: UTC, upload_interval_s: 3600}
  - {id: gw-probe, district: bench, facility: bridge/probe, name: {zh: 网关, en: Gateway}, zone: UTC, upload_interval_s: 3600}
facilities:
  - id: bridge/b-000
    kind: bridge
    name: {zh: 桥, en: Bridge}
    district: bench
    channels:
      - id: c-000000
        name: {zh: 挠度, en: Deflection}
        quantity: deflection
        gateway: gw-000
        sent_as: c-000000
        sample_interval_s: 60
        parameters: {design: 150}
        limits:
          - {grade: blue, high: 100, low: -100, deadband: 5, off_delay_s: 60, source: bench}
          - {grade: yellow, high: 120, low: -120, deadband: 5, off_delay_s: 60, source: bench}
          - {grade: orange, high: 140, low: -140, deadband: 5, off_delay_s: 60, source: bench}
          - {grade: red, high: 160, low: -160, deadband: 5, off_delay_s: 60, source: bench}
  - id: bridge/probe
    kind: bridge
    name: {zh: 桥, en: Bridge}
    district: bench
    channels:
      - id: level
        name: {zh: 挠度, en: Deflection}
        quantity: deflection
        gateway: gw-probe
        sent_as: level
        sample_interval_s: 1
        parameters: {design: 150}
        limits: [{grade: red, high: 100, source: bench}]
"""


def make_catalogue(channels: int, gateways: int, *, faults: bool = True) -> Catalogue:
    """Return so many channels, with ``faults`` their fault channels beside them, and the probe.

    One channel is resolved from its document, and the others are its copies: reading 85,000
    channels of YAML would take longer than measuring them.
    """
    small = build_catalogue([("bench", _SITE.encode())], ROOT / "config" / "templates")
    facility, gateway = small.facility_by_id["bridge/b-000"], small.gateways[0]
    of_gateway = [c for c in small.channels if c.gateway == gateway.id and c.sent_as is None]
    of_channel = [c for c in small.channels if "c-000000" in c.id]
    probe = [c for c in small.channels if c not in of_gateway and c not in of_channel]
    every: list[Channel] = list(probe)
    for number in range(gateways):
        every += [_renamed(c, 0, number) for c in of_gateway]
    if not faults:
        of_channel = [c for c in of_channel if c.fault is None]
    for number in range(channels):
        every += [_renamed(c, number, number % gateways) for c in of_channel]
    return replace(
        small,
        facilities=(
            *(replace(facility, id=f"bridge/b-{n:03d}") for n in range(gateways)),
            small.facility_by_id["bridge/probe"],
        ),
        gateways=(
            *(
                replace(gateway, id=gateway_id(n), facility=f"bridge/b-{n:03d}")
                for n in range(gateways)
            ),
            small.gateways[1],
        ),
        channels=arrange(every),
    )


def _renamed(channel: Channel, number: int, gateway: int) -> Channel:
    def text(old: str) -> str:
        new = old.replace("c-000000", name_of(number)).replace("b-000", f"b-{gateway:03d}")
        return new.replace("gw-000", gateway_id(gateway))

    return replace(
        channel,
        id=text(channel.id),
        facility=text(channel.facility),
        gateway=text(channel.gateway) if channel.gateway else None,
        sent_as=text(channel.sent_as) if channel.sent_as else None,
        fault_of=text(channel.fault_of) if channel.fault_of else None,
    )


def gateway_id(number: int) -> str:
    return f"gw-{number:03d}"


def name_of(channel: int) -> str:
    return f"c-{channel:06d}"


async def save_catalogue(catalogue: Catalogue, data_dir: Path) -> None:
    """Put the catalogue where the service finds it when it starts."""
    state = await StateEngine.open(f"sqlite:///{data_dir / 'state.db'}")
    try:
        await CatalogueStore(state).save(catalogue, "bench", 0, "bench", "bench")
    finally:
        await state.close()


@dataclass(frozen=True, slots=True)
class Load:
    """Messages of ``channels`` channels in turn, from ``first_ns`` of event time on.

    ``samples`` a block; 0 sends one JSON reading a message, as gateways write them: RFC 3339.
    """

    messages: int
    samples: int
    channels: int
    gateways: int
    first_ns: int
    step_ns: int = NS_PER_S  # between two JSON readings of a channel
    first_channel: int = 0

    @property
    def readings(self) -> int:
        return self.messages * max(1, self.samples)

    @property
    def end_ns(self) -> int:
        """The event time at which a load that follows may begin."""
        rounds = -(-self.messages // self.channels)
        return self.first_ns + rounds * (self.samples * SAMPLE_NS if self.samples else self.step_ns)

    def payloads(self) -> Iterator[tuple[str, bytes]]:
        """Yield (topic, payload); every one is another, and no value is beyond a limit."""
        kind = "block" if self.samples else "json"
        topics = [build_data_topic(DISTRICT, gateway_id(n), kind) for n in range(self.gateways)]
        waves = np.random.default_rng(1).normal(20, 2, (64, max(1, self.samples)))
        waves = waves.astype(np.float32)
        for number in range(self.messages):
            turn, channel = divmod(number, self.channels)
            channel += self.first_channel
            wave, name = waves[number % 64], name_of(channel)
            if self.samples:
                t0_ns = self.first_ns + turn * self.samples * SAMPLE_NS
                payload = block.encode(name, t0_ns, SAMPLE_NS, wave)
            else:
                millisecond_ns = number % 1000 * NS_PER_MS
                time = format_rfc3339(self.first_ns + turn * self.step_ns + millisecond_ns)
                payload = f'{{"ts":"{time}","values":{{"{name}":{wave[0]:.2f}}}}}'.encode()
            yield topics[channel % self.gateways], payload


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of ``samples`` for the waveforms of the simulated city, in turn, from ``first_ns`` on."""

    messages: int
    samples: int
    names: tuple[tuple[str, str, str], ...]  # (district, gateway, name as sent)
    first_ns: int

    @property
    def readings(self) -> int:
        return self.messages * self.samples

    @property
    def end_ns(self) -> int:
        """The event time at which a load that follows may begin."""
        rounds = -(-self.messages // len(self.names))
        return self.first_ns + rounds * self.samples * SAMPLE_NS

    def payloads(self) -> Iterator[tuple[str, bytes]]:
        """Yield (topic, payload)."""
        waves = np.random.default_rng(1).normal(0, 0.01, (64, self.samples)).astype(np.float32)
        for number in range(self.messages):
            turn, place = divmod(number, len(self.names))
            district, gateway, name = self.names[place]
            t0_ns = self.first_ns + turn * self.samples * SAMPLE_NS
            payload = block.encode(name, t0_ns, SAMPLE_NS, waves[number % 64])
            yield build_data_topic(district, gateway, "block"), payload


def wave_channels(channels: int) -> list[tuple[str, str, str]]:
    """Return (district, gateway, name) of every waveform of the simulated city."""
    return [
        (one.district, one.gateway, one.names[-1])
        for one in facilities_of(channels)
        if one.varieties[-1] is WAVE
    ]
