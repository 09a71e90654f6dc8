"""Drainage: rain and what becomes of it, pipes that are blocked, pumps that fail, a river that rises.

What must be raised, and when, is taken from the water that is truly there (``truth``).
"""

from dataclasses import replace

from domain.grade import Condition, Grade
from simulators.course import Course
from simulators.drainage import (
    Blockage,
    Discharge,
    DrainageStreet,
    HighRiver,
    PumpFailure,
    drainage,
    whole_station,
)
from simulators.faults import Change, stuck
from simulators.rain import Storm
from simulators.scenarios.scenario import BEGIN_NS, Expected, Scenario, after
from simulators.scenarios.truth import Limits, Watch, all_wanted, high, summed

STATION_ROAD = "drainage/station"
PROVING = "drainage/proving"
GATEWAY = "gw-proving-drain"
HOUR_S = 3_600.0

CROWN_M, GROUND_M = 0.9, 3.6
LEVEL = (
    (Grade.BLUE, CROWN_M),
    (Grade.YELLOW, 0.5 * (CROWN_M + GROUND_M)),
    (Grade.ORANGE, GROUND_M - 0.5),
    (Grade.RED, GROUND_M - 0.2),
)
DEPTH = ((Grade.BLUE, 0.05), (Grade.YELLOW, 0.15), (Grade.ORANGE, 0.25), (Grade.RED, 0.30))
DIFFERENCE = ((Grade.BLUE, 0.25 * CROWN_M), (Grade.YELLOW, 0.5 * CROWN_M))
SUMP = ((Grade.BLUE, 2.0),)
RIVER = ((Grade.YELLOW, 1.5), (Grade.RED, 3.0))

LATE_S = 60.0  # every 10 s a reading, 2 of 3 count
HALF_HOUR_S = 1_800.0  # the on-delay of differences


def proving(seed: int, **causes: object) -> DrainageStreet:
    """Return the proving ground's section with causes (see ``DrainageStreet``)."""
    return replace(DrainageStreet(seed, "proving"), **causes)  # type: ignore[arg-type]  # its fields


def _watches(street: DrainageStreet, broken: tuple[int, ...]) -> list[Watch]:
    numbers = [number for number in range(street.manholes) if number not in broken]
    watches = [
        Watch(
            f"{PROVING}/manhole-{number + 1}",
            street.course(f"level {number}"),
            LEVEL,
            LATE_S,
            0.02,
            0.0,
            settle_s=420.0,
        )
        for number in numbers
    ]
    pairs = (number for number in numbers if number + 1 in numbers)
    watches += [_difference(street, number) for number in pairs]
    rain = street.course("rain")
    watches += [
        Watch(f"{PROVING}/underpass", street.course("depth"), DEPTH, LATE_S, 0.004, 0.0),
        Watch(f"{PROVING}/sump", street.course("sump"), SUMP, LATE_S, 0.02, 0.0),
        Watch(f"{PROVING}/river", street.course("river"), RIVER, 120.0, 0.02, 0.0),
        # sums are told each 5 to 10 min
        _sum(rain, 3, ((Grade.ORANGE, 50.0), (Grade.RED, 100.0)), 450.0),
        _sum(rain, 6, ((Grade.YELLOW, 50.0),), 450.0),
        _sum(rain, 12, ((Grade.BLUE, 50.0),), 800.0),
    ]
    return watches


def _difference(street: DrainageStreet, number: int) -> Watch:
    upper, lower = street.course(f"level {number}"), street.course(f"level {number + 1}")
    return Watch(
        f"{PROVING}/drop-{number + 1}-{number + 2}",
        lambda time_ns: upper(time_ns) - lower(time_ns),
        DIFFERENCE,
        LATE_S,
        0.02,
        0.0,
        hold_s=HALF_HOUR_S,
    )


def _sum(rain: Course, hours: int, limits: Limits, late_s: float) -> Watch:
    truth = summed(rain, hours * HOUR_S, 10.0)
    return Watch(f"{PROVING}/rain/sum-{hours}h", truth, limits, late_s, 0.5, 0.02)


def _played(
    name: str,
    story: str,
    street: DrainageStreet,
    length_s: float,
    *,
    broken: dict[int, Change] | None = None,
    must: tuple[Expected, ...] = (),
    may: tuple[tuple[str, Condition], ...] = (),
    begin_ns: int = BEGIN_NS,
) -> Scenario:
    """Return the scenario of a proving ground's section, with all that the truth asks for.

    ``broken`` instruments in manholes, by place, are wanted nothing of but what ``must`` says.
    """
    world = whole_station(street, GATEWAY, "proving")
    for number, change in (broken or {}).items():
        world = world.with_signal(f"L{number + 1}", change)
    wanted, near = all_wanted(_watches(street, tuple(broken or ())), length_s, begin_ns)
    rises = any("/underpass" in one.channel for one in wanted) or any(
        "/underpass" in channel for channel, _ in near
    )
    follows = high(f"{PROVING}/underpass/rise") if rises else ()
    blind = [f"{PROVING}/manhole-{number + 1}" for number in broken or ()]
    blind += [f"{PROVING}/drop-{n}-{n + 1}" for n in (1, 2, 3) if {n - 1, n} & set(broken or ())]
    return Scenario(
        name,
        story,
        (PROVING,),
        (world,),
        length_s,
        (*must, *wanted),
        (*may, *near, *follows, *(high(*blind) if broken else ())),
        begin_ns,
        site="proving-drainage",
    )


def cloudburst(seed: int) -> Scenario:
    """Return a cloudburst on the demonstration's underpass, in which both pumps trip."""
    storms = (Storm(after(600.0), 20.0, 2_400.0),)
    failures = (PumpFailure(after(1_200.0), 900.0),)
    world = drainage("gw-drain-station", "gucheng", seed, storms=storms, failures=failures)
    street = DrainageStreet(seed, "gucheng/gw-drain-station", storms=storms, failures=failures)
    level, last = street.course("level 0"), street.course(f"level {street.manholes - 1}")
    watches = (
        Watch(f"{STATION_ROAD}/underpass", street.course("depth"), DEPTH, LATE_S, 0.004, 0.0),
        Watch(f"{STATION_ROAD}/manhole-1", level, LEVEL, LATE_S, 0.02, 0.0, settle_s=420.0),
        Watch(f"{STATION_ROAD}/manhole-2", last, LEVEL, LATE_S, 0.02, 0.0, settle_s=420.0),
    )
    must, near = all_wanted(watches, 7_200.0)
    consequences = ("underpass/rise", "rain/sum-3h", "rain/sum-6h", "rain/sum-12h")
    may = (*near, *high(*(f"{STATION_ROAD}/{name}" for name in consequences)))
    story = "Forty minutes of a storm of twenty years, and for a quarter of an hour no pump runs."
    return Scenario("cloudburst", story, (STATION_ROAD,), (world,), 7_200.0, must, may)


def dry_day(seed: int) -> Scenario:
    """Return a day of sewage and pump cycles, with the weather's own rain."""
    story = "Sewage comes and goes, a pump empties the sump now and then, and nothing is wrong."
    return _played("dry day", story, proving(seed), 6 * HOUR_S)


def ordinary_rain(seed: int) -> Scenario:
    """Return rain as it comes a dozen times a year."""
    street = proving(seed, storms=(Storm(after(600.0), 0.12),))
    story = "Ten to fifteen millimetres in two hours: the pipes fill by a third, the pumps run."
    return _played("ordinary rain", story, street, 4 * HOUR_S)


def design_storm(seed: int) -> Scenario:
    """Return the storm that the pipes were laid for, or a little more: three years."""
    street = proving(seed, storms=(Storm(after(600.0), 3.0),))
    story = "A storm of three years: the rain's own sums alarm; pipes are full and hardly more."
    return _played("design storm", story, street, 5 * HOUR_S)


def cloudburst_50_years(seed: int) -> Scenario:
    """Return a storm of fifty years: pipes under pressure, the underpass beyond its pumps."""
    street = proving(seed, storms=(Storm(after(600.0), 50.0),))
    story = "A storm of fifty years: sewers surcharge, and the underpass floods with pumps running."
    return _played("cloudburst of 50 years", story, street, 5 * HOUR_S)


def pump_failure(seed: int) -> Scenario:
    """Return both pumps tripped in rain that they could bear."""
    street = proving(
        seed,
        storms=(Storm(after(600.0), 0.5),),
        failures=(PumpFailure(after(1_800.0), 7_200.0),),
    )
    story = "Both pumps trip in moderate rain, for two hours: the underpass fills."
    return _played("pump failure", story, street, 5 * HOUR_S)


def blocked_pipe(seed: int) -> Scenario:
    """Return a pipe all but blocked in dry weather."""
    street = proving(seed, blockages=(Blockage(after(600.0), 1, 0.004),))
    story = "Grease all but closes a pipe: it rises above, falls below, and there is no rain."
    return _played("blocked pipe", story, street, 6 * HOUR_S)


def blocked_outfall(seed: int) -> Scenario:
    """Return an outfall nine tenths silted up, found by the first rain."""
    street = proving(
        seed,
        storms=(Storm(after(600.0), 0.5),),
        blockages=(Blockage(after(0.0), 3, 0.1),),
    )
    story = "Moderate rain, and nine tenths of the outfall are silt: the street's manholes fill."
    return _played("blocked outfall", story, street, 5 * HOUR_S)


def river_backwater(seed: int) -> Scenario:
    """Return a flood in the river that stands back into the sewer."""
    street = proving(seed, rivers=(HighRiver(after(600.0), 2.7, 5_400.0, 3_600.0, 5_400.0),))
    story = "The river rises past its warning level and stands in the lower manholes. No rain."
    return _played("river backwater", story, street, 5 * HOUR_S)


def stuck_in_a_flood(seed: int) -> Scenario:
    """Return a level sensor that the water covers: it repeats its last value."""
    street = proving(seed, storms=(Storm(after(600.0), 20.0),))
    channel = f"{PROVING}/manhole-3"
    # flat_s is 900 on the proving ground
    must = (Expected(channel, Condition.STUCK, Grade.YELLOW, 3_590.0, 3_640.0, returns=True),)
    story = "A sensor is covered and freezes before the crest; its neighbours tell the flood."
    return _played(
        "stuck in a flood",
        story,
        street,
        4 * HOUR_S,
        broken={2: stuck(after(2_700.0), 5_400.0)},
        must=must,
    )


def illegal_discharge(seed: int) -> Scenario:
    """Return a workshop's pickling bath, let into the sewer at night."""
    street = proving(seed, discharges=(Discharge(after(3_600.0), 5_400.0, 0),))
    # readings each 5 min, 2 of 3 count; noise is 12 uS/cm and 0.03
    salt, acid = street.course("conductivity"), street.course("ph")
    late_s = 660.0
    watches = (
        Watch(f"{PROVING}/conductivity", salt, ((Grade.BLUE, 3_100.0),), late_s, 45.0, 0.0),
        Watch(
            f"{PROVING}/ph",
            acid,
            ((Grade.BLUE, 6.0),),
            late_s,
            0.12,
            0.0,
            settle_s=3_600.0,
            condition=Condition.LOW,
        ),
    )
    must, near = all_wanted(watches, 4 * HOUR_S)
    story = "Acid let into the sewer for an hour and a half; the level hardly shows it."
    return _played("illegal discharge", story, street, 4 * HOUR_S, must=must, may=near)


SCENARIOS = (
    cloudburst,
    dry_day,
    ordinary_rain,
    design_storm,
    cloudburst_50_years,
    pump_failure,
    blocked_pipe,
    blocked_outfall,
    river_backwater,
    stuck_in_a_flood,
    illegal_discharge,
)
