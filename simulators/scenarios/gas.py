"""Gas: leaks, the methane that is none, and detectors that are not in order.

What must be raised, and when, is taken from the gas that is truly there (``truth``): an alarm is due
when the true concentration passes its limit. How soon that is after a leak begins is the soil's doing.
"""

from collections.abc import Sequence
from dataclasses import replace

from domain.grade import Condition, Grade
from simulators.course import Course, delayed, drift, times, total
from simulators.gas import Detector, GasStreet, Leak, Ventilation, Works, escape_m3_h
from simulators.gas.street import gas
from simulators.rain import Storm
from simulators.scenarios.scenario import (
    AFTERNOON_S,
    BEGIN_NS,
    NOON_NS,
    Expected,
    Scenario,
    after,
)
from simulators.scenarios.truth import Watch, all_wanted, high
from simulators.world import Station

OLD_STREET = "gas/old-street"
PROVING = "gas/proving"
GATEWAY = "gw-proving-gas"
MANHOLES = 4
NEAR = 1  # the place of the manhole that leaks are beside; a laser stands in it and in the next one
LASERS = (1, 2)

METHANE = ((Grade.BLUE, 10.0), (Grade.YELLOW, 20.0), (Grade.ORANGE, 50.0), (Grade.RED, 100.0))
OLD_METHANE = ((Grade.BLUE, 10.0), (Grade.YELLOW, 20.0), (Grade.RED, 50.0))
ETHANE = ((Grade.BLUE, 30.0), (Grade.YELLOW, 300.0), (Grade.ORANGE, 750.0))

# A detector responds to 90 % within 30 s, reads every 5 s, and 2 of 3 readings count; in damp air it
# shows a few per cent less than there is.
METHANE_LATE_S, METHANE_MARGIN, METHANE_SHARE = 150.0, 0.3, 0.05


def old_street(
    seed: int,
    *,
    leaks: tuple[Leak, ...] = (),
    ventilations: tuple[Ventilation, ...] = (),
    biogas: float = 1.0,
) -> Station:
    """Return the demonstration's gas section in the old town."""
    return gas("gw-gas-old", "gucheng", seed, leaks=leaks, ventilations=ventilations, biogas=biogas)


def with_methane(station: Station, lel: Course) -> Station:
    """Return the old town's section with so much methane more, in %LEL, in manhole 1.

    45 % of it come 40 s later in manhole 2. For trying an instrument or a link, not the soil.
    """
    near = station.with_signal("M1", lambda course: total(course, lel))
    return near.with_signal("M2", lambda course: total(course, times(0.45, delayed(lel, 40.0))))


def proving(seed: int, **causes: object) -> GasStreet:
    """Return the proving ground's section with causes (see ``GasStreet``)."""
    calm = GasStreet(seed, "proving", manholes=MANHOLES, lasers=LASERS)
    return replace(calm, **causes)  # type: ignore[arg-type]  # the fields of a GasStreet


def beside(seed: int, manhole: int, away_m: float = 1.5) -> float:
    """Return the place of a leak so far along the street from a manhole, for better or worse soil."""
    return proving(seed).section.manholes[manhole].place_m + away_m


def _watch_methane(
    street: GasStreet, facility: str, limits: Sequence[tuple[Grade, float]], number: int
) -> Watch:
    shown = limits
    return Watch(
        f"{facility}/manhole-{number + 1}",
        _held_to(street.true_lel(number), 100.0 + METHANE_SHARE * 100.0 + 1.0),
        shown,
        METHANE_LATE_S,
        METHANE_MARGIN,
        METHANE_SHARE,
    )


def _held_to(course: Course, most: float) -> Course:
    return lambda time_ns: course(time_ns).clip(max=most)


def _played(
    name: str,
    story: str,
    street: GasStreet,
    length_s: float,
    *,
    begin_ns: int = BEGIN_NS,
    blind: tuple[int, ...] = (),
    must: tuple[Expected, ...] = (),
    may: tuple[tuple[str, Condition], ...] = (),
) -> Scenario:
    """Return the scenario of a proving ground's section, with all that the truth asks for.

    Of detectors in ``blind`` nothing is wanted; they may tell what they can.
    """
    seeing = [number for number in range(MANHOLES) if number not in blind]
    watches = [_watch_methane(street, PROVING, METHANE, number) for number in seeing]
    watches += [
        Watch(
            f"{PROVING}/ethane-{number + 1}",
            street.days.course(f"ethane {number}"),
            ETHANE,
            60.0,  # readings each 5 s, 3 of 5 count
            5.0,
        )
        for number in LASERS
    ]
    wanted, near = all_wanted(watches, length_s, begin_ns)
    leaking = [f"{PROVING}/manhole-{number + 1}/rise" for number in range(MANHOLES)]
    leaking += [f"{PROVING}/open-path/enhancement", f"{PROVING}/pressure"]
    told = high(*(f"{PROVING}/manhole-{number + 1}" for number in blind))
    follows = (*high(*leaking), (f"{PROVING}/pressure", Condition.LOW)) if street.leaks else ()
    return Scenario(
        name,
        story,
        (PROVING,),
        (street.station(GATEWAY, "proving"),),
        length_s,
        (*must, *wanted),
        (*may, *near, *told, *follows),
        begin_ns,
        site="proving-gas",
    )


def gas_leak(seed: int) -> Scenario:
    """Return a pipe that is hit beside a manhole, shut after ten minutes, and vented."""
    leaks = (Leak(after(600.0), 230.0, 1.0, length_s=600.0, clearing_s=240.0),)
    aired = (Ventilation(after(1_300.0), 1_800.0),)
    world = old_street(seed, leaks=leaks, ventilations=aired)
    street = GasStreet(seed, "gucheng/gw-gas-old", leaks=leaks, ventilations=aired)
    watches = [_watch_methane(street, OLD_STREET, OLD_METHANE, number) for number in range(3)]
    must, near = all_wanted(watches, 3_600.0)
    first = replace(must[0], last_s=min(must[0].last_s, 840.0))  # red within four minutes
    rises = high(*(f"{OLD_STREET}/manhole-{number}/rise" for number in (1, 2, 3)))
    may = (*near, *rises, *high(f"{OLD_STREET}/open-path/enhancement"))
    story = "Gas follows the trench into a manhole, later into its neighbour, and is vented."
    return Scenario("gas leak", story, (OLD_STREET,), (world,), 3_600.0, (first, *must[1:]), may)


def biogas_day(seed: int) -> Scenario:
    """Return a day of the sewers' own methane, three times as much as usual."""
    story = "Biogas triples for a day and is most at three, and it is no leak."
    worlds = (old_street(seed, biogas=3.0),)
    return Scenario("biogas day", story, (OLD_STREET,), worlds, AFTERNOON_S, begin_ns=NOON_NS)


def slow_leak(seed: int) -> Scenario:
    """Return a corroded pipe: a hole of a millimetre, unseen for hours."""
    leak = Leak(after(600.0), escape_m3_h(1.0), beside(seed, NEAR))
    street = proving(seed, leaks=(leak,))
    story = (
        "Two cubic metres an hour fill the trench; a manhole fills within hours, and stays full."
    )
    return _played("slow leak", story, street, 4 * 3_600.0)


def hit_by_works(seed: int) -> Scenario:
    """Return an excavation that hits the main; it is shut after a quarter of an hour."""
    works = Works(after(600.0), 3_000.0)
    leak = Leak(after(3_600.0), escape_m3_h(16.0), beside(seed, NEAR), 900.0, 300.0)
    aired = Ventilation(after(4_800.0), 2_400.0)
    street = proving(seed, works=(works,), leaks=(leak,), ventilations=(aired,))
    story = "An excavator shakes the pipe for 50 min, then hits it: shut after 15 min, and vented."
    return _played("hit by works", story, street, 8_400.0)


def works_without_leak(seed: int) -> Scenario:
    """Return an excavation beside the pipe that does no harm."""
    street = proving(seed, works=(Works(after(600.0), 9_000.0),))
    story = "Two and a half hours of digging: shaking, puffs out of opened ground, and no leak."
    return _played("works without leak", story, street, 10_800.0)


def leak_on_a_biogas_day(seed: int) -> Scenario:
    """Return a slow leak on a day on which the sewers make three times as much methane as usual."""
    leak = Leak(after(600.0), escape_m3_h(1.0), beside(seed, NEAR))
    street = proving(seed, leaks=(leak,), biogas=3.0)
    story = "Methane is up everywhere; ethane, and a rise at one place only, say which of it leaks."
    return _played("leak on a biogas day", story, street, 4 * 3_600.0)


def strong_biogas(seed: int) -> Scenario:
    """Return methane of the sewers that is dangerous by itself, without any leak.

    Where it truly passes 10 %LEL the blue alarm is right: a manhole that may explode is a hazard
    whatever gas it is. Ethane has to stay silent: it is no leak.
    """
    street = proving(seed, biogas=14.0)
    story = "Fourteen times the usual biogas: some manholes pass 10 %LEL, and no ethane is in it."
    return _played("strong biogas", story, street, AFTERNOON_S, begin_ns=NOON_NS)


def wet_weather_flush(seed: int) -> Scenario:
    """Return rain after a warm day: it drives the sewers' air out, and flushes them."""
    street = proving(seed, biogas=3.0, storms=(Storm(after(1_800.0), 0.5, 3_600.0),))
    story = "Rising water pushes methane out for minutes, then the sewers are flushed. No leak."
    return _played("wet-weather flush", story, street, 10_800.0)


def detector_drift(seed: int) -> Scenario:
    """Return a detector whose zero sinks below its range; nothing is wrong with the air."""
    sinking = Detector(zero=drift(BEGIN_NS, -48.0, 3 * 3_600.0))  # 2 %LEL an hour
    street = proving(seed, detectors={NEAR: sinking})
    channel = f"{PROVING}/manhole-{NEAR + 1}"
    # -3 %LEL is passed after 90 min where there is no methane, later where there is some
    must = (Expected(channel, Condition.RANGE, Grade.YELLOW, 5_300.0, 9_600.0),)
    story = "The zero of a detector sinks by 2 %LEL an hour: its own fault, and nothing else."
    return _played("detector drift", story, street, 10_800.0, blind=(NEAR,), must=must)


def poisoned_detector(seed: int) -> Scenario:
    """Return a leak beside a detector that silicone has poisoned: blind, and it does not say so.

    Nothing in its own readings tells a poisoned catalyst from clean air; only a bump test does. What
    can be had: the laser in the same manhole, and the next manholes once the gas is there.
    """
    poisoned = Detector(poisoned=after(-86_400.0), half_s=7_200.0)
    leak = Leak(after(600.0), escape_m3_h(3.0), beside(seed, NEAR))
    street = proving(seed, leaks=(leak,), detectors={NEAR: poisoned})
    story = "The nearest detector is dead to the leak; ethane in the same manhole and others tell."
    return _played("poisoned detector", story, street, 4 * 3_600.0, blind=(NEAR,))


def ventilation(seed: int) -> Scenario:
    """Return covers lifted and a blower in each manhole for an hour."""
    street = proving(seed, biogas=3.0, ventilations=(Ventilation(after(1_200.0), 3_600.0),))
    story = "Inspection: all manholes are aired for an hour, and fill with biogas again."
    return _played("ventilation", story, street, 7_200.0)


SCENARIOS = (
    gas_leak,
    biogas_day,
    slow_leak,
    hit_by_works,
    works_without_leak,
    leak_on_a_biogas_day,
    strong_biogas,
    wet_weather_flush,
    detector_drift,
    poisoned_detector,
    ventilation,
)
