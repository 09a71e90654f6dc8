"""The shortest decimal digits that read back as the same float: Schubfach, compiled.

After Raffaello Giulietti, "The Schubfach way to render doubles" (2021), in the arrangement of
Alexander Bolz's Drachennest. ``repr`` of Python says the same digits, and is the oracle.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from compiled import njit_unchecked
from compiled.machine import multiply_high

_POWER_MIN, _POWER_MAX = -292, 324


def _powers() -> npt.NDArray[np.uint64]:
    """Return 10^k for each k, as the upper 128 bits of it rounded up, in two words."""
    table = np.empty((_POWER_MAX - _POWER_MIN + 1, 2), np.uint64)
    for power in range(_POWER_MIN, _POWER_MAX + 1):
        shift = 127 - ((power * 1741647) >> 19)  # less the floor of log2(10^k)
        top, bottom = 10 ** max(power, 0), 10 ** max(-power, 0)
        scaled = -(-(top << max(shift, 0)) // (bottom << max(-shift, 0)))
        table[power - _POWER_MIN] = scaled >> 64, scaled & (2**64 - 1)
    return table


POWERS = _powers()

_ONE, _TWO, _FOUR, _TEN, _FORTY = (np.uint64(n) for n in (1, 2, 4, 10, 40))
_FRACTION = np.uint64((1 << 52) - 1)
_HIDDEN = np.uint64(1 << 52)


@njit_unchecked
def _round_to_odd(high: Any, low: Any, factor: Any) -> Any:
    """Return the upper part of a 192-bit product, its last bit set where anything was cut off."""
    carried = multiply_high(low, factor)
    middle = np.uint64(high * factor)
    upper = multiply_high(high, factor)
    total = np.uint64(middle + carried)
    if total < carried:
        upper = np.uint64(upper + _ONE)
    return upper | _ONE if total > _ONE else upper


@njit_unchecked
def shortest_digits(bits: Any, powers: Any) -> Any:
    """Return (digits, exponent) of a positive finite float: digits × 10^exponent.

    The digits may end in zeros. Of several shortest ones it is the nearest.
    """
    fraction = bits & _FRACTION
    biased = np.int64(bits >> np.uint64(52)) & 0x7FF
    if biased != 0:
        whole, exponent = fraction | _HIDDEN, biased - 1075
        if -52 <= exponent <= 0 and (whole & ((_ONE << np.uint64(-exponent)) - _ONE)) == 0:
            return whole >> np.uint64(-exponent), np.int64(0)
    else:
        whole, exponent = fraction, np.int64(-1074)
    closer = fraction == 0 and biased > 1  # the neighbour below is at half the distance
    odd = whole & _ONE
    power = (exponent * 1262611 - (524031 if closer else 0)) >> 22
    shift = np.uint64(exponent + ((-power * 1741647) >> 19) + 1)
    high, low = powers[-power - _POWER_MIN, 0], powers[-power - _POWER_MIN, 1]
    middle = _FOUR * whole
    below = _ONE if closer else _TWO
    lower = _round_to_odd(high, low, (middle - below) << shift) + odd
    value = _round_to_odd(high, low, middle << shift)
    upper = _round_to_odd(high, low, (middle + _TWO) << shift) - odd
    digits = value >> _TWO
    if digits >= _TEN:
        tenth = digits // _TEN
        under = lower <= _FORTY * tenth
        over = _FORTY * tenth + _FORTY <= upper
        if under != over:
            return tenth + (_ONE if over else np.uint64(0)), power + 1
    under = lower <= _FOUR * digits
    over = _FOUR * digits + _FOUR <= upper
    if under != over:
        return digits + (_ONE if over else np.uint64(0)), power
    half = _FOUR * digits + _TWO
    up = value > half or (value == half and (digits & _ONE) != 0)
    return digits + (_ONE if up else np.uint64(0)), power
