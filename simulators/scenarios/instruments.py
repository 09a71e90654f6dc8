"""Instruments that are at fault: while what they watch is well, and while it is not."""

from domain.grade import Condition, Grade
from simulators.course import swell
from simulators.faults import (
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
from simulators.scenarios.bridge import WILLOW, willow
from simulators.scenarios.gas import OLD_STREET, old_street, with_methane
from simulators.scenarios.scenario import Expected, Scenario, after
from simulators.scenarios.tunnel import NORTH_HILL, north_hill
from simulators.tunnel import Trouble, tunnel

AT_S = 1_200.0


def _in_tunnel(
    seed: int,
    name: str,
    story: str,
    signal: str,
    change: Change,
    *must: Expected,
    length_s: float = 4_800.0,
    may: tuple[tuple[str, Condition], ...] = (),
    shortfall: str = "",
) -> Scenario:
    """Return a calm tunnel with one instrument at fault."""
    world = north_hill(seed).with_signal(signal, change)
    return Scenario(name, story, (NORTH_HILL,), (world,), length_s, must, may, shortfall=shortfall)


def _fault(
    channel: str,
    condition: Condition,
    first_s: float,
    last_s: float,
    *,
    facility: str = NORTH_HILL,
    returns: bool = True,
) -> Expected:
    return Expected(
        f"{facility}/{channel}", condition, Grade.BLUE, first_s, last_s, returns=returns
    )


def single_spike(seed: int) -> Scenario:
    """Return one reading far off, of an instrument that is well otherwise."""
    story = "One reading of convergence is 25 mm off; the one after it is right again."
    change = spike(after(AT_S), 60.0, 25.0)
    return _in_tunnel(seed, "single spike", story, "V1", change, length_s=3_600.0)


def stuck_sensor(seed: int) -> Scenario:
    """Return an instrument that repeats one value."""
    world = willow(seed).with_signal("S2", stuck(after(600.0), 900.0))
    # flat_s is 300 for this channel in the demonstration's catalogue
    must = _fault("strain-2", Condition.STUCK, 890.0, 930.0, facility=WILLOW)
    story = "A strain gauge repeats one value for 15 min; the bridge is well."
    return Scenario("stuck sensor", story, (WILLOW,), (world,), 2_400.0, (must,))


def dropout(seed: int) -> Scenario:
    """Return an instrument that says nothing while its gateway goes on."""
    world = old_street(seed).with_signal("M3", silent(after(600.0), 300.0))
    must = _fault("manhole-3", Condition.SILENT, 600.0, 900.0, facility=OLD_STREET)
    story = "One detector gives nothing for 5 min while its gateway goes on."
    return Scenario("dropout", story, (OLD_STREET,), (world,), 1_800.0, (must,))


def dying_sensor(seed: int) -> Scenario:
    """Return an instrument that gives less and less, and then nothing more."""
    change = dying(after(AT_S), 1_800.0, seed)
    # Gone by 3,000 s; three intervals of 20 s (sample and upload) later at the latest.
    must = _fault("co-2", Condition.SILENT, AT_S + 60.0, AT_S + 1_900.0, returns=False)
    story = "A detector gives less and less for half an hour, and then nothing more."
    return _in_tunnel(seed, "dying sensor", story, "CO2", change, must)


def noisy_sensor(seed: int) -> Scenario:
    """Return an instrument whose readings scatter."""
    change = noisy(after(AT_S), 3_600.0, seed, 4.0)
    # A quarter of the last 32 readings of a minute each: eight bad ones, at about one in three.
    must = _fault("convergence-1", Condition.NOISE, AT_S + 480.0, AT_S + 3_000.0, returns=False)
    story = "A convergence gauge scatters by 4 mm for an hour; the tunnel is well."
    return _in_tunnel(seed, "noisy sensor", story, "V1", change, must)


def loose_contact(seed: int) -> Scenario:
    """Return an instrument with many spikes."""
    change = spikes(after(AT_S), 3_600.0, seed, 0.4, 60.0)
    must = _fault("convergence-1", Condition.NOISE, AT_S + 480.0, AT_S + 3_000.0, returns=False)
    story = "A loose contact: two readings of five are off by up to 60 mm, up or down, for an hour."
    return _in_tunnel(seed, "loose contact", story, "V1", change, must)


def broken_wire(seed: int) -> Scenario:
    """Return an instrument at the lower end of its range."""
    change = saturated(after(AT_S), 1_200.0, -200.0)
    # Three of five readings, a minute each, fail; the alarm returns a minute after the last.
    must = _fault("convergence-1", Condition.RANGE, AT_S + 100.0, AT_S + 200.0)
    story = "A broken wire: the gauge stands at the end of its range for 20 min."
    return _in_tunnel(seed, "broken wire", story, "V1", change, must)


def turned_sign(seed: int) -> Scenario:
    """Return an instrument with its wires exchanged."""
    change = flipped(after(AT_S), 1_800.0)
    must = _fault("co-1", Condition.RANGE, AT_S + 15.0, AT_S + 40.0)
    story = (
        "After a repair a detector's sign is turned: less than no carbon monoxide for half an hour."
    )
    return _in_tunnel(seed, "turned sign", story, "CO1", change, must)


def zero_drift(seed: int) -> Scenario:
    """Return a detector whose zero sinks."""
    world = old_street(seed).with_signal("M3", drifting(after(AT_S), 3_000.0, -172.8))
    # 0.2 to 1.4 %LEL to begin with, 0.12 less each minute: below -3 after 27 to 37 min.
    must = _fault("manhole-3", Condition.RANGE, AT_S + 1_400.0, AT_S + 2_500.0, facility=OLD_STREET)
    story = "A methane detector's zero sinks by 6 %LEL in 50 min, and is set right."
    return Scenario("zero drift", story, (OLD_STREET,), (world,), 5_400.0, (must,))


def technician(seed: int) -> Scenario:
    """Return an instrument that is set to another zero."""
    change = stepped(after(AT_S), 7_200.0, 5.5)
    story = "A technician sets a gauge's zero 5.5 mm off, below every limit: nobody is called."
    return _in_tunnel(seed, "technician sets the zero", story, "V1", change)


def drift_beyond_limit(seed: int) -> Scenario:
    """Return an instrument that drifts past a limit, and nothing else moves."""
    change = drifting(after(AT_S), 3_600.0, 288.0)
    story = "A gauge drifts by 12 mm in an hour, past its limit; no other gauge moves with it."
    return _in_tunnel(
        seed,
        "drift past a limit",
        story,
        "V1",
        change,
        shortfall="One gauge that drifts steadily looks like one ring that moves: an engineer has to "
        "go and see, so the limit's alarm comes. Only a second gauge on the same ring could tell.",
    )


def struck_by_lightning(seed: int) -> Scenario:
    """Return a gateway all of whose instruments jump, and are dead for a while."""
    world = lightning(north_hill(seed), after(AT_S), 900.0, 40.0)
    must = Expected(
        "gateway/gw-tunnel-north:silent",
        Condition.SILENT,
        Grade.ORANGE,
        AT_S + 10.0,
        AT_S + 60.0,
        returns=True,
    )
    story = "Lightning: everything jumps once and is dead for 15 min; one alarm, of the gateway."
    return Scenario("lightning", story, (NORTH_HILL,), (world,), 3_600.0, (must,))


def spikes_in_a_leak(seed: int) -> Scenario:
    """Return a leak that a detector with a loose contact watches."""
    leak = swell(after(AT_S), 120.0, 600.0, 600.0, 64.0)
    calm = with_methane(old_street(seed), leak)
    # A loose contact of a current loop jumps to anywhere, mostly far out of the range.
    world = calm.with_signal("M1", spikes(after(300.0), 3_000.0, seed, 0.25, 3_000.0))
    first, second = f"{OLD_STREET}/manhole-1", f"{OLD_STREET}/manhole-2"
    must = (
        Expected(first, Condition.HIGH, Grade.RED, AT_S + 60.0, AT_S + 130.0, returns=True),
        Expected(second, Condition.HIGH, Grade.YELLOW, AT_S + 90.0, AT_S + 190.0, returns=True),
    )
    may = (
        (first, Condition.RANGE),
        (f"{first}/rise", Condition.HIGH),
        (f"{second}/rise", Condition.HIGH),
        (f"{OLD_STREET}/open-path/enhancement", Condition.HIGH),
    )
    story = (
        "A quarter of a detector's readings is nonsense, and a real leak comes: red all the same."
    )
    return Scenario("leak at a bad detector", story, (OLD_STREET,), (world,), 4_200.0, must, may)


def dying_in_a_jam(seed: int) -> Scenario:
    """Return a jam that fills a tunnel while one of its two detectors dies."""
    jam = swell(after(AT_S), 300.0, 900.0, 300.0, 110.0)
    world = tunnel("gw-tunnel-north", "nanling", seed, trouble=Trouble(exhaust_ppm=jam))
    world = world.with_signal("CO1", dying(after(AT_S), 1_200.0, seed))
    channel = f"{NORTH_HILL}/co-1"
    must = (
        # 18 of 110 cm3/m3 are there before; 100 is passed within the rise, with gaps in it.
        Expected(channel, Condition.HIGH, Grade.YELLOW, AT_S + 150.0, AT_S + 300.0),
        _fault("co-1", Condition.SILENT, AT_S + 60.0, AT_S + 1_300.0, returns=False),
    )
    story = "A jam passes the limit while the detector dies: told, and it stays, with its silence."
    return Scenario("jam at a dying detector", story, (NORTH_HILL,), (world,), 4_200.0, must)


SCENARIOS = (
    single_spike,
    stuck_sensor,
    dropout,
    dying_sensor,
    noisy_sensor,
    loose_contact,
    broken_wire,
    turned_sign,
    zero_drift,
    technician,
    drift_beyond_limit,
    struck_by_lightning,
    spikes_in_a_leak,
    dying_in_a_jam,
)
