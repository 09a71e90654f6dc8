"""The car and its controller: a state machine that tells each change with its time.

Times are whole milliseconds. The states: idle, door opening, open, closing, accelerating, running,
decelerating, levelling. A run keeps to a trapezoid of speed; floors are told as they are passed.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from math import sqrt

from simulators.lift.building import HOME, Building


class Door(IntEnum):
    """What ``door`` tells."""

    SHUT = 0
    OPEN = 1
    OPENING = 2
    CLOSING = 3


class Mode(IntEnum):
    """What ``service_mode`` tells (GB/T 24476, as implemented)."""

    STOPPED = 0
    NORMAL = 1
    INSPECTION = 2
    EMERGENCY_POWER = 5


NAMES = ("fault_code", "service_mode", "door", "floor", "passenger", "car_speed", "door_zone")
"""What is sent, in this order."""

Values = dict[str, float]


def resting(floor: int) -> Values:
    """Return the state of an idle car."""
    return dict(zip(NAMES, (0, Mode.NORMAL, Door.SHUT, floor, 0, 0.0, 1), strict=True))


@dataclass(slots=True)
class Car:
    """A car at ``now_ms``, and all that it has told: changes by time."""

    building: Building
    now_ms: int
    state: Values = field(default_factory=lambda: resting(HOME))
    told: list[tuple[int, Values]] = field(default_factory=list)

    @property
    def floor(self) -> int:
        """The floor it is at, or passed last."""
        return int(self.state["floor"])

    def wait(self, until_ms: int) -> None:
        """Let time pass, where it has not yet."""
        self.now_ms = max(self.now_ms, until_ms)

    def tell(self, *, after_s: float = 0.0, **values: float) -> None:
        """Change the state, ``after_s`` from now."""
        self.now_ms += round(1000 * after_s)
        changed = {name: value for name, value in values.items() if self.state[name] != value}
        if not changed:
            return
        self.state |= changed
        if self.told and self.told[-1][0] >= self.now_ms:
            self.now_ms = self.told[-1][0] + 1  # one message a millisecond
        self.told.append((self.now_ms, changed))

    def open_door(self) -> None:
        """Open the door, from shut or while it closes."""
        if self.state["door"] != Door.OPEN:
            self.tell(door=Door.OPENING)
            self.tell(after_s=self.building.door_s, door=Door.OPEN)

    def close_door(self, *, interrupted: int = 0) -> None:
        """Close the door, at the last of ``1 + interrupted`` attempts."""
        for _ in range(interrupted):
            self.tell(door=Door.CLOSING)
            self.tell(after_s=0.6 * self.building.door_s, door=Door.OPENING)
            self.tell(after_s=0.6 * self.building.door_s, door=Door.OPEN)
            self.now_ms += 1500
        self.tell(door=Door.CLOSING)
        self.tell(after_s=self.building.door_s, door=Door.SHUT)

    def run(self, target: int, *, until_ms: int | None = None) -> None:
        """Go to a floor and level there; ``until_ms`` cuts the run short, wherever it is."""
        if target == self.floor:
            return
        begin_ms, sign = self.now_ms + 800, 1 if target > self.floor else -1
        for after_s, values in self._trapezoid(target, sign):
            at_ms = begin_ms + round(1000 * after_s)
            if until_ms is not None and at_ms >= until_ms:
                self.now_ms = until_ms
                return
            self.now_ms = at_ms
            self.tell(**values)

    def _trapezoid(self, target: int, sign: int) -> list[tuple[float, Values]]:
        """Return what a run tells: half speed, rated speed, floors as passed, creep, standing."""
        own, floors = self.building, abs(target - self.floor)
        way_m = floors * own.floor_m
        top_m_s = min(own.rated_m_s, sqrt(own.acceleration_m_s2 * way_m))
        ramp_s = top_m_s / own.acceleration_m_s2
        cruise_s = way_m / top_m_s - ramp_s
        ramp_m = top_m_s * ramp_s / 2
        steps: list[tuple[float, Values]] = [
            (0.0, {"car_speed": _speed(sign * top_m_s / 2), "door_zone": 0}),
            (ramp_s, {"car_speed": _speed(sign * top_m_s)}),
            (ramp_s + cruise_s, {"car_speed": _speed(sign * top_m_s / 2)}),
            (2 * ramp_s + cruise_s, {"car_speed": _speed(sign * own.creep_m_s), "door_zone": 1}),
            (2 * ramp_s + cruise_s + 0.6, {"car_speed": 0.0}),
        ]
        for passed in range(1, floors + 1):
            # A floor is told when the car is half a storey before it.
            at_m = (passed - 0.5) * own.floor_m
            steps.append((self._time_s(at_m, way_m, top_m_s, ramp_m), self._passing(sign, passed)))
        return sorted(steps, key=lambda step: step[0])

    def _time_s(self, at_m: float, way_m: float, top_m_s: float, ramp_m: float) -> float:
        """Return when a run is ``at_m`` of its way."""
        acceleration = self.building.acceleration_m_s2
        if at_m < ramp_m:
            return sqrt(2 * at_m / acceleration)
        if at_m <= way_m - ramp_m:
            return top_m_s / acceleration + (at_m - ramp_m) / top_m_s
        whole_s = way_m / top_m_s + top_m_s / acceleration
        return whole_s - sqrt(2 * max(way_m - at_m, 0.0) / acceleration)

    def _passing(self, sign: int, passed: int) -> Values:
        return {"floor": self.floor + sign * passed}


def _speed(value: float) -> float:
    """Return a speed as it is told, in hundredths of m/s."""
    return round(value, 2)
