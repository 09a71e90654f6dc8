"""What befalls a lift: each trouble is a story that the car plays from idle to idle.

The controller takes no call whose sweep would not be over ``lead_s`` before a trouble begins, and
takes calls again when it is over. So the car never jumps, and nobody appears or vanishes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from domain.time import NS_PER_MS, seconds_to_ns
from simulators.course import Occasion
from simulators.lift.car import Car, Door, Mode
from simulators.noise import key_of, uniform

BUTTON, POWER_BACK, POWER_LOST, INSPECTION = 90, 40, 41, 43
OUTSIDE_ZONE, UNINTENDED, DOOR_SHUT, OPEN_IN_RUN = 4, 5, 3, 8
AFTER_S = 60.0  # within which every story comes to its end behind ``length_s``

Story = Callable[[Car, int, int], None]
"""Play on an idle car: (car, when it begins, when it is over), in ms."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befalls a lift on an occasion, for ``length_s``; its story begins ``lead_s`` before."""

    occasion: Occasion
    length_s: float
    story: Story
    lead_s: float = 30.0

    def spans_ms(self, start_ms: int, end_ms: int) -> list[tuple[int, int]]:
        """Return when it begins and is over, of those whose lead begins in the span."""
        spans = []
        lead_ms = round(1000 * self.lead_s)
        begun_ns = self.occasion.latest((end_ms + lead_ms) * NS_PER_MS - 1)
        while begun_ns is not None and begun_ns // NS_PER_MS - lead_ms >= start_ms:
            over_ns = begun_ns + seconds_to_ns(self.length_s)
            spans.append((begun_ns // NS_PER_MS, over_ns // NS_PER_MS))
            begun_ns = self.occasion.latest(begun_ns - 1)
        return spans[::-1]


def _board(car: Car, begin_ms: int, run_s: float) -> None:
    """Let somebody in, so that a run can begin ``run_s`` before ``begin_ms``."""
    doors_ms = round(1000 * (2 * car.building.door_s + 4.0 + run_s))
    car.wait(begin_ms - doors_ms)
    car.open_door()
    car.tell(after_s=1.5, passenger=1)
    car.tell(after_s=1.5)
    car.close_door()


def _away(car: Car, floors: int = 99) -> int:
    """Return a floor so far from here, or as far as there is, towards the farther end."""
    up = car.building.floors - car.floor >= car.floor - 1
    far = min(floors, max(car.building.floors - car.floor, car.floor - 1))
    return car.floor + far if up else car.floor - far


def _let_out(car: Car) -> None:
    """Open, let out, close."""
    car.open_door()
    car.tell(after_s=1.5, passenger=0)
    car.now_ms += 2500
    car.close_door()


def _presses(begin_ms: int, end_ms: int, button_s: float, every_s: float | None) -> list[int]:
    first_ms = begin_ms + round(1000 * button_s)
    if every_s is None:
        return [first_ms]
    draws = uniform(key_of("presses", begin_ms), np.arange(1000))
    times, at_ms = list[int](), first_ms
    while at_ms < end_ms - 30_000:
        times.append(at_ms)
        at_ms += round(1000 * every_s * (0.6 + 0.8 * float(draws[len(times)])))
    return times


def entrapment(
    occasion: Occasion, length_s: float, button_s: float = 45.0, every_s: float | None = None
) -> Trouble:
    """Return an entrapment: the car stops between floors (04), ``button_s`` later the button (90).

    With ``every_s`` the button is pressed again and again, about that often, and 04 shows between.
    """

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        _board(car, begin_ms, 8.0)
        car.run(_away(car), until_ms=begin_ms)
        car.wait(begin_ms)
        car.tell(fault_code=OUTSIDE_ZONE, car_speed=0.0, door_zone=0)
        for at_ms in _presses(begin_ms, end_ms, button_s, every_s):
            car.wait(at_ms)
            car.tell(fault_code=BUTTON)
            if every_s is not None:
                car.tell(after_s=6.0, fault_code=OUTSIDE_ZONE)
        car.wait(end_ms)
        car.tell(fault_code=0)
        car.tell(after_s=4.0, car_speed=-car.building.creep_m_s)
        car.tell(after_s=5.0, car_speed=0.0, door_zone=1)
        car.now_ms += 1000
        _let_out(car)

    return Trouble(occasion, length_s, story)


def shut_in(occasion: Occasion, length_s: float) -> Trouble:
    """Return a car at its floor whose doors do not open, with somebody inside (03)."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        _board(car, begin_ms, 12.0)
        car.run(_away(car, 3))
        car.wait(begin_ms)
        car.tell(fault_code=DOOR_SHUT)
        car.wait(end_ms)
        car.tell(fault_code=0)
        _let_out(car)

    return Trouble(occasion, length_s, story, lead_s=45.0)


def faulty(occasion: Occasion, length_s: float, code: int) -> Trouble:
    """Return a fault of the controller: it stands with its door open and tells ``code``."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        car.wait(begin_ms - round(1000 * car.building.door_s) - 1)
        car.open_door()
        car.wait(begin_ms)
        car.tell(fault_code=code)
        car.wait(end_ms)
        car.tell(fault_code=0)
        car.close_door()

    return Trouble(occasion, length_s, story)


def door_held(occasion: Occasion, length_s: float) -> Trouble:
    """Return a door that somebody holds open while he loads the car, going in and out."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        car.wait(begin_ms)
        car.open_door()
        inside = 1
        while car.now_ms < end_ms - 20_000:
            car.tell(after_s=9.0, passenger=inside)
            inside = 1 - inside
        car.wait(end_ms)
        car.tell(passenger=1)
        car.close_door()
        car.run(_away(car, 4))
        _let_out(car)

    return Trouble(occasion, length_s, story)


def reopenings(occasion: Occasion, length_s: float) -> Trouble:
    """Return a door that opens again at each attempt to close, as with something in the sill."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        car.wait(begin_ms)
        car.open_door()
        each_ms = round(1200 * car.building.door_s) + 1500
        car.close_door(interrupted=(end_ms - car.now_ms) // each_ms)

    return Trouble(occasion, length_s, story)


def button_pressed(occasion: Occasion, times: int = 3) -> Trouble:
    """Return a child that presses the alarm button a few times while it rides, and gets out."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        _board(car, begin_ms, 1.0)
        car.wait(begin_ms)
        for _ in range(times):
            car.tell(fault_code=BUTTON)
            car.tell(after_s=2.0, fault_code=0)
            car.now_ms += 1500
        car.run(_away(car, 5))
        car.wait(end_ms)
        _let_out(car)

    return Trouble(occasion, 4.0 * times + 20.0, story)


def unintended_movement(occasion: Occasion, length_s: float) -> Trouble:
    """Return a car that creeps off with its door open (05), and is caught and held."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        car.wait(begin_ms - round(1000 * car.building.door_s) - 2500)
        car.open_door()
        car.wait(begin_ms)
        car.tell(car_speed=0.3)
        car.tell(after_s=0.7, fault_code=UNINTENDED, door_zone=0)
        car.tell(after_s=0.4, car_speed=0.0)
        car.wait(end_ms)
        car.tell(fault_code=0, door_zone=1)
        car.close_door()

    return Trouble(occasion, length_s, story)


def opened_in_run(occasion: Occasion, length_s: float) -> Trouble:
    """Return a door that opens while the car runs (08): it stops, and is seen to."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        _board(car, begin_ms, 8.0)
        car.run(_away(car), until_ms=begin_ms)
        car.wait(begin_ms)
        car.tell(door=Door.OPENING, fault_code=OPEN_IN_RUN)
        car.tell(after_s=0.8, car_speed=0.0)
        car.wait(end_ms)
        car.tell(fault_code=0, door=Door.SHUT)
        car.tell(after_s=3.0, car_speed=-car.building.creep_m_s)
        car.tell(after_s=4.0, car_speed=0.0, door_zone=1)
        _let_out(car)

    return Trouble(occasion, length_s, story)


def power_loss(occasion: Occasion, length_s: float) -> Trouble:
    """Return mains lost in a run (41): the battery brings the car to a floor and opens it.

    When the mains return the controller says so (40), looks for its floor, and goes on.
    """

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        _board(car, begin_ms, 8.0)
        car.run(_away(car), until_ms=begin_ms)
        car.wait(begin_ms)
        car.tell(
            fault_code=POWER_LOST,
            service_mode=Mode.EMERGENCY_POWER,
            car_speed=0.0,
            door_zone=0,
        )
        car.tell(after_s=12.0, car_speed=-car.building.creep_m_s)
        car.tell(after_s=7.0, car_speed=0.0, door_zone=1)
        car.open_door()
        car.tell(after_s=2.0, passenger=0)
        car.wait(end_ms)
        car.tell(fault_code=POWER_BACK, service_mode=Mode.NORMAL)
        car.tell(after_s=5.0, fault_code=0)
        car.close_door()

    return Trouble(occasion, length_s, story)


def inspection(occasion: Occasion, length_s: float) -> Trouble:
    """Return a maintainer at work: inspection (43), slow runs, and long stops anywhere."""

    def story(car: Car, begin_ms: int, end_ms: int) -> None:
        car.wait(begin_ms)
        car.tell(fault_code=INSPECTION, service_mode=Mode.INSPECTION)
        car.open_door()
        car.tell(after_s=4.0, passenger=1)
        car.close_door()
        sign = 1 if car.floor < car.building.floors // 2 else -1
        while car.now_ms < end_ms - 150_000:
            car.tell(after_s=3.0, car_speed=sign * 0.3, door_zone=0)
            car.tell(after_s=5.0, car_speed=0.0)
            car.now_ms += 110_000
        car.tell(after_s=2.0, car_speed=-sign * 0.3)
        car.tell(after_s=5.0, car_speed=0.0, door_zone=1)
        car.open_door()
        car.tell(after_s=2.0, passenger=0)
        car.wait(end_ms)
        car.tell(fault_code=0, service_mode=Mode.NORMAL)
        car.close_door()

    return Trouble(occasion, length_s, story)
