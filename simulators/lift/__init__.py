"""A lift: a controller, its passengers and its troubles, told as they change; docs/worlds/lift.md."""

from simulators.course import Occasion
from simulators.feed import EventFeed
from simulators.lift.building import Building, Use, building_of
from simulators.lift.car import NAMES, Door, Mode
from simulators.lift.timetable import Timetable
from simulators.lift.troubles import (
    Trouble,
    button_pressed,
    door_held,
    entrapment,
    faulty,
    inspection,
    opened_in_run,
    power_loss,
    reopenings,
    shut_in,
    unintended_movement,
)
from simulators.noise import key_of
from simulators.world import Station

__all__ = [
    "NAMES",
    "Building",
    "Door",
    "Mode",
    "Timetable",
    "Trouble",
    "Use",
    "button_pressed",
    "door_held",
    "entrapment",
    "faulty",
    "inspection",
    "lift",
    "opened_in_run",
    "power_loss",
    "reopenings",
    "shut_in",
    "unintended_movement",
]


def lift(
    gateway: str,
    district: str,
    seed: int,
    *,
    troubles: tuple[Trouble, ...] = (),
    use: Use | None = None,
    flickering: Occasion | None = None,
    flickering_s: float = 0.0,
) -> Station:
    """Return a lift.

    Sent as they change, and all together each minute: fault_code (GB/T 24476), service_mode
    (1 normal, 2 inspection), door (0 shut, 1 open, 2 opening, 3 closing), floor, passenger
    (1 present), car_speed (m/s, upwards positive), door_zone (1 at a landing). ``flickering``: for
    ``flickering_s`` the presence sensor drops now and then for seconds.
    """
    key = key_of(seed, gateway)
    timetable = Timetable(key, troubles, building_of(key, use), flickering, flickering_s)
    return Station((EventFeed(gateway, district, NAMES, timetable.events),))
