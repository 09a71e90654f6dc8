"""The compiled pass that writes readings as line protocol; ``lines.line_of`` says what it writes.

Bytes move eight and more at a time, over one another, as in ``compiled.decimals``.
"""

from typing import Any

import numpy as np

from compiled import njit_unchecked
from compiled.decimals import POWERS, SLACK, write_float, write_whole
from compiled.machine import bits_of, copy32, store1, store8

LINE_BYTES_MAX = 80  # beside the prefix

_U = np.uint64
_VALUE = _U(int.from_bytes(b"value=\0\0", "little"))
_VALUE_BYTES = _U(6)
_QUALITY = _U(int.from_bytes(b"quality\0", "little"))
_QUALITY_BYTES = _U(7)
_U0, _U1, _U32, _U64, _MISSING, _UNUSUAL = (_U(n) for n in (0, 1, 32, 64, 9, 256))
_COMMA, _MINUS, _NEWLINE = (np.uint8(c) for c in b",-\n")
_INFINITY = _U(0x7FF << 52)


@njit_unchecked
def _write_time(to: Any, time_ns: int) -> Any:
    size = _U(time_ns)
    if time_ns < 0:
        store1(to, _MINUS)
        to += _U1
        size = _U0 - size
    return write_whole(to, size)


@njit_unchecked
def write_lines(
    prefixes: Any, starts: Any, tails: Any, tail_lengths: Any, powers: Any,
    channel: Any, time_ns: Any, value: Any, quality: Any, begin: int, end: int, out: Any,
) -> Any:  # fmt: skip
    """Write readings ``begin`` to ``end`` as lines into ``out``; return how many bytes.

    ``prefixes[starts[c]:starts[c + 1]]`` is what lines of channel c begin with; ``tails[q]`` what
    stands behind ``quality`` where it is q, up to 8 bytes as one word.
    """
    room = np.empty(SLACK + 32, np.uint8)
    scratch = _U(room.ctypes.data)
    base = _U(out.ctypes.data)
    source = _U(prefixes.ctypes.data)
    to = base
    for i in range(begin, end):
        c = _U(channel[i])
        offset = _U(starts[c])
        length = _U(starts[c + _U1]) - offset
        origin = source + offset
        copy32(to, origin)
        copy32(to + _U32, origin + _U32)
        place = _U64
        while place < length:
            copy32(to + place, origin + place)
            place += _U32
        to += length
        number = value[i]
        code = _U(quality[i])
        if bits_of(number) & _INFINITY != _INFINITY:
            store8(to, _VALUE)
            to = write_float(to + _VALUE_BYTES, number, scratch, powers)
            store1(to, _COMMA)
            to += _U1
            if code == _MISSING:
                code += _UNUSUAL
        elif code != _MISSING:
            code += _UNUSUAL
        store8(to, _QUALITY)
        to += _QUALITY_BYTES
        store8(to, tails[code])
        to += _U(tail_lengths[code])
        to = _write_time(to, time_ns[i])
        store1(to, _NEWLINE)
        to += _U1
    return np.int64(to - base)


__all__ = ["LINE_BYTES_MAX", "POWERS", "SLACK", "write_lines"]
