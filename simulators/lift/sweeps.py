"""How a lift serves its calls: collectively, one sweep in one direction after another."""

import heapq
from dataclasses import dataclass, field

import numpy as np

from simulators.lift.building import HOME, Call
from simulators.lift.car import Car, Door
from simulators.noise import uniform


@dataclass(slots=True)
class Sweeps:
    """The calls of a day that are not served yet, in order of coming."""

    key: int
    calls: list[Call]
    waiting: list[Call] = field(default_factory=list)
    _next: int = 0

    def next_ms(self) -> int | None:
        """Return since when somebody waits, or when somebody will; None where nobody comes."""
        if self.waiting:
            return self.waiting[0].time_ms
        return self.calls[self._next].time_ms if self._next < len(self.calls) else None

    def serve(self, car: Car, until_ms: int) -> bool:
        """Serve one sweep, that of the first who waits; False, and nothing done, where it is too long.

        The car is idle before and after.
        """
        before = (car.now_ms, dict(car.state), len(car.told), list(self.waiting), self._next)
        self._sweep(car)
        if car.now_ms <= until_ms:
            return True
        car.now_ms, car.state = before[0], before[1]
        del car.told[before[2] :]
        self.waiting, self._next = before[3], before[4]
        return False

    def _come(self, now_ms: int) -> None:
        while self._next < len(self.calls) and self.calls[self._next].time_ms <= now_ms:
            self.waiting.append(self.calls[self._next])
            self._next += 1

    def _sweep(self, car: Car) -> None:
        self._come(car.now_ms)
        first = self.waiting[0]
        sign = 1 if first.target > first.origin else -1
        car.run(first.origin)
        inside: list[int] = []
        while True:
            inside = self._stop(car, inside, sign)
            stops = [sign * target for target in inside]
            if len(inside) < car.building.capacity:
                stops += [sign * call.origin for call in self._ahead(car, sign)]
            if not stops:
                return
            car.run(sign * min(stops))

    def _ahead(self, car: Car, sign: int) -> list[Call]:
        """Return those who wait further on, and want the same way."""
        return [
            call
            for call in self.waiting
            if sign * (call.origin - car.floor) > 0 and sign * (call.target - call.origin) > 0
        ]

    def _stop(self, car: Car, inside: list[int], sign: int) -> list[int]:
        """Open, let out and in, close; return the floors that those inside want."""
        car.open_door()
        stay = [target for target in inside if target != car.floor]
        leave = len(inside) - len(stay)
        if leave:
            car.tell(after_s=0.5 + car.building.boarding_s * leave, passenger=1 if stay else 0)
        # Every reopening lets in who has come meanwhile: the draw is of the stop's own time.
        draw = float(uniform(self.key, np.array([car.now_ms]))[0])
        interrupted = int(draw < car.building.reopening) + int(draw < car.building.reopening / 4)
        self._come(car.now_ms)
        here = [
            call
            for call in self.waiting
            if call.origin == car.floor and sign * (call.target - call.origin) > 0
        ][: car.building.capacity - len(stay)]
        if here:
            car.tell(after_s=0.7, passenger=1)
            car.now_ms += round(1000 * car.building.boarding_s * len(here))
            self.waiting = [call for call in self.waiting if call not in here]
        car.now_ms += round(1000 * car.building.dwell_s)
        car.close_door(interrupted=interrupted)
        return list(heapq.merge(sorted(stay), sorted(call.target for call in here)))


def go_home(car: Car) -> None:
    """Bring an idle car to the main floor, its door shut."""
    car.tell(door=Door.SHUT)
    car.run(HOME)
