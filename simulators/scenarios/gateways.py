"""Gateways, links and firmware that misbehave, in quiet and in trouble."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from domain.grade import Condition, Grade
from domain.time import seconds_to_ns
from simulators.course import noise, swell, total
from simulators.drainage import drainage
from simulators.faults import (
    changed_interval,
    duplicates,
    flapping,
    flood,
    half_written,
    nonsense,
    outage,
    reboot,
    reordering,
    slow_drift,
    wrong_clock,
    zone_mistake,
)
from simulators.feed import JsonFeed, Signal
from simulators.gas import gas
from simulators.noise import key_of, uniform
from simulators.scenarios.bridge import RIVERSIDE, overweight_convoy, riverside
from simulators.scenarios.gas import OLD_STREET, gas_leak, old_street, with_methane
from simulators.scenarios.scenario import BEGIN_NS, Expected, Scenario, after, played_over
from simulators.scenarios.tunnel import NORTH_HILL, north_hill
from simulators.tunnel import Trouble, tunnel
from simulators.world import Station, World

GATEWAY = "gw-tunnel-north"
AT_S = 1_200.0
_ALL = (
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


def _any(*conditions: Condition) -> tuple[tuple[str, Condition], ...]:
    """Return these conditions of all of the tunnel's channels."""
    return tuple((f"{NORTH_HILL}/{name}", one) for name in _ALL for one in conditions)


def _silent(gateway: str, first_s: float, last_s: float, *, returns: bool = True) -> Expected:
    channel = f"gateway/{gateway}:silent"
    return Expected(channel, Condition.SILENT, Grade.ORANGE, first_s, last_s, returns=returns)


def _clock(first_s: float, last_s: float) -> Expected:
    channel = f"{NORTH_HILL}/co-1"
    return Expected(channel, Condition.CLOCK, Grade.BLUE, first_s, last_s, returns=True)


def _jam(seed: int) -> tuple[Station, Expected]:
    """Return the tunnel with a jam that passes yellow, and that alarm."""
    jam = swell(after(AT_S), 300.0, 600.0, 300.0, 110.0)
    yellow = Expected(
        f"{NORTH_HILL}/co-1",
        Condition.HIGH,
        Grade.YELLOW,
        AT_S + 150.0,
        AT_S + 330.0,
        most=Grade.YELLOW,
        returns=True,
    )
    return tunnel(GATEWAY, "nanling", seed, trouble=Trouble(exhaust_ppm=jam)), yellow


def _tunnel(
    name: str,
    story: str,
    world: World,
    *must: Expected,
    may: tuple[tuple[str, Condition], ...] = (),
    length_s: float = 3_600.0,
) -> Scenario:
    return Scenario(name, story, (NORTH_HILL,), (world,), length_s, must, may)


def duplicated_messages(seed: int) -> Scenario:
    """Return the convoy, over a link that sends a third of its messages twice."""
    story = "A third of the messages comes twice; the alarms are those of the convoy, once each."
    return played_over(
        overweight_convoy(seed),
        "duplicated messages",
        story,
        lambda w: duplicates(w, seed, 0.33, 12.0),
    )


def reordered_messages(seed: int) -> Scenario:
    """Return a quiet bridge over a link on which messages overtake one another."""
    story = "Messages overtake one another by up to 8 s: some readings are late, nothing is wrong."
    calm = Scenario("", "", (RIVERSIDE,), (riverside(seed),), 900.0)
    return played_over(calm, "reordered messages", story, lambda w: reordering(w, seed, 8.0))


def _leak_cut_off(seed: int, name: str, story: str, change: Callable[[World], World]) -> Scenario:
    leak = gas_leak(seed)
    told = played_over(leak, name, story, change)
    return replace(told, may=(*told.may, ("gateway/gw-gas-old:silent", Condition.SILENT)))


def burst_after_outage(seed: int) -> Scenario:
    """Return the gas leak while its gateway is cut off; it is told afterwards."""
    cut_off_ns = BEGIN_NS + seconds_to_ns(630.0)
    return _leak_cut_off(
        seed,
        "burst after outage",
        "The gateway is cut off for 10 min, in which the leak comes, and sends all afterwards.",
        lambda world: outage(world, cut_off_ns, 600.0),
    )


def backlog_first(seed: int) -> Scenario:
    """Return the same with a slow link: the backlog goes first, and the present waits."""
    cut_off_ns = BEGIN_NS + seconds_to_ns(630.0)
    return _leak_cut_off(
        seed,
        "backlog first",
        "As above, over a slow link: the backlog takes two minutes, and what is new waits behind it.",
        lambda world: outage(world, cut_off_ns, 600.0, drain_s=120.0),
    )


def present_first(seed: int) -> Scenario:
    """Return a leak that still stands when the link returns; the backlog comes after the present."""
    leak = swell(after(600.0), 120.0, 1_800.0, 600.0, 64.0)
    world = with_methane(old_street(seed), leak)
    first, second = f"{OLD_STREET}/manhole-1", f"{OLD_STREET}/manhole-2"
    must = (
        Expected(first, Condition.HIGH, Grade.RED, 1_225.0, 1_250.0, returns=True),
        Expected(second, Condition.HIGH, Grade.YELLOW, 1_225.0, 1_250.0, returns=True),
        _silent("gw-gas-old", 640.0, 660.0),
    )
    may = tuple(
        (f"{OLD_STREET}/{name}", Condition.HIGH)
        for name in ("manhole-1/rise", "manhole-2/rise", "open-path/enhancement")
    )
    story = (
        "Cut off for 10 min, in which a leak comes and stays; then the present at once, and the "
        "backlog beside it: what is late changes nothing, and the leak is told once."
    )
    late = outage(world, BEGIN_NS + seconds_to_ns(630.0), 600.0, drain_s=300.0, present_first=True)
    return Scenario("present first", story, (OLD_STREET,), (late,), 4_200.0, must, may)


def clock_ahead(seed: int) -> Scenario:
    """Return a gateway's clock that jumps ahead by an hour, and is set right again."""
    world = wrong_clock(north_hill(seed), after(600.0), 120.0, 3_600.0)
    story = "For two minutes every reading is an hour ahead: refused, and only the clock's fault."
    must = _clock(595.0, 640.0)
    return _tunnel("clock ahead", story, world, must, may=_any(Condition.CLOCK), length_s=1_800.0)


def clock_behind(seed: int) -> Scenario:
    """Return a gateway's clock that falls back by an hour, in a jam."""
    jam, _ = _jam(seed)
    world = wrong_clock(jam, after(900.0), 5_000.0, -3_600.0)
    yellow = Expected(
        f"{NORTH_HILL}/co-1",
        Condition.HIGH,
        Grade.YELLOW,
        AT_S - 3_600.0 + 150.0,
        AT_S - 3_600.0 + 330.0,
        returns=True,
    )
    story = "A clock falls back by an hour and stays so; a jam comes: told, with the clock's fault."
    # Readings are behind; after three intervals the channels' times restart there.
    return _tunnel(
        "clock falls back", story, world, _clock(915.0, 990.0), yellow, may=_any(Condition.CLOCK)
    )


def zone_wrong(seed: int) -> Scenario:
    """Return a gateway that sends its local time as UTC after an update."""
    world = zone_mistake(north_hill(seed), after(AT_S), 600.0)
    story = "After an update local time is sent as UTC, eight hours ahead, for ten minutes."
    return _tunnel(
        "time zone mistake",
        story,
        world,
        _clock(AT_S - 5.0, AT_S + 40.0),
        may=_any(Condition.CLOCK),
    )


def clock_drifts(seed: int) -> Scenario:
    """Return a clock that runs off slowly, within what is allowed, and is set right."""
    world = slow_drift(north_hill(seed), after(300.0), 3_000.0, 3_600.0)
    story = (
        "A clock runs off by two minutes in an hour: no alarm, until it is set back at a stroke."
    )
    must = _clock(3_300.0, 3_400.0)
    return _tunnel("clock drifts", story, world, must, may=_any(Condition.CLOCK), length_s=4_200.0)


def reboot_2000(seed: int) -> Scenario:
    """Return a gateway that starts again with a clock of the year 2000."""
    world = reboot(north_hill(seed), BEGIN_NS + seconds_to_ns(AT_S), boot_s=40.0, unset_s=180.0)
    # Silent after three intervals; readings of 2000 are behind, and restart after three more.
    must = (_silent(GATEWAY, AT_S + 10.0, AT_S + 40.0), _clock(AT_S + 70.0, AT_S + 200.0))
    story = "A gateway starts again; for three minutes its clock counts from 2000, then it is set."
    return _tunnel("reboot", story, world, *must, may=_any(Condition.CLOCK))


def reboot_1970(seed: int) -> Scenario:
    """Return a gateway that starts again in 1970, in a jam."""
    jam, yellow = _jam(seed)
    at_ns = BEGIN_NS + seconds_to_ns(900.0)
    world = reboot(jam, at_ns, boot_s=40.0, unset_s=90.0, begins_ns=0)
    must = (_silent(GATEWAY, 910.0, 940.0), yellow)
    story = "A gateway starts again in 1970, is set right after 90 s, and then a jam comes: told."
    return _tunnel("reboot before a jam", story, world, *must, may=_any(Condition.CLOCK))


def trunk_outage(seed: int) -> Scenario:
    """Return many gateways cut off at once."""
    start_ns = BEGIN_NS + seconds_to_ns(AT_S)
    worlds = (
        tunnel(GATEWAY, "nanling", seed),
        tunnel("gw-tunnel-lake", "binjiang", seed),
        gas("gw-gas-east", "nanling", seed),
        drainage("gw-drain-canal", "binjiang", seed),
    )
    facilities = (NORTH_HILL, "tunnel/lakebed", "gas/east-ring", "drainage/canal")
    must = tuple(_silent(world.gateway, AT_S + 10.0, AT_S + 60.0) for world in worlds)
    story = "A trunk line is cut for 10 min: one alarm a gateway, and none of its channels."
    cut = tuple(outage(world, start_ns, 600.0) for world in worlds)
    return Scenario("trunk outage", story, facilities, cut, 2_700.0, must)


def flapping_link(seed: int) -> Scenario:
    """Return a connection that comes and goes."""
    start_ns = BEGIN_NS + seconds_to_ns(AT_S)
    world = flapping(north_hill(seed), start_ns, 900.0, every_s=90.0, down_s=50.0)
    story = "A connection goes for 50 s of each 90, for a quarter of an hour: one alarm, not ten."
    must = _silent(GATEWAY, AT_S + 10.0, AT_S + 45.0)
    return _tunnel("flapping connection", story, world, must)


def short_gaps(seed: int) -> Scenario:
    """Return a connection with gaps shorter than anybody needs to know."""
    start_ns = BEGIN_NS + seconds_to_ns(AT_S)
    world = flapping(north_hill(seed), start_ns, 900.0, every_s=60.0, down_s=20.0)
    story = "A connection goes for 20 s each minute, and nothing is lost: nobody is called."
    return _tunnel("short gaps", story, world)


def half_payloads(seed: int) -> Scenario:
    """Return a jam told by a modem that cuts payloads short."""
    jam, yellow = _jam(seed)
    story = "One message of ten is cut at some byte: refused, and the jam is told all the same."
    return _tunnel("half-written payloads", story, half_written(jam, seed, 0.1), yellow)


def _nonsense(seed: int, kind: str, story: str, must: Expected, *may: Condition) -> Scenario:
    """Return two tunnels, one of which has new firmware; the other has a jam and is told."""
    jam = swell(after(AT_S), 300.0, 600.0, 300.0, 110.0)
    healthy = tunnel("gw-tunnel-lake", "binjiang", seed, trouble=Trouble(exhaust_ppm=jam))
    garbled = nonsense(north_hill(seed), kind, after(AT_S), 900.0)
    told = Expected(
        "tunnel/lakebed/co-1",
        Condition.HIGH,
        Grade.YELLOW,
        AT_S + 150.0,
        AT_S + 330.0,
        returns=True,
    )
    others = tuple(("tunnel/lakebed/co-2", one) for one in (Condition.HIGH,))
    return Scenario(
        f"firmware: {kind}",
        story,
        (NORTH_HILL, "tunnel/lakebed"),
        (garbled, healthy),
        3_600.0,
        (must, told),
        (*_any(*may), *others),
    )


def _mute(seed: int) -> Expected:
    """Return the silence of a channel whose readings cannot be taken: three intervals of 20 s."""
    del seed
    channel = f"{NORTH_HILL}/co-1"
    return Expected(channel, Condition.SILENT, Grade.BLUE, AT_S + 40.0, AT_S + 90.0, returns=True)


def firmware_text(seed: int) -> Scenario:
    """Return numbers as text."""
    story = "New firmware sends numbers as text: refused and counted, and the channels are silent."
    return _nonsense(seed, "numbers as text", story, _mute(seed), Condition.SILENT)


def firmware_nan(seed: int) -> Scenario:
    """Return NaN, which is no JSON."""
    story = "New firmware sends NaN, which is no JSON: refused, and the channels are silent."
    return _nonsense(seed, "NaN", story, _mute(seed), Condition.SILENT)


def firmware_null(seed: int) -> Scenario:
    """Return nulls: readings that are missing."""
    story = "New firmware sends null for every value: missing, and the channels are silent."
    return _nonsense(seed, "null", story, _mute(seed), Condition.SILENT)


def firmware_renamed(seed: int) -> Scenario:
    """Return names that nobody knows."""
    story = "New firmware gives every channel another name: unregistered, and the old ones silent."
    return _nonsense(seed, "renamed", story, _mute(seed), Condition.SILENT)


def firmware_commas(seed: int) -> Scenario:
    """Return payloads that are no JSON."""
    story = "New firmware doubles its commas: refused, and the channels are silent."
    return _nonsense(seed, "doubled commas", story, _mute(seed), Condition.SILENT)


def firmware_thousand(seed: int) -> Scenario:
    """Return another unit."""
    story = "New firmware sends another unit, a thousandfold: out of every instrument's range."
    must = Expected(
        f"{NORTH_HILL}/co-1", Condition.RANGE, Grade.BLUE, AT_S + 15.0, AT_S + 60.0, returns=True
    )
    scenario = _nonsense(seed, "thousandfold", story, must, Condition.RANGE, Condition.NOISE)
    return replace(
        scenario,
        shortfall="millimetres of water at the portal become metres, which that instrument can "
        "measure: nothing tells them from a flood but the other channels of the same gateway",
    )


def interval_doubled(seed: int) -> Scenario:
    """Return a gateway that samples half as often, in a jam."""
    jam, yellow = _jam(seed)
    world = changed_interval(jam, BEGIN_NS + seconds_to_ns(600.0), 2)
    story = "Somebody sets a gateway to sample half as often; a jam is told all the same."
    return _tunnel("interval doubled", story, world, yellow)


def interval_sixfold(seed: int) -> Scenario:
    """Return a gateway that sends a sixth as often as the catalogue says."""
    world = changed_interval(north_hill(seed), BEGIN_NS + seconds_to_ns(AT_S), 6)
    story = (
        "Somebody sets a gateway to send each minute for each 10 s: it misses intervals, told once."
    )
    must = _silent(GATEWAY, AT_S + 10.0, AT_S + 90.0, returns=False)
    return _tunnel("interval sixfold", story, world, must)


def mad_gateway(seed: int) -> Scenario:
    """Return a jam told by a gateway that also sends fifty messages a second of its own."""
    jam, yellow = _jam(seed)
    world = flood(jam, BEGIN_NS + seconds_to_ns(AT_S), 300.0, per_s=50)
    story = "A gateway sends 50 messages a second of names nobody knows; the jam is told in time."
    return _tunnel("mad gateway", story, world, yellow)


def many_at_once(seed: int) -> Scenario:
    """Return twenty underpasses that fill at once."""
    draws = uniform(key_of(seed, "crowd"), np.arange(40))
    worlds, must = [], []
    for number in range(20):
        gateway, begin_s = f"gw-pass-{number + 1:02}", 600.0 + 60.0 * float(draws[number])
        rise_s, top_m = 600.0, 0.34 + 0.2 * float(draws[20 + number])
        rain = swell(after(begin_s), rise_s, 900.0, 900.0, top_m)
        depth = total(rain, noise(key_of(seed, gateway), 0.002, 10.0))
        signal = Signal("U1", 10.0, depth, 3)
        worlds.append(Station((JsonFeed(gateway, "proving", 10.0, (signal,)),)))
        # At 0.34 m or more the smooth rise has passed 0.3 m before its end.
        must.append(
            Expected(
                f"underpass/{number + 1:02}/depth",
                Condition.HIGH,
                Grade.RED,
                begin_s + 0.4 * rise_s,
                begin_s + rise_s + 30.0,
                returns=True,
            )
        )
    return Scenario(
        "twenty at once",
        "A cloudburst fills twenty underpasses within a minute or two: each is told once, in time.",
        tuple(f"underpass/{number + 1:02}" for number in range(20)),
        tuple(worlds),
        4_200.0,
        tuple(must),
        site="proving-crowd",
    )


SCENARIOS = (
    duplicated_messages,
    reordered_messages,
    burst_after_outage,
    backlog_first,
    present_first,
    clock_ahead,
    clock_behind,
    zone_wrong,
    clock_drifts,
    reboot_2000,
    reboot_1970,
    trunk_outage,
    flapping_link,
    short_gaps,
    half_payloads,
    firmware_text,
    firmware_nan,
    firmware_null,
    firmware_renamed,
    firmware_commas,
    firmware_thousand,
    interval_doubled,
    interval_sixfold,
    mad_gateway,
    many_at_once,
)
