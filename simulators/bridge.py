"""A bridge: traffic and temperature in strain, deflection, bearings, cables, and in its swing."""

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S
from simulators.course import Course, daily, delayed, noise, still, times, total, traffic
from simulators.feed import BlockFeed, Feed, JsonFeed, Signal
from simulators.noise import key_of
from simulators.world import Station

UPLOAD_S = 5.0
ACCELERATION_HZ = 100
FIRST_MODE_HZ = 0.85
SECOND_MODE_HZ = 2.3
CONVOY_STRAIN_PER_MM = 1.4  # um/m of live-load strain for each mm of deflection at midspan


def bridge(
    gateway: str,
    district: str,
    seed: int,
    *,
    convoy: Course = still,
    busy: float = 1.0,
    acceleration: bool = True,
) -> Station:
    """Return a bridge.

    ``convoy`` is the deflection in mm that exceptional loads add at midspan, ``busy`` scales the
    everyday traffic. Sent: strain S1 to S3
    (um/m), deflection D1 (mm), bearing displacement B1 and B2 (mm), cable force C1 and C2 (kN),
    structure temperature T1 (Cel), acceleration A1 (m/s2).
    """
    key = key_of(seed, gateway)
    cars, lorries = traffic(key, 12.0, 5.0, 12.0), traffic(key + 2, 45.0, 8.0, 6.0)
    load = total(times(busy, total(cars, lorries)), convoy)

    def signal(name: str, interval_s: float, deviation: float, *parts: Course) -> Signal:
        course = total(*parts, noise(key_of(key, name), deviation, interval_s))
        return Signal(name, interval_s, course)

    signals = (
        signal("D1", 1.0, 0.15, daily(6.0, 3.0, 16.0), load),
        signal("S1", 1.0, 0.8, daily(120.0, 14.0, 15.0), times(CONVOY_STRAIN_PER_MM, load)),
        signal("S2", 1.0, 0.8, daily(96.0, 11.0, 15.0), times(1.1, delayed(load, 1.0))),
        signal("S3", 1.0, 0.8, daily(-60.0, 9.0, 15.0), times(-0.7, delayed(load, 2.0))),
        signal("B1", 10.0, 0.05, daily(14.0, 8.0, 17.0)),
        signal("B2", 10.0, 0.05, daily(-12.0, 7.5, 17.0)),
        signal("C1", 10.0, 1.5, daily(3250.0, 18.0, 5.0), times(0.9, load)),
        signal("C2", 10.0, 1.5, daily(3310.0, 17.0, 5.0), times(0.8, load)),
        signal("T1", 60.0, 0.05, daily(18.5, 6.0, 16.0)),
    )
    feeds: tuple[Feed, ...] = (JsonFeed(gateway, district, UPLOAD_S, signals),)
    if acceleration:
        swing = swinging(key_of(key, "A1"), load)
        feeds += (BlockFeed(gateway, district, "A1", ACCELERATION_HZ, swing),)
    return Station(feeds)


def swinging(key: int, load: Course) -> Course:
    """Return the deck's vertical acceleration in m/s2: two modes that grow with the load."""
    ambient = noise(key, 0.012, 1.0 / ACCELERATION_HZ)

    def course(time_ns: Int64s) -> Float64s:
        second = time_ns // NS_PER_S
        places, place = np.unique(second, return_inverse=True)
        strength = 0.01 + 0.0006 * np.clip(load(places * NS_PER_S), 0.0, 200.0)
        # Only the time within a long round enters the sine: a float has no room for ns since 1970.
        moment_s = (time_ns % (1000 * NS_PER_S)) / NS_PER_S
        first = np.sin(2 * np.pi * FIRST_MODE_HZ * moment_s)
        higher = 0.4 * np.sin(2 * np.pi * SECOND_MODE_HZ * moment_s)
        return np.asarray(strength[place] * (first + higher) + ambient(time_ns), np.float64)

    return course
