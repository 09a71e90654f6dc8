"""The swing of a deck: modes, each a damped oscillator that traffic and wind keep going.

A mode's response is its impulse response, a decaying turn, convolved with a random force over a bounded
past: ``y[n] = sum over j < memory of p^j F[n - j]`` with ``p = exp((-zeta + i) omega dt)``. The sum is
exact, by doubling (after k rounds it reaches over 2^k samples), so a sample is the same however a span is
cut. The force is white within the recorded band; a mode's bandwidth is far narrower (Clough and
Penzien 1993, chapter 21). Frequencies hold for a piece of 16,384 samples: temperature moves them by less
than a thousandth of their bandwidth in that time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from domain.readings import Float64s, Int64s
from domain.time import NS_PER_S
from simulators.course import Course
from simulators.noise import bell, key_of

PIECE = 16_384  # samples computed together
PIECES_KEPT = 4
MEMORY_LAGS = 4.0  # e^-4: what is cut off is 2 % of the amplitude


@dataclass(frozen=True, slots=True)
class Mode:
    """A mode of the deck as its sensor feels it."""

    frequency_hz: float
    damping: float  # of critical: 0.5 to 1.5 % for steel and composite (EN 1991-1-4, annex F)
    shape: float = 1.0  # at the sensor, against the first mode's


def rung(force: Float64s, mode: Mode, frequency_hz: float, rate_hz: float) -> Float64s:
    """Return a mode's acceleration under a unit white force: RMS 1 once it rings, real part taken."""
    omega = 2.0 * np.pi * frequency_hz / rate_hz
    turn = np.exp(complex(-mode.damping, 1.0) * omega)
    answer: np.ndarray = force.astype(np.complex128)
    reach = 1
    while reach < memory_of(mode, rate_hz):
        answer[reach:] = answer[reach:] + turn**reach * answer[:-reach]
        reach *= 2
    return np.asarray(answer.real * np.sqrt(2.0 * (1.0 - abs(turn) ** 2)), np.float64)


def memory_of(mode: Mode, rate_hz: float) -> int:
    """Return how many samples back the response reaches: a power of two."""
    decay_s = 1.0 / (2.0 * np.pi * mode.frequency_hz * mode.damping)
    return int(2 ** np.ceil(np.log2(max(2.0, MEMORY_LAGS * decay_s * rate_hz))))


@dataclass(frozen=True, slots=True)
class Swing:
    """What makes the acceleration of one sensor."""

    key: int
    modes: tuple[Mode, ...]
    rate_hz: int
    strength: Course  # RMS of the first mode, m/s2
    share: Course  # of each frequency that is left: temperature, damage, scour
    noise_m_s2: float = 0.002  # of the instrument

    def course(self) -> Course:
        """Return the acceleration in m/s2 at samples of the rate's own grid."""
        interval_ns = NS_PER_S // self.rate_hz
        piece = self._pieces()

        def accelerating(time_ns: Int64s) -> Float64s:
            index = time_ns // interval_ns
            found = np.empty(len(index))
            for number in range(int(index[0]) // PIECE, int(index[-1]) // PIECE + 1):
                inside = index // PIECE == number
                found[inside] = piece(number)[index[inside] - number * PIECE]
            return found

        return accelerating

    def _pieces(self) -> Callable[[int], Float64s]:
        interval_ns = NS_PER_S // self.rate_hz

        @lru_cache(maxsize=PIECES_KEPT)
        def piece(number: int) -> Float64s:
            end = (number + 1) * PIECE
            middle = np.array([(number * PIECE + PIECE // 2) * interval_ns])
            share = float(self.share(middle)[0])
            memory = max(memory_of(mode, self.rate_hz) for mode in self.modes)
            index = np.arange(number * PIECE - memory, end)
            strength = self._strength(index * interval_ns)
            total = self.noise_m_s2 * bell(self.key, index[-PIECE:])
            for place, mode in enumerate(self.modes):
                force = strength * bell(key_of(self.key, place), index)
                answer = rung(force, mode, mode.frequency_hz * share, self.rate_hz)
                total += mode.shape * answer[-PIECE:]
            return total

        return piece

    def _strength(self, time_ns: Int64s) -> Float64s:
        """Return the strength, known each second and joined by straight lines."""
        second = time_ns // NS_PER_S
        known = self.strength(np.arange(second[0], second[-1] + 2) * NS_PER_S)
        below = second - second[0]
        share = (time_ns % NS_PER_S) / NS_PER_S
        return np.asarray(known[below] + share * (known[below + 1] - known[below]), np.float64)
