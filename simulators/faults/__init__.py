"""Misbehaviour of instruments, gateways and firmware, to be put around a course or a world.

``instruments``: a course becomes another. ``gateways``: a world becomes another. ``payloads``: a
world's bytes become others. All stay pure functions of seed and time; docs/worlds/gateways.md.
"""

from simulators.faults.gateways import (
    Delayed,
    Doubled,
    Filtered,
    Joined,
    Switched,
    changed_interval,
    duplicates,
    flapping,
    flood,
    lossy,
    outage,
    reboot,
    reordering,
    slow_drift,
    wrong_clock,
    zone_mistake,
)
from simulators.faults.instruments import (
    Change,
    drifting,
    dying,
    flipped,
    lightning,
    noisy,
    saturated,
    silent,
    spike,
    spikes,
    stepped,
    stuck,
)
from simulators.faults.payloads import NONSENSE, Garbled, half_written, nonsense

__all__ = [
    "NONSENSE",
    "Change",
    "Delayed",
    "Doubled",
    "Filtered",
    "Garbled",
    "Joined",
    "Switched",
    "changed_interval",
    "drifting",
    "duplicates",
    "dying",
    "flapping",
    "flipped",
    "flood",
    "half_written",
    "lightning",
    "lossy",
    "noisy",
    "nonsense",
    "outage",
    "reboot",
    "reordering",
    "saturated",
    "silent",
    "slow_drift",
    "spike",
    "spikes",
    "stepped",
    "stuck",
    "wrong_clock",
    "zone_mistake",
]
