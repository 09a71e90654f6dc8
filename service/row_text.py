"""Rows of an answer as JSON in one compiled call, without the interpreter's lock.

A year of a channel is ten thousand rows. As Python objects they hold the lock for fourteen
milliseconds, and longer where the thread that has it waits for a processor meanwhile.
"""

from typing import Any

import numpy as np

from api.rows import Rows
from compiled import njit_unchecked
from compiled.decimals import NUMBER_BYTES_MAX, POWERS, SLACK, write_float, write_whole
from compiled.machine import bits_of, copy32, store1, store8
from domain.time import NS_PER_S, TIME_NS_MAX, TIME_NS_MIN

_TIME_BYTES_MAX = 31  # with its quotation mark
_KEY_BYTES_MAX = 32

_U = np.uint64
_U1, _U2 = _U(1), _U(2)
_COMMA, _CLOSE, _QUOTE, _POINT, _Z = (np.uint8(c) for c in b',}".Z')
_DASH, _T, _COLON = (np.uint8(c) for c in b"-T:")
_INFINITY = _U(0x7FF << 52)
_NULL = _U(int.from_bytes(b"null\0\0\0\0", "little"))
_POINT_ZERO = _U(int.from_bytes(b".0\0\0\0\0\0\0", "little"))
_DAY_S, _NS = 86_400, NS_PER_S


@njit_unchecked
def _write_digits(to: Any, number: int, count: int, end: Any) -> Any:
    """Write so many digits, and ``end``."""
    for place in range(count - 1, -1, -1):
        store1(to + _U(place), np.uint8(48 + number % 10))
        number //= 10
    store1(to + _U(count), end)
    return to + _U(count + 1)


@njit_unchecked
def _write_time(to: Any, time_ns: int) -> Any:
    """Write a time from 1970 as RFC 3339, as ``domain.time.format_rfc3339`` does.

    The date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in
    March, so that the day that is there or not is their last.
    """
    seconds, fraction_ns = time_ns // _NS, time_ns % _NS
    days, second = seconds // _DAY_S + 719_468, seconds % _DAY_S
    era, of_era = days // 146_097, days % 146_097
    years = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    to = _write_digits(to, era * 400 + years + (1 if month <= 2 else 0), 4, _DASH)
    to = _write_digits(to, month, 2, _DASH)
    to = _write_digits(to, of_year - (153 * shifted + 2) // 5 + 1, 2, _T)
    to = _write_digits(to, second // 3600, 2, _COLON)
    to = _write_digits(to, second // 60 % 60, 2, _COLON)
    if fraction_ns == 0:
        return _write_digits(to, second % 60, 2, _Z)
    to = _write_digits(to, second % 60, 2, _POINT)
    if fraction_ns % 1_000_000 == 0:
        return _write_digits(to, fraction_ns // 1_000_000, 3, _Z)
    if fraction_ns % 1_000 == 0:
        return _write_digits(to, fraction_ns // 1_000, 6, _Z)
    return _write_digits(to, fraction_ns, 9, _Z)


@njit_unchecked
def _write_figure(to: Any, figure: float, scratch: Any, powers: Any) -> Any:
    """Write a float as JSON; a whole one with ``.0``, which keeps it a float for its reader."""
    if bits_of(figure) & _INFINITY == _INFINITY:
        store8(to, _NULL)
        return to + _U(4)
    to = write_float(to, figure, scratch, powers)
    if abs(figure) < 1e16 and figure == np.floor(figure):
        store8(to, _POINT_ZERO)
        to += _U2
    return to


@njit_unchecked
def _write_rows(
    keys: Any, ends: Any, time_ns: Any, figures: Any, is_whole: Any, powers: Any, out: Any
) -> Any:
    """Write rows, each with a comma behind it; return how many bytes.

    ``keys`` is what stands before the time and before each figure, in slots of ``_KEY_BYTES_MAX``;
    ``ends`` their lengths; ``figures`` is of shape (figures, rows).
    """
    room = np.empty(SLACK + 32, np.uint8)
    scratch = _U(room.ctypes.data)
    base = _U(out.ctypes.data)
    source = _U(keys.ctypes.data)
    to = base
    for row in range(len(time_ns)):
        copy32(to, source)
        to = _write_time(to + _U(ends[0]), time_ns[row])
        store1(to, _QUOTE)
        to += _U1
        for place in range(len(figures)):
            copy32(to, source + _U((place + 1) * _KEY_BYTES_MAX))
            to += _U(ends[place + 1])
            figure = figures[place, row]
            if is_whole[place]:
                to = write_whole(to, _U(figure))
            else:
                to = _write_figure(to, figure, scratch, powers)
        store1(to, _CLOSE)
        store1(to + _U1, _COMMA)
        to += _U2
    return np.int64(to - base)


def write_rows(rows: Rows) -> bytes:
    """Write rows as a JSON array of objects; the readable twin is ``api.rows.row_by_row``."""
    count, figures = len(rows.time_ns), list(rows.figures.values())
    if not count:
        return b"[]"
    keys = [f'{{"{rows.time_name}":"', *(f',"{name}":' for name in rows.figures)]
    row_bytes_max = sum(map(len, keys)) + _TIME_BYTES_MAX + NUMBER_BYTES_MAX * len(figures) + 2
    out = np.empty(1 + count * row_bytes_max + SLACK, np.uint8)
    out[0] = ord("[")
    size = _write_rows(
        np.frombuffer("".join(_slot(key) for key in keys).encode(), np.uint8),
        np.array([len(key) for key in keys], np.int64),
        np.clip(rows.time_ns, TIME_NS_MIN, TIME_NS_MAX),
        np.array(figures, np.float64).reshape(len(figures), count),
        np.array([figure.dtype.kind in "iu" for figure in figures]),
        POWERS,
        out[1:],
    )
    out[size] = ord("]")  # over the last comma
    return out[: size + 1].tobytes()


def _slot(key: str) -> str:
    if len(key) > _KEY_BYTES_MAX or not key.isascii():
        raise ValueError(f"the name of a figure is too long, or not of ASCII: {key}")
    return key.ljust(_KEY_BYTES_MAX)


def warm_up() -> None:
    """Have the pass compiled, or read from disk, now: the first time it takes seconds."""
    write_rows(Rows("time", np.zeros(1, np.int64), {"value": np.zeros(1)}))
