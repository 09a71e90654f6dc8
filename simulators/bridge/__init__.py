"""A bridge: traffic, temperature and wind in strain, sag, bearings, cables, and in its swing.

Formulas, sources and parameters: docs/worlds/bridge.md. ``design`` holds the kinds of bridge,
``causes`` what can go wrong with one.
"""

from dataclasses import dataclass, replace

from simulators.bridge.causes import Convoy, Trouble
from simulators.bridge.design import CABLE_STAYED, CONTINUOUS, TIED_ARCH, Design, varied
from simulators.bridge.responses import Bridge
from simulators.course import noise, total
from simulators.feed import BlockFeed, Feed, JsonFeed, Signal
from simulators.noise import key_of
from simulators.world import Station

__all__ = [
    "CABLE_STAYED",
    "CONTINUOUS",
    "LONG_TERM",
    "SWING",
    "TIED_ARCH",
    "Convoy",
    "Design",
    "Logger",
    "Trouble",
    "bridge",
    "built",
]

CALM = Trouble()


@dataclass(frozen=True, slots=True)
class Logger:
    """How a bridge's gateway samples and sends."""

    dynamic_s: float = 1.0  # sag and strain
    slow_s: float = 10.0  # bearings and cables
    warmth_s: float = 60.0
    upload_s: float = 5.0
    acceleration_hz: int = 100
    block_s: float = 1.0
    more: bool = False  # the difference of temperatures and the wind, too


LONG_TERM = Logger(60.0, 60.0, 60.0, 600.0, more=True)
"""A logger of slow quantities."""

SWING = Logger(warmth_s=60.0, upload_s=60.0, acceleration_hz=20, block_s=10.0)
"""A logger of 20 samples of acceleration a second, enough for the first modes."""


def built(
    gateway: str,
    seed: int,
    *,
    design: Design = CABLE_STAYED,
    busy: float = 1.0,
    trouble: Trouble = CALM,
) -> Bridge:
    """Return the bridge behind ``bridge``: its responses as courses."""
    key = key_of(seed, gateway)
    own = varied(design, key)
    return Bridge(key, seed, replace(own, busiest=min(1.0, own.busiest * busy)), trouble)


def bridge(
    gateway: str,
    district: str,
    seed: int,
    *,
    design: Design = CABLE_STAYED,
    convoys: tuple[Convoy, ...] = (),
    trouble: Trouble = CALM,
    busy: float = 1.0,
    acceleration: bool = True,
    logger: Logger = Logger(),
    only: tuple[str, ...] = (),
) -> Station:
    """Return a bridge.

    ``busy`` scales the everyday traffic; ``only`` names what is sent, where not all. Sent: strain S1 to
    S3 (um/m), deflection D1 (mm), bearing displacement B1 and B2 (mm), cable force C1 and C2 (kN),
    structure temperature T1 (Cel), acceleration A1 (m/s2); with ``logger.more`` how much warmer the top
    is than the bottom T2 (K), and wind W1 (m/s).
    """
    trouble = replace(trouble, convoys=(*trouble.convoys, *convoys))
    own = built(gateway, seed, design=design, busy=busy, trouble=trouble)

    def signal(name: str, interval_s: float, deviation: float) -> Signal:
        course = total(own.response(name), noise(key_of(own.key, name), deviation, interval_s))
        return Signal(name, interval_s, course)

    dynamic_s, slow_s, warmth_s = logger.dynamic_s, logger.slow_s, logger.warmth_s
    signals = [
        signal("D1", dynamic_s, 0.15),
        *(signal(name, dynamic_s, 0.8) for name in ("S1", "S2", "S3")),
        *(signal(name, slow_s, 0.05) for name in ("B1", "B2")),
        *(
            signal(name, slow_s, cable.error_kn)
            for name, cable in zip(("C1", "C2"), own.design.cables, strict=True)
        ),
        signal("T1", warmth_s, 0.05),
    ]
    if logger.more:
        signals += [signal("T2", warmth_s, 0.05), signal("W1", dynamic_s, 0.1)]
    wanted = tuple(one for one in signals if not only or one.name in only)
    feeds: tuple[Feed, ...] = (JsonFeed(gateway, district, logger.upload_s, wanted),) * bool(wanted)
    if acceleration and (not only or "A1" in only):
        rate_hz = logger.acceleration_hz
        swing = own.swing(rate_hz).course()
        feeds += (BlockFeed(gateway, district, "A1", rate_hz, swing, logger.block_s),)
    return Station(feeds)
