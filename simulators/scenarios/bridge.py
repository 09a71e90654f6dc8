"""Bridges: loads and days that are normal, and those that are not.

Days are played on the proving ground, whose loggers learn for a day what temperature does. What is
wrong begins after that, and its window ends when it has grown past the limit and three readings of five
have said so.
"""

import numpy as np

from domain.grade import Condition, Grade
from domain.time import NS_PER_S, seconds_to_ns
from simulators.bridge import (
    CONTINUOUS,
    LONG_TERM,
    SWING,
    TIED_ARCH,
    Convoy,
    Trouble,
    bridge,
    built,
)
from simulators.bridge.design import STEEL_PER_K
from simulators.course import Course, once, swell
from simulators.scenarios.scenario import (
    AFTERNOON_S,
    BEGIN_NS,
    NOON_NS,
    Expected,
    Scenario,
    after,
)
from simulators.world import Station

RIVERSIDE = "bridge/riverside"
WILLOW = "bridge/willow"
HERON = "bridge/heron"
EGRET = "bridge/egret"

HOUR_S = 3_600.0
MIDNIGHT_NS = BEGIN_NS + 3 * 3600 * NS_PER_S
RUSH_NS = BEGIN_NS + 10 * 3600 * NS_PER_S + 1_800 * NS_PER_S  # 07:30
DAYS_S = 60 * HOUR_S
CAUSE_S = 30 * HOUR_S  # at six, after a day of learning
FOR_EVER_S = 1e7
CALM = Trouble()


def riverside(seed: int, *, convoys: tuple[Convoy, ...] = (), trouble: Trouble = CALM) -> Station:
    """Return the large bridge."""
    return bridge("gw-bridge-riverside", "binjiang", seed, convoys=convoys, trouble=trouble)


def willow(seed: int) -> Station:
    """Return the small bridge on a calm day."""
    return bridge(
        "gw-bridge-willow", "gucheng", seed, design=TIED_ARCH, busy=0.35, acceleration=False
    )


def heron(seed: int, trouble: Trouble = CALM) -> Station:
    """Return the proving ground's bridge with a logger of slow quantities."""
    return bridge(
        "gw-bridge-heron", "proving", seed, design=CONTINUOUS, trouble=trouble, logger=LONG_TERM,
        acceleration=False,
    )  # fmt: skip


def egret(seed: int, trouble: Trouble = CALM, busy: float = 1.0) -> Station:
    """Return the proving ground's bridge with a logger of its swing."""
    return bridge(
        "gw-bridge-egret", "proving", seed, design=CONTINUOUS, trouble=trouble, busy=busy,
        logger=SWING, only=("A1", "T1"),
    )  # fmt: skip


def sets_in(at_s: float, rise_s: float, height: float, begin_ns: int = MIDNIGHT_NS) -> Course:
    """Return a course that rises once to ``height``, and stays."""
    moment = once(begin_ns + seconds_to_ns(at_s))
    return swell(moment, rise_s, FOR_EVER_S, 1.0, height)


def thermal_day(seed: int) -> Scenario:
    """Return a day of sun and traffic, which is what a bridge is built for."""
    story = "Temperature and traffic of a day move everything, and nothing is wrong."
    return Scenario("thermal day", story, (WILLOW,), (willow(seed),), AFTERNOON_S, begin_ns=NOON_NS)


def busy_rush_hour(seed: int) -> Scenario:
    """Return the busiest hour of a working day."""
    story = "The morning's peak: lorries and buses in both lanes, and nothing is wrong."
    worlds = (riverside(seed),)
    return Scenario("busy rush hour", story, (RIVERSIDE,), worlds, HOUR_S, begin_ns=RUSH_NS)


def overweight_convoy(seed: int) -> Scenario:
    """Return a crossing of a convoy beyond the design value."""
    channel = f"{RIVERSIDE}/deflection-midspan"
    orange = Expected(
        channel, Condition.HIGH, Grade.ORANGE, 305.0, 350.0, most=Grade.ORANGE, returns=True
    )
    story = "Ten lorries of 82 t in a row bring the deflection past its design value, and pass."
    worlds = (riverside(seed, convoys=(Convoy(after(290.0), 10, 82.0, 18.0, 9.0),)),)
    return Scenario("overweight convoy", story, (RIVERSIDE,), worlds, 900.0, (orange,))


def _days(
    name: str,
    story: str,
    seed: int,
    trouble: Trouble = CALM,
    must: tuple[Expected, ...] = (),
    may: tuple[str, ...] = (),
    length_s: float = DAYS_S,
) -> Scenario:
    """Return some days of the bridge whose logger knows its temperature."""
    conditions = (Condition.HIGH, Condition.LOW)
    return Scenario(
        name, story, (HERON,), (heron(seed, trouble),), length_s, must,
        tuple((f"{HERON}/{channel}", one) for channel in may for one in conditions),
        begin_ns=MIDNIGHT_NS, site="proving-bridge", tick_s=60.0,
    )  # fmt: skip


def thermal_days(seed: int) -> Scenario:
    """Return two and a half calm days."""
    story = "Two and a half days of sun, rain, wind and traffic: all is explained."
    return _days("thermal days", story, seed)


def cold_front(seed: int) -> Scenario:
    """Return a front that takes 12 K within hours, as none did while the loggers learnt."""
    story = "A cold front: the deck shortens by a centimetre, the bearings go along, all is well."
    return _days("cold front", story, seed, Trouble(cold_k=sets_in(CAUSE_S, 4 * HOUR_S, -12.0)))


def windy_day(seed: int) -> Scenario:
    """Return a fresh breeze below what anybody closes a deck for."""
    gale = swell(once(MIDNIGHT_NS + seconds_to_ns(CAUSE_S)), HOUR_S, 4 * HOUR_S, HOUR_S, 5.0)
    story = "Half a day of a fresh breeze, below 15 m/s; the deck sways a little."
    return _days("windy day", story, seed, Trouble(gale_m_s=gale))


def gale(seed: int) -> Scenario:
    """Return a gale over the deck."""
    moment_s = 6 * HOUR_S
    wind = swell(once(MIDNIGHT_NS + seconds_to_ns(moment_s)), HOUR_S, 2 * HOUR_S, HOUR_S, 17.0)
    # On top of 1 to 7 m/s, 15 m/s is passed between a half and full strength.
    must = Expected(
        f"{HERON}/wind/mean", Condition.HIGH, Grade.YELLOW, moment_s + 1_500.0, moment_s + 4_200.0,
        returns=True,
    )  # fmt: skip
    story = "A gale passes: the ten-minute mean on the deck goes beyond 15 m/s."
    return _days("gale", story, seed, Trouble(gale_m_s=wind), (must,), length_s=14 * HOUR_S)


def support_settlement(seed: int) -> Scenario:
    """Return a pier that goes down by 14 mm in three hours."""
    # About 0.6 of it is felt at midspan; a tenth of the design value is 4 mm.
    must = Expected(
        f"{HERON}/deflection/residual", Condition.HIGH, Grade.YELLOW, CAUSE_S, CAUSE_S + 4 * HOUR_S
    )
    story = "A pier settles by 14 mm in three hours; temperature would have hidden it."
    trouble = Trouble(settling_mm=sets_in(CAUSE_S, 3 * HOUR_S, 14.0))
    return _days("support settlement", story, seed, trouble, (must,))


def girder_damage(seed: int) -> Scenario:
    """Return a main span that loses an eighth of its stiffness within an hour."""
    must = Expected(
        f"{HERON}/deflection/residual", Condition.HIGH, Grade.YELLOW, CAUSE_S, CAUSE_S + 3 * HOUR_S
    )
    story = "A girder cracks: an eighth of the span's stiffness is gone, and it sags by 6 mm."
    trouble = Trouble(damage=sets_in(CAUSE_S, HOUR_S, 0.125))
    return _days("girder damage", story, seed, trouble, (must,))


def cable_force_loss(seed: int) -> Scenario:
    """Return a tendon that loses a tenth of its force."""
    must = Expected(
        f"{HERON}/cable-1/residual", Condition.LOW, Grade.YELLOW, CAUSE_S, CAUSE_S + 1_800.0
    )
    story = "Wires of a tendon break within ten minutes; a tenth of its force is gone."
    trouble = Trouble(cable_loss=sets_in(CAUSE_S, 600.0, 0.10))
    return _days(
        "cable force loss",
        story,
        seed,
        trouble,
        (must,),
        ("cable-2/residual", "deflection/residual"),
    )


def bearing_jam(seed: int) -> Scenario:
    """Return a bearing that moves no more.

    It cannot be known before temperature has gone so far from where it jammed that a tenth of the
    travel is missing: by the bridge's own temperature that moment is reckoned here, and the alarm is
    wanted within two hours of it.
    """
    length_s = 96 * HOUR_S
    jam_ns = MIDNIGHT_NS + seconds_to_ns(CAUSE_S)
    trouble = Trouble(jam=once(jam_ns))
    own = built("gw-bridge-heron", seed, design=CONTINUOUS, trouble=trouble)
    time_ns = (
        jam_ns + np.arange(0.0, length_s - CAUSE_S - 2 * HOUR_S, 60.0).astype(np.int64) * NS_PER_S
    )
    warmth = own.effective_c(time_ns) - own.effective_c(time_ns[:1])
    missing = 1e3 * STEEL_PER_K * own.design.expansion_m[0] * warmth
    beyond = np.flatnonzero(np.abs(missing) >= 0.1 * 40.0)
    story = "A bearing jams in the cool of the morning; the day's warmth no longer moves it."
    if len(beyond) == 0:  # three days without enough warmth: nobody could know
        return _days("bearing jam", story, seed, trouble, length_s=length_s)
    known_s = CAUSE_S + 60.0 * float(beyond[0])
    # It is missing outward where it got colder, inward where it got warmer.
    condition = Condition.LOW if missing[beyond[0]] > 0 else Condition.HIGH
    must = Expected(
        f"{HERON}/bearing-1/residual", condition, Grade.YELLOW, known_s - 2 * HOUR_S,
        known_s + 2 * HOUR_S,
    )  # fmt: skip
    return _days(
        "bearing jam", story, seed, trouble, (must,), ("bearing-1/residual",), length_s=length_s
    )


def _swing(
    name: str, story: str, seed: int, trouble: Trouble = CALM, must: tuple[Expected, ...] = ()
) -> Scenario:
    """Return six hours of a bridge's swing, from noon."""
    return Scenario(
        name, story, (EGRET,), (egret(seed, trouble),), 6 * HOUR_S, must, begin_ns=NOON_NS,
        site="proving-bridge", tick_s=10.0,
    )  # fmt: skip


def scour(seed: int) -> Scenario:
    """Return a flood that takes the ground from a pier."""
    moment_s = 3.5 * HOUR_S
    loss = sets_in(moment_s, HOUR_S, 0.08, NOON_NS)
    # 5 % is passed after 37 min; the window of 20 min, and three values of five, come on top.
    must = Expected(
        f"{EGRET}/acceleration/shift", Condition.LOW, Grade.YELLOW, moment_s + 1_500.0,
        moment_s + 1.75 * HOUR_S,
    )  # fmt: skip
    story = "A pier is scoured: within an hour the first frequency falls by 8 %."
    return _swing("scour", story, seed, Trouble(scour=loss), (must,))


def swing_in_a_front(seed: int) -> Scenario:
    """Return a cold front, a breeze and the evening's peak, felt by the frequency."""
    story = (
        "A cold front and a breeze over the evening's peak: the frequency moves by half a percent."
    )
    trouble = Trouble(
        cold_k=sets_in(2 * HOUR_S, 3 * HOUR_S, -12.0, NOON_NS),
        gale_m_s=sets_in(3 * HOUR_S, HOUR_S, 6.0, NOON_NS),
    )
    return _swing("swing in a front", story, seed, trouble)


SCENARIOS = (
    thermal_day,
    busy_rush_hour,
    overweight_convoy,
    thermal_days,
    cold_front,
    windy_day,
    gale,
    support_settlement,
    girder_damage,
    cable_force_loss,
    bearing_jam,
    scour,
    swing_in_a_front,
)
