"""Scenarios: worlds with the alarms that they must raise, and must not.

Each plays on facilities of config/sites/demo.yaml. On these nothing may be raised but what ``must``
and ``may`` name; see ``Scenario``. A new scenario is one function and one line of ``SCENARIOS``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from domain.catalogue import Catalogue
from domain.grade import Condition, Grade
from domain.time import NS_PER_S, seconds_to_ns
from simulators.bridge import bridge
from simulators.course import Occasion, drift, once, swell
from simulators.drainage import drainage
from simulators.faults import (
    duplicates,
    outage,
    reordering,
    silent,
    spike,
    stuck,
    wrong_clock,
)
from simulators.gas import gas
from simulators.lift import entrapment, lift
from simulators.tunnel import tunnel
from simulators.weather import Storm
from simulators.world import Message, Station, World, merged

SEED = 7
BEGIN_NS = 1_789_995_600 * NS_PER_S  # 2026-09-21T21:00:00+08:00, a whole hour

RIVERSIDE = "bridge/riverside"
WILLOW = "bridge/willow"
NORTH_HILL = "tunnel/north-hill"
OLD_STREET = "gas/old-street"
STATION_ROAD = "drainage/station"
PLAZA = "lift/plaza-3"


@dataclass(frozen=True, slots=True)
class Expected:
    """An alarm: at least ``grade`` at its worst, reached within a window.

    The window is in seconds of event time after the scenario's beginning, and about the time at
    which that grade is reached. ``most`` is the worst that it may come to. ``returns``: at the
    scenario's end it is back to normal.
    """

    channel: str
    condition: Condition
    grade: Grade
    first_s: float
    last_s: float
    most: Grade = Grade.RED
    returns: bool = False

    def fits(self, channel: str, condition: Condition) -> bool:
        """Return whether an alarm of this channel and condition is the one meant."""
        return (self.channel, self.condition) == (channel, condition)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What plays, and what it raises.

    Every alarm of ``must`` has to come; alarms of ``may`` can (those that follow from the same
    cause); any other one on a channel of ``facilities`` is wrong.
    """

    name: str
    story: str
    facilities: tuple[str, ...]
    worlds: tuple[World, ...]
    length_s: float
    must: tuple[Expected, ...] = ()
    may: tuple[tuple[str, Condition], ...] = ()

    @property
    def begin_ns(self) -> int:
        """When it begins."""
        return BEGIN_NS

    @property
    def end_ns(self) -> int:
        """When it is over."""
        return BEGIN_NS + seconds_to_ns(self.length_s)

    def messages(self) -> Iterator[Message]:
        """Yield all that is sent, as it is in life."""
        return merged(self.worlds, self.begin_ns, self.end_ns)

    def catalogue(self, whole: Catalogue) -> Catalogue:
        """Return the part of the demonstration's catalogue that this plays on.

        The others' gateways would be silent all the while, and that is not what is meant.
        """
        return replace(
            whole,
            facilities=tuple(one for one in whole.facilities if one.id in self.facilities),
            gateways=tuple(one for one in whole.gateways if one.facility in self.facilities),
            channels=tuple(one for one in whole.channels if one.facility in self.facilities),
        )


def after(seconds: float) -> Occasion:
    """Return the occasion so long after the beginning."""
    return once(BEGIN_NS + seconds_to_ns(seconds))


def _riverside(*, convoy_mm: float = 0.0, at_s: float = 300.0) -> Station:
    """Return the bridge, without its acceleration, which only costs time here."""
    convoy = swell(after(at_s), 25.0, 20.0, 25.0, convoy_mm)
    return bridge("gw-bridge-riverside", "binjiang", SEED, convoy=convoy, acceleration=False)


def _north_hill() -> Station:
    return tunnel("gw-tunnel-north", "nanling", SEED)


def _old_street(*, leak: float = 0.0, biogas: float = 1.0) -> Station:
    course = swell(after(600.0), 120.0, 600.0, 600.0, leak)
    return gas("gw-gas-old", "gucheng", SEED, leak=course, biogas=biogas)


def thermal_day() -> Scenario:
    """Return a day of sun and traffic, which is what a bridge is built for."""
    calm = bridge("gw-bridge-willow", "gucheng", SEED, busy=0.35, acceleration=False)
    story = "Temperature and traffic of a day move everything, and nothing is wrong."
    return Scenario("thermal day", story, (WILLOW,), (calm,), 86_400.0)


def overweight_convoy() -> Scenario:
    """Return a crossing of a convoy beyond the design value."""
    channel = f"{RIVERSIDE}/deflection-midspan"
    orange = Expected(
        channel, Condition.HIGH, Grade.ORANGE, 305.0, 350.0, most=Grade.ORANGE, returns=True
    )
    story = "A convoy brings the deflection past its design value, and passes."
    worlds = (_riverside(convoy_mm=149.0),)
    return Scenario("overweight convoy", story, (RIVERSIDE,), worlds, 900.0, (orange,))


def single_spike() -> Scenario:
    """Return one reading far off, of an instrument that is well otherwise."""
    world = _north_hill().with_signal("V1", spike(after(1_200.0), 60.0, 25.0))
    story = "One reading of convergence is 25 mm off; the one after it is right again."
    return Scenario("single spike", story, (NORTH_HILL,), (world,), 3_600.0)


def settlement_trend() -> Scenario:
    """Return a support that settles steadily."""
    settling = drift(BEGIN_NS, 96.0, 10_800.0)
    world = tunnel("gw-tunnel-north", "nanling", SEED, settling=settling)
    channel = f"{NORTH_HILL}/settlement-2"
    # 1.7 mm and 4 mm an hour: 12 mm after 2 h 35 min; two readings of three.
    yellow = Expected(channel, Condition.HIGH, Grade.YELLOW, 8_900.0, 9_800.0, most=Grade.YELLOW)
    story = "Ring 2 settles by 4 mm an hour for three hours and passes 60 % of its control value."
    return Scenario("settlement trend", story, (NORTH_HILL,), (world,), 12_600.0, (yellow,))


def gas_leak() -> Scenario:
    """Return a pipe that leaks into a manhole."""
    first, second = f"{OLD_STREET}/manhole-1", f"{OLD_STREET}/manhole-2"
    must = (
        Expected(first, Condition.HIGH, Grade.RED, 660.0, 720.0, returns=True),
        Expected(
            second, Condition.HIGH, Grade.YELLOW, 690.0, 780.0, most=Grade.YELLOW, returns=True
        ),
    )
    consequences = (f"{first}/rise", f"{second}/rise", f"{OLD_STREET}/open-path/enhancement")
    may = tuple((channel, Condition.HIGH) for channel in consequences)
    story = "Methane creeps from the soil into a manhole, later into its neighbour, and is vented."
    worlds = (_old_street(leak=64.0),)
    return Scenario("gas leak", story, (OLD_STREET,), worlds, 3_600.0, must, may)


def biogas_day() -> Scenario:
    """Return a day of the sewers' own methane, three times as much as usual."""
    story = "Biogas triples for a day: in the afternoon much, at night little, and it is no leak."
    worlds = (_old_street(biogas=3.0),)
    return Scenario("biogas day", story, (OLD_STREET,), worlds, 86_400.0)


def cloudburst() -> Scenario:
    """Return a cloudburst that fills the underpass."""
    storm = Storm(after(600.0), 0.8, 0.285, 0.75, rain_s=1_200.0, drain_s=1_200.0)
    world = drainage("gw-drain-station", "gucheng", SEED, storms=(storm,))
    must = (
        Expected(
            f"{STATION_ROAD}/underpass",
            Condition.HIGH,
            Grade.ORANGE,
            960.0,
            1_200.0,
            most=Grade.ORANGE,
            returns=True,
        ),
        Expected(
            f"{STATION_ROAD}/manhole-1",
            Condition.HIGH,
            Grade.BLUE,
            900.0,
            1_400.0,
            most=Grade.BLUE,
            returns=True,
        ),
    )
    consequences = (f"{STATION_ROAD}/underpass/rise", f"{STATION_ROAD}/manhole-2")
    may = tuple((channel, Condition.HIGH) for channel in consequences)
    story = "Twenty minutes of heavy rain; the pumps need twenty more."
    return Scenario("cloudburst", story, (STATION_ROAD,), (world,), 5_400.0, must, may)


def lift_entrapment() -> Scenario:
    """Return a lift that stops between two floors with somebody inside."""
    world = lift("gw-lift-plaza", "binjiang", SEED, troubles=(entrapment(after(425.0), 900.0),))
    channel = f"{PLAZA}/fault-code/grade"
    must = (Expected(channel, Condition.HIGH, Grade.ORANGE, 424.0, 427.0, returns=True),)
    story = "Code 04, 45 s later 90, released after 15 min."
    return Scenario("lift entrapment", story, (PLAZA,), (world,), 2_400.0, must)


def stuck_sensor() -> Scenario:
    """Return an instrument that repeats one value."""
    calm = bridge("gw-bridge-willow", "gucheng", SEED, busy=0.35, acceleration=False)
    world = calm.with_signal("S2", stuck(after(600.0), 900.0))
    # flat_s is 300 for this channel in the demonstration's catalogue
    channel = f"{WILLOW}/strain-2"
    must = (Expected(channel, Condition.STUCK, Grade.BLUE, 890.0, 930.0, returns=True),)
    story = "A strain gauge repeats one value for 15 min; the bridge is well."
    return Scenario("stuck sensor", story, (WILLOW,), (world,), 2_400.0, must)


def dropout() -> Scenario:
    """Return an instrument that says nothing while its gateway goes on."""
    world = _old_street().with_signal("M3", silent(after(600.0), 300.0))
    channel = f"{OLD_STREET}/manhole-3"
    must = (Expected(channel, Condition.SILENT, Grade.BLUE, 600.0, 900.0, returns=True),)
    story = "One detector gives nothing for 5 min while its gateway goes on."
    return Scenario("dropout", story, (OLD_STREET,), (world,), 1_800.0, must)


def clock_ahead() -> Scenario:
    """Return a gateway's clock that jumps ahead by an hour, and is set right again."""
    world = wrong_clock(_north_hill(), after(600.0), 120.0, 3_600.0)
    may = tuple((f"{NORTH_HILL}/{name}", Condition.CLOCK) for name in _TUNNEL_CHANNELS)
    must = (
        Expected(f"{NORTH_HILL}/co-1", Condition.CLOCK, Grade.BLUE, 595.0, 640.0, returns=True),
    )
    story = "For two minutes every reading is an hour ahead: refused, and only the clock's fault."
    return Scenario("clock ahead", story, (NORTH_HILL,), (world,), 1_800.0, must, may)


_TUNNEL_CHANNELS = (
    "co-1",
    "co-2",
    "visibility",
    "portal-water",
    "convergence-1",
    "convergence-2",
    "crack-1",
    "settlement-1",
    "settlement-2",
)


def _same_as(calm: Scenario, name: str, story: str, change: Callable[[World], World]) -> Scenario:
    worlds = tuple(change(world) for world in calm.worlds)
    return replace(calm, name=name, story=story, worlds=worlds)


def duplicated_messages() -> Scenario:
    """Return the convoy, over a link that sends a third of its messages twice."""
    story = "A third of the messages comes twice; the alarms are those of the convoy, once each."
    return _same_as(
        overweight_convoy(), "duplicated messages", story, lambda w: duplicates(w, SEED, 0.33, 12.0)
    )


def reordered_messages() -> Scenario:
    """Return a quiet bridge over a link on which messages overtake one another."""
    story = "Messages overtake one another by up to 20 s: some readings are late, nothing is wrong."
    calm = Scenario("", "", (RIVERSIDE,), (_riverside(),), 1_800.0)
    return _same_as(calm, "reordered messages", story, lambda w: reordering(w, SEED, 20.0))


def burst_after_outage() -> Scenario:
    """Return the gas leak while its gateway is cut off; it is told afterwards."""
    leak = gas_leak()
    story = "The gateway is cut off for 10 min, in which the leak comes, and sends all afterwards."
    cut_off_ns = BEGIN_NS + seconds_to_ns(630.0)
    told = _same_as(leak, "burst after outage", story, lambda w: outage(w, cut_off_ns, 600.0))
    return replace(told, may=(*told.may, ("gateway/gw-gas-old:silent", Condition.SILENT)))


SCENARIOS: tuple[Callable[[], Scenario], ...] = (
    thermal_day,
    overweight_convoy,
    single_spike,
    settlement_trend,
    gas_leak,
    biogas_day,
    cloudburst,
    lift_entrapment,
    stuck_sensor,
    dropout,
    clock_ahead,
    duplicated_messages,
    reordered_messages,
    burst_after_outage,
)
"""All scenarios."""
