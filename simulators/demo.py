"""The demonstration city: ten facilities of five kinds, and the script of their day.

The script is anchored at the moment the demonstration becomes live. Before it lies history, with
alarms that came and returned; within the first 90 s after it come all four grades, from all five kinds;
then rounds of 25 minutes follow, in two turns, for as long as it runs. Limits: config/sites/demo.yaml.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from domain.time import NS_PER_S, seconds_to_ns
from simulators.bridge import TIED_ARCH, Convoy, bridge
from simulators.course import Occasion, swell, total
from simulators.drainage import Storm, drainage
from simulators.faults import silent, spike, stuck
from simulators.gas import Leak, Ventilation, gas
from simulators.lift import entrapment, faulty, lift
from simulators.tunnel import Bore, Trouble, tunnel
from simulators.world import Message, Station, follow, merged

SEED = 20211128
HISTORY_S = 6 * 3600
BATCH_S = 120
ROUND_S = 1500


@dataclass(frozen=True, slots=True)
class Script:
    """Says when things happen, relative to the moment ``live_ns``."""

    live_ns: int

    def at(self, after_s: float, ago_s: tuple[float, ...] = ()) -> Occasion:
        """Return the occasion ``after_s`` into every round, and once each ``ago_s`` before live."""
        return self._occasion(after_s, ago_s, 0, 1)

    def first(self, after_s: float, ago_s: tuple[float, ...] = ()) -> Occasion:
        """Return the occasion ``after_s`` into every other round, beginning with the first."""
        return self._occasion(after_s, ago_s, 0, 2)

    def second(self, after_s: float, ago_s: tuple[float, ...] = ()) -> Occasion:
        """Return the occasion ``after_s`` into every other round, beginning with the second."""
        return self._occasion(after_s, ago_s, 1, 2)

    def _occasion(
        self, after_s: float, ago_s: tuple[float, ...], skipped: int, every: int
    ) -> Occasion:
        return Occasion(
            once_ns=tuple(self.live_ns - seconds_to_ns(ago) for ago in ago_s),
            first_ns=self.live_ns + seconds_to_ns(skipped * ROUND_S + after_s),
            period_ns=seconds_to_ns(every * ROUND_S),
        )


class Demonstration:
    """The city from six hours before ``live_ns`` on.

    ``live_ns`` is taken down to two whole minutes for the join of backfill and life (``join_ns``), and
    to the whole second as the script's anchor. Another start with the same ``seed`` continues the same
    worlds; only the script begins anew.
    """

    def __init__(self, live_ns: int, seed: int = SEED) -> None:
        batch_ns = seconds_to_ns(BATCH_S)
        self.live_ns = live_ns // NS_PER_S * NS_PER_S
        self.join_ns = live_ns // batch_ns * batch_ns
        script = Script(self.live_ns)
        self.worlds: tuple[Station, ...] = (
            *_bridges(script, seed),
            *_tunnels(script, seed),
            *_gas(script, seed),
            *_drainage(script, seed),
            *_lifts(script, seed),
        )

    def backfill(self, since_ns: int = 0) -> Iterator[Message]:
        """Yield the history before life, from ``since_ns`` where given, at most six hours of it.

        ``since_ns`` is where an earlier run stopped; it is taken up to the next two minutes, so
        that nothing is sent twice with another script.
        """
        batch_ns = seconds_to_ns(BATCH_S)
        start_ns = max(-(-since_ns // batch_ns) * batch_ns, self.join_ns - HISTORY_S * NS_PER_S)
        if start_ns < self.join_ns:
            yield from merged(self.worlds, start_ns, self.join_ns, BATCH_S)

    def live(self) -> Iterator[Message]:
        """Yield what follows the backfill, for ever; the first minute of it is past already."""
        yield from follow(self.worlds, self.join_ns)


def _bridges(script: Script, seed: int) -> tuple[Station, ...]:
    heavy = Convoy(script.first(8.0), 10, 85.0, 18.0, 9.0)
    light = Convoy(script.at(760.0, (19_200.0, 6_600.0, 1_900.0)), 10, 64.0, 18.0, 9.0)
    riverside = bridge("gw-bridge-riverside", "binjiang", seed, convoys=(heavy, light))
    narrow = Convoy(script.second(1_010.0), 8, 112.0, 14.0, 8.0)
    willow = bridge(
        "gw-bridge-willow",
        "gucheng",
        seed,
        design=TIED_ARCH,
        convoys=(narrow,),
        busy=0.35,
        acceleration=False,
    )
    frozen = stuck(script.first(600.0, (9_000.0,)), 660.0)
    return riverside, willow.with_signal("S2", frozen)


def _tunnels(script: Script, seed: int) -> tuple[Station, ...]:
    jam = swell(script.first(20.0), 70.0, 260.0, 240.0, 200.0)
    queue = swell(script.second(560.0, (14_400.0,)), 120.0, 120.0, 180.0, 95.0)
    north = tunnel(
        "gw-tunnel-north", "nanling", seed, trouble=Trouble(exhaust_ppm=total(jam, queue))
    )
    smoke = swell(script.second(400.0, (10_200.0,)), 60.0, 150.0, 150.0, 7.6)
    lake = tunnel(
        "gw-tunnel-lake", "binjiang", seed, trouble=Trouble(haze=smoke), bore=Bore(length_m=1_740.0)
    )
    return north.with_signal("V1", spike(script.at(900.0), 60.0, 25.0)), lake


def _gas(script: Script, seed: int) -> tuple[Station, ...]:
    """Return a main that an excavator hits right beside a manhole, and a small leak elsewhere."""
    hit = Leak(script.first(4.0), 230.0, 1.0, length_s=160.0, clearing_s=60.0)
    blown = Ventilation(script.first(330.0), 900.0)
    trace_times = (200.0, (4_200.0,))
    trace = Leak(script.second(*trace_times), 30.0, 3.0, length_s=300.0, clearing_s=90.0)
    aired = Ventilation(script.second(620.0, (3_780.0,)), 900.0)
    old = gas("gw-gas-old", "gucheng", seed, leaks=(hit,), ventilations=(blown,))
    east = gas("gw-gas-east", "nanling", seed, leaks=(trace,), ventilations=(aired,))
    return old, east.with_signal("M3", silent(script.second(850.0), 300.0))


def _drainage(script: Script, seed: int) -> tuple[Station, ...]:
    """Return a cloudburst that has begun before life does, and a shower elsewhere."""
    cloudburst = Storm(script.first(-655.0), 25.0, 1_500.0)
    shower = Storm(script.second(-300.0, (16_800.0,)), 8.0, 1_200.0)
    return (
        drainage("gw-drain-station", "gucheng", seed, storms=(cloudburst,)),
        drainage("gw-drain-canal", "binjiang", seed, storms=(shower,)),
    )


def _lifts(script: Script, seed: int) -> tuple[Station, ...]:
    trapped = entrapment(script.first(12.0), 540.0)
    door_open = faulty(script.second(100.0, (8_400.0,)), 180.0, 3)
    door_shut = faulty(script.at(420.0, (12_600.0,)), 150.0, 2)
    return (
        lift("gw-lift-plaza", "binjiang", seed, troubles=(trapped, door_open)),
        lift("gw-lift-hospital", "nanling", seed, troubles=(door_shut,)),
    )
