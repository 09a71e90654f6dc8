"""Seeded worlds of each kind of facility, and the alarms that they must and must not raise.

A new kind of facility is one file with one function ``(gateway, district, seed) -> Station``, and
one line of ``WORLDS``.
"""

from simulators.bridge import bridge
from simulators.drainage import drainage
from simulators.gas import gas
from simulators.lift import lift
from simulators.tunnel import tunnel

WORLDS = {
    "bridge": bridge,
    "tunnel": tunnel,
    "gas": gas,
    "drainage": drainage,
    "lift": lift,
}
"""How to build a world of each kind of facility."""
