"""Numbers as decimal text, written by compiled passes straight to where the text goes.

Digits come eight at a time as the bytes of one word, and bytes move eight at a time, over one
another: what is written too much is written over by what follows. So every buffer ends in ``SLACK``.
"""

from typing import Any

import numpy as np

from compiled import njit_unchecked
from compiled.machine import (
    bits_of,
    copy32,
    leading_zeros,
    load8,
    store1,
    store8,
    trailing_zeros,
)
from compiled.shortest import POWERS, shortest_digits

SLACK = 128
NUMBER_BYTES_MAX = 26  # a sign, 17 digits, a point and an exponent, or 20 digits

_U = np.uint64
_ZEROS = _U(0x3030303030303030)
_E4, _E8, _E15, _E16 = _U(10**4), _U(10**8), _U(10**15), _U(10**16)
_MASK_100 = _U((0x7F << 32) | 0x7F)
_MASK_10 = _U((0xF << 48) | (0xF << 32) | (0xF << 16) | 0xF)
_U10, _U100, _U103, _U10486 = _U(10), _U(100), _U(103), _U(10486)
_S8, _S10, _S16, _S20, _S32, _S56 = (_U(n) for n in (8, 10, 16, 20, 32, 56))
_U0, _U1, _U2, _U3, _U8, _U17, _U18 = (_U(n) for n in (0, 1, 2, 3, 8, 17, 18))
_BYTES = _U(0x78)  # of a number of bits, those of whole bytes
_POINT, _MINUS, _PLUS, _E, _ZERO = (np.uint8(c) for c in b".-+e0")
_SIGN = _U(1 << 63)
_SCALE, _SCALED_MAX = 1e6, 1e14
_MILLION = _U(10**6)
_POINT_WORD = _U(0x2E)


@njit_unchecked
def _eight(number: Any) -> Any:
    """Return the eight digits of a number below 10^8, the first in the lowest byte, as 0 to 9."""
    high = number // _E4
    merged = high | ((number - high * _E4) << _S32)
    top = ((merged * _U10486) >> _S20) & _MASK_100
    pairs = ((merged - _U100 * top) << _S16) + top
    tens = ((pairs * _U103) >> _S10) & _MASK_10
    return tens + ((pairs - _U10 * tens) << _S8)


@njit_unchecked
def write_whole(to: Any, number: Any) -> Any:
    """Write the digits of a whole number; return where they end."""
    top = number // _E16
    rest = number - top * _E16
    middle = rest // _E8
    third = _eight(rest - middle * _E8)
    if top != _U0:
        first = _eight(top)
        zeros = trailing_zeros(first) & _BYTES
        store8(to, (first + _ZEROS) >> zeros)
        to += _U8 - (zeros >> _U3)
        store8(to, _eight(middle) + _ZEROS)
        to += _U8
    elif middle != _U0:
        second = _eight(middle)
        zeros = trailing_zeros(second) & _BYTES
        store8(to, (second + _ZEROS) >> zeros)
        to += _U8 - (zeros >> _U3)
    else:
        zeros = min(trailing_zeros(third) & _BYTES, _U(56))  # of nought the last digit stays
        store8(to, (third + _ZEROS) >> zeros)
        return to + _U8 - (zeros >> _U3)
    store8(to, third + _ZEROS)
    return to + _U8


@njit_unchecked
def write_float(to: Any, value: float, scratch: Any, powers: Any) -> Any:
    """Write a finite float as ``repr`` does, but ``5`` for ``5.0``; return where it ends."""
    bits = bits_of(value)
    if bits & _SIGN:
        store1(to, _MINUS)
        to += _U1
        bits ^= _SIGN
        value = -value
    scaled = value * _SCALE + 0.5
    # A quotient of two exact numbers is rounded right, so the text of it reads back the same; and of
    # at most 15 digits there is no second text that would.
    if scaled < _SCALED_MAX and (value >= 1e-4 or value == 0.0):
        whole = np.int64(scaled)
        if whole / _SCALE == value:
            return _write_millionths(to, _U(whole))
    digits, exponent = shortest_digits(bits, powers)
    if digits >= _E15 and -16 <= exponent <= -9:
        return _write_long(to, digits, exponent)
    return _write_any(to, digits, exponent, scratch)


@njit_unchecked
def _write_millionths(to: Any, number: Any) -> Any:
    whole = number // _MILLION
    digits = _eight(whole)
    zeros = min(trailing_zeros(digits) & _BYTES, _U(56))
    store8(to, (digits + _ZEROS) >> zeros)
    to += _U8 - (zeros >> _U3)
    fraction = _eight(number - whole * _MILLION) >> _S16  # of six digits
    if fraction == _U0:
        return to
    store1(to, _POINT)
    store8(to + _U1, fraction + _ZEROS)
    return to + _U(9) - (leading_zeros(fraction) >> _U3)


@njit_unchecked
def _write_long(to: Any, digits: Any, exponent: int) -> Any:
    """Write 16 or 17 digits of which 1 to 7 (or 8 by chance) stand before the point."""
    top = digits // _E16
    rest = digits - top * _E16
    middle = rest // _E8
    second, third = _eight(middle), _eight(rest - middle * _E8)
    last = _U0
    point = 16 + exponent
    if top != _U0:  # a digit more: all move on by one
        last = third >> _S56
        third = (third << _S8) | (second >> _S56)
        second = (second << _S8) | top
        point += 1
    text = second + _ZEROS
    store8(to + _U1, text)
    store8(to + _U(9), third + _ZEROS)
    store8(to + _U17, last + _ZEROS)
    cut = _U(8 * point)
    if point == 8:
        store8(to, text)
        store1(to + _U8, _POINT)
    elif point == 0:
        store1(to, _ZERO)
        store1(to + _U1, _POINT)
        store8(to + _U2, text)
        store8(to + _U10, third + _ZEROS)
        store8(to + _U18, last + _ZEROS)
        to += _U1
    else:
        before = (_U1 << cut) - _U1
        store8(to, (text & before) | (_POINT_WORD << cut) | ((text & ~before) << _S8))
    if last != _U0:
        return to + _U18
    if third != _U0:
        return to + _U17 - (leading_zeros(third) >> _U3)
    count = 8 - np.int64(leading_zeros(second) >> _U3)
    return to + _U(point if count <= point else count + 1)


@njit_unchecked
def _write_any(to: Any, digits: Any, exponent: int, scratch: Any) -> Any:
    """Write digits × 10^exponent of any size."""
    count = np.int64(write_whole(scratch, digits) - scratch)
    store8(scratch + _U(count), _ZEROS)
    store8(scratch + _U(count) + _U8, _ZEROS)
    point = count + exponent  # the decimal point stands after so many digits
    while count > 1 and load8(scratch + _U(count - 1)) & _U(0xFF) == _U(0x30):
        count -= 1
    if 0 < point <= 16:
        copy32(to, scratch)
        if count <= point:
            return to + _U(point)
        copy32(to + _U(point) + _U1, scratch + _U(point))
        store1(to + _U(point), _POINT)
        return to + _U(count) + _U1
    if -4 < point <= 0:
        store8(to, _ZEROS)
        store1(to + _U1, _POINT)
        to += _U(2 - point)
        copy32(to, scratch)
        return to + _U(count)
    copy32(to + _U1, scratch)
    store1(to, np.uint8(load8(scratch) & _U(0xFF)))
    if count > 1:
        store1(to + _U1, _POINT)
        copy32(to + _U2, scratch + _U1)
        to += _U1
    to += _U(count)
    return _write_exponent(to, point - 1)


@njit_unchecked
def _write_exponent(to: Any, exponent: Any) -> Any:
    store1(to, _E)
    store1(to + _U1, _MINUS if exponent < 0 else _PLUS)
    to += _U2
    left = abs(exponent)
    if left >= 100:
        store1(to, np.uint8(48 + left // 100))
        to += _U1
        left %= 100
    store1(to, np.uint8(48 + left // 10))
    store1(to + _U1, np.uint8(48 + left % 10))
    return to + _U2


__all__ = ["NUMBER_BYTES_MAX", "POWERS", "SLACK", "write_float", "write_whole"]
