"""Lifts: faults, people who cannot get out, and what only looks like it."""

from domain.grade import Condition, Grade
from domain.time import seconds_to_ns
from simulators.course import Occasion, once
from simulators.lift import (
    Trouble,
    Use,
    button_pressed,
    door_held,
    entrapment,
    inspection,
    lift,
    opened_in_run,
    power_loss,
    reopenings,
    shut_in,
    unintended_movement,
)
from simulators.scenarios.scenario import BEGIN_NS, Expected, Scenario, after

PLAZA = "lift/plaza-3"
AT_S = 425.0  # when the trouble comes
TRAPPED_S = 45.0  # on-delay of `trapped`: config/templates/lift.yaml
SHUT_IN_S = 120.0
HELD_S = 9.0  # a flickering sensor may be off for up to 8 s when the car stops
USES = tuple(Use)


def _begin_ns(seed: int) -> int:
    """Return a seed's beginning: 20 seeds are spread over all hours of the day."""
    return BEGIN_NS + seconds_to_ns(3_600.0 * (seed * 7 % 24))


def _place(seed: int) -> tuple[str, Use]:
    use = USES[seed % len(USES)]
    return f"lift/{use.value}", use


def _at(seed: int) -> Occasion:
    return once(_begin_ns(seed) + seconds_to_ns(AT_S))


def _play(
    seed: int,
    name: str,
    story: str,
    *troubles: Trouble,
    must: tuple[Expected, ...] = (),
    may: tuple[tuple[str, Condition], ...] = (),
    flickering: bool = False,
    length_s: float = 2_400.0,
) -> Scenario:
    facility, use = _place(seed)
    world = lift(
        f"gw-lift-{use.value}",
        "proving",
        seed,
        troubles=troubles,
        use=use,
        flickering=once(_begin_ns(seed)) if flickering else None,
        flickering_s=length_s,
    )
    return Scenario(
        name,
        story,
        (facility,),
        (world,),
        length_s,
        must,
        may,
        begin_ns=_begin_ns(seed),
        site="proving-lift",
    )


def _code(seed: int, grade: Grade, at_s: float = AT_S) -> Expected:
    channel = f"{_place(seed)[0]}/fault-code/grade"
    return Expected(
        channel, Condition.HIGH, grade, at_s - 1.0, at_s + 2.0, most=grade, returns=True
    )


def _trapped(seed: int, name: str, first_s: float, last_s: float) -> Expected:
    channel = f"{_place(seed)[0]}/{name}"
    return Expected(channel, Condition.HIGH, Grade.RED, first_s, last_s, returns=True)


def lift_entrapment(seed: int) -> Scenario:
    """Return a lift that stops between two floors with somebody inside."""
    world = lift("gw-lift-plaza", "binjiang", seed, troubles=(entrapment(after(AT_S), 900.0),))
    code = Expected(
        f"{PLAZA}/fault-code/grade", Condition.HIGH, Grade.ORANGE, 424.0, 427.0, returns=True
    )
    at_s = AT_S + TRAPPED_S
    trapped = Expected(
        f"{PLAZA}/trapped", Condition.HIGH, Grade.RED, at_s - 1.0, at_s + 2.0, returns=True
    )
    story = "Code 04, 45 s later 90; trapped for 45 s is red; released after 15 min."
    return Scenario("lift entrapment", story, (PLAZA,), (world,), 2_400.0, (code, trapped))


def entrapment_flickering(seed: int) -> Scenario:
    """Return an entrapment under a presence sensor that drops for seconds."""
    at_s = AT_S + TRAPPED_S
    return _play(
        seed,
        "entrapment, sensor flickers",
        "As above, while the presence sensor drops for 1 to 8 s every half a minute: nobody leaves a "
        "car whose door is shut, so the 45 s run on.",
        entrapment(_at(seed), 900.0),
        must=(
            _code(seed, Grade.ORANGE),
            _trapped(seed, "trapped", at_s - 1.0, at_s + HELD_S + 2.0),
        ),
        flickering=True,
    )


def entrapment_button_repeated(seed: int) -> Scenario:
    """Return a long entrapment in which the button is pressed again and again."""
    at_s = AT_S + TRAPPED_S
    return _play(
        seed,
        "entrapment, button again and again",
        "Trapped for 40 min, the button pressed each two minutes or so: one alarm of each, not many.",
        entrapment(_at(seed), 2_400.0, button_s=150.0, every_s=120.0),
        must=(_code(seed, Grade.ORANGE), _trapped(seed, "trapped", at_s - 1.0, at_s + 2.0)),
        length_s=3_600.0,
    )


def doors_do_not_open(seed: int) -> Scenario:
    """Return a car at its floor whose doors stay shut, with somebody inside."""
    return _play(
        seed,
        "doors do not open",
        "The car is at its floor, its doors do not open (03), somebody is inside for 10 min.",
        shut_in(_at(seed), 600.0),
        must=(
            _code(seed, Grade.YELLOW),
            # The car has stood at the landing for up to 12 s before the code is told.
            _trapped(seed, "shut-in", AT_S + SHUT_IN_S - 13.0, AT_S + SHUT_IN_S + 2.0),
        ),
    )


def door_held_open(seed: int) -> Scenario:
    """Return a door held open for minutes: nobody is trapped."""
    story = "Somebody holds the door for 8 min and loads the car, in and out: no alarm."
    return _play(seed, "door held open", story, door_held(_at(seed), 480.0))


def door_reopens(seed: int) -> Scenario:
    """Return a door that opens again and again."""
    story = "Something lies in the sill: the door opens again for 4 min, and then shuts: no alarm."
    return _play(seed, "door opens again and again", story, reopenings(_at(seed), 240.0))


def maintenance(seed: int) -> Scenario:
    """Return an inspection: all the signs of an entrapment, and none."""
    story = "A maintainer in the car, door shut, stands between floors for minutes: service mode."
    return _play(seed, "inspection", story, inspection(_at(seed), 2_700.0), length_s=3_900.0)


def mains_lost(seed: int) -> Scenario:
    """Return mains lost, with a rescue by battery, and their return."""
    return _play(
        seed,
        "mains lost",
        "Mains lost in a run (41): the battery levels the car and opens it within 20 s; back after 20 min.",
        power_loss(_at(seed), 1_200.0),
        must=(_code(seed, Grade.YELLOW),),
    )


def child_at_the_button(seed: int) -> Scenario:
    """Return alarm presses without an entrapment."""
    return _play(
        seed,
        "child at the button",
        "A child presses the alarm button three times while it rides: a person calls (90), nobody is "
        "trapped.",
        button_pressed(_at(seed)),
        must=(_code(seed, Grade.ORANGE),),
    )


def car_moves_open(seed: int) -> Scenario:
    """Return an unintended movement."""
    return _play(
        seed,
        "unintended movement",
        "The car creeps off with its door open (05) and is caught: red at once.",
        unintended_movement(_at(seed), 900.0),
        must=(_code(seed, Grade.RED, AT_S + 0.7),),
    )


def door_opens_in_run(seed: int) -> Scenario:
    """Return a door that opens in a run."""
    return _play(
        seed,
        "door opens in a run",
        "The door opens while the car runs (08); it stops between floors and is seen to.",
        opened_in_run(_at(seed), 600.0),
        must=(_code(seed, Grade.ORANGE),),
    )


def busy_lift(seed: int) -> Scenario:
    """Return hours of ordinary service with a sensor that flickers."""
    story = "Two hours of ordinary service, the presence sensor flickering all the while: no alarm."
    return _play(seed, "busy lift", story, flickering=True, length_s=7_200.0)


SCENARIOS = (
    lift_entrapment,
    entrapment_flickering,
    entrapment_button_repeated,
    doors_do_not_open,
    door_held_open,
    door_reopens,
    maintenance,
    mains_lost,
    child_at_the_button,
    car_moves_open,
    door_opens_in_run,
    busy_lift,
)
