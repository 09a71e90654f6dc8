"""The short way of the commonest payload: one json record of plain readings, in a compiled pass.

``{"ts": <time>, "values": {"<name>": <number or bool>, …}}``, with ``ts`` first or last, of registered
names, with numbers that are exact as written. Anything else (a list, an escape, another member, a
time without a zone, a number of too many digits, an unknown name, …) is left to ``json_values``, which
decides everything: this pass says either the same as it, or nothing.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from compiled import njit, njit_inlined
from domain.readings import Float64s, Int32s, Int64s
from domain.time import TIME_NS_MAX

UInt8s = npt.NDArray[np.uint8]
UInt64s = npt.NDArray[np.uint64]

READINGS_MAX = 64  # of one payload; larger ones gain nothing here
_NAME_BYTES_MAX = 128
_EXACT_DIGITS_MAX = 15  # of a decimal number: fewer digits than a double keeps
_SCALES = np.array([10.0**k for k in range(23)])  # every one exact in a double
_POWERS = np.array([10**k for k in range(19)], np.int64)
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_TIME_NS_MAX = TIME_NS_MAX
_FAILED = -1


class NameTable(NamedTuple):
    """Registered names of all gateways: open addressing by a hash of gateway and bytes."""

    slot: Int32s  # place in the columns below, -1: free; its length is a power of two
    gateway: Int32s
    start: Int64s  # of the name's bytes in ``text``
    length: Int32s
    channel: Int32s
    text: UInt8s


class Scanned(NamedTuple):
    """What the pass found: ``readings`` of each payload (-1: not for this pass), in order."""

    readings: Int32s
    time_ns: Int64s  # of each payload
    channel: Int32s  # of each reading
    value: Float64s


def make_table(names: Iterable[tuple[int, str, int]]) -> NameTable:
    """Return the table of (gateway index, name as sent, channel index)."""
    listed = [(gateway, name.encode(), channel) for gateway, name, channel in names]
    size = 8
    while size < 2 * len(listed):
        size *= 2
    lengths = np.array([len(name) for _, name, _ in listed], np.int32)
    table = NameTable(
        slot=np.full(size, -1, np.int32),
        gateway=np.array([gateway for gateway, _, _ in listed], np.int32),
        start=np.cumsum(lengths, dtype=np.int64) - lengths,
        length=lengths,
        channel=np.array([channel for _, _, channel in listed], np.int32),
        text=np.frombuffer(b"".join(name for _, name, _ in listed) or b"\0", np.uint8).copy(),
    )
    _fill(table)
    return table


def scan(table: NameTable, payloads: list[bytes], gateways: Int32s) -> Scanned:
    """Read what can be read the short way of payloads and the gateways (index, -1: none) they are of."""
    lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
    text = np.frombuffer(b"".join(payloads) + b"\0", np.uint8)
    # The shortest reading, "a":0, has six bytes with its comma.
    room = int(np.minimum(lengths // 6 + 1, READINGS_MAX).sum())
    scanned = Scanned(
        readings=np.empty(len(payloads), np.int32),
        time_ns=np.empty(len(payloads), np.int64),
        channel=np.empty(room, np.int32),
        value=np.empty(room, np.float64),
    )
    used = _scan(table, text, np.cumsum(lengths), gateways, scanned)
    return scanned._replace(channel=scanned.channel[:used], value=scanned.value[:used])


@njit_inlined
def _hash(gateway: int, text: UInt8s, start: int, end: int) -> Any:
    """Return FNV-1a of a name, begun with its gateway."""
    value = np.uint64(0xCBF29CE484222325) ^ np.uint64(gateway + 1)
    value *= np.uint64(0x100000001B3)
    for at in range(start, end):
        value = (value ^ np.uint64(text[at])) * np.uint64(0x100000001B3)
    return value ^ (value >> np.uint64(29))


@njit
def _fill(table: NameTable) -> None:
    mask = np.uint64(len(table.slot) - 1)
    for place in range(len(table.channel)):
        start = table.start[place]
        at = _hash(table.gateway[place], table.text, start, start + table.length[place]) & mask
        while table.slot[at] >= 0:
            at = (at + np.uint64(1)) & mask
        table.slot[at] = place


@njit_inlined
def _find(table: NameTable, gateway: int, text: UInt8s, start: int, end: int) -> int:
    """Return the channel of a name, -1 where it is not registered for that gateway."""
    mask = np.uint64(len(table.slot) - 1)
    at = _hash(gateway, text, start, end) & mask
    while table.slot[at] >= 0:
        place = table.slot[at]
        if table.gateway[place] == gateway and table.length[place] == end - start:
            first = table.start[place]
            same = True
            for k in range(end - start):
                if table.text[first + k] != text[start + k]:
                    same = False
                    break
            if same:
                return int(table.channel[place])
        at = (at + np.uint64(1)) & mask
    return -1


@njit
def _skip(text: UInt8s, at: int) -> int:
    """Return the place of the next byte that is no white space."""
    while text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9:
        at += 1
    return at


@njit
def _string_end(text: UInt8s, at: int) -> int:
    """Return the place of the quote that ends a string whose first byte is at ``at``.

    -1 where it holds an escape or a control character, or does not end.
    """
    while text[at] >= 32 and text[at] != 92:
        if text[at] == 34:
            return at
        at += 1
    return _FAILED


@njit
def _number(text: UInt8s, at: int) -> Any:
    """Return (place behind, digits as an integer, decimals, sign) of a number as JSON writes it.

    The place is -1 where it is none, or not exact in the steps that follow.
    """
    sign = 1
    if text[at] == 45:
        sign = -1
        at += 1
    first = at
    digits: Any = np.int64(0)
    decimals = 0
    while 48 <= text[at] <= 57:
        digits = digits * 10 + (text[at] - 48)
        at += 1
        if at - first > _EXACT_DIGITS_MAX + 4:
            return _FAILED, digits, decimals, sign
    whole = at - first
    if digits < 0 or whole == 0 or (whole > 1 and text[first] == 48):
        return _FAILED, digits, decimals, sign
    if text[at] == 46:
        at += 1
        point = at
        while 48 <= text[at] <= 57:
            digits = digits * 10 + (text[at] - 48)
            at += 1
            if at - first > _EXACT_DIGITS_MAX + 1:
                return _FAILED, digits, decimals, sign
        decimals = at - point
        if decimals == 0:
            return _FAILED, digits, decimals, sign
    if text[at] == 101 or text[at] == 69:  # an exponent
        return _FAILED, digits, decimals, sign
    return at, digits, decimals, sign


@njit
def _two(text: UInt8s, at: int) -> int:
    """Return a number of two digits, -1 where it is none."""
    high, low = int(text[at]) - 48, int(text[at + 1]) - 48
    if high < 0 or high > 9 or low < 0 or low > 9:
        return _FAILED
    return high * 10 + low


@njit
def _time_of_text(text: UInt8s, at: int, end: int) -> int:
    """Return the nanoseconds of an RFC 3339 time with a zone, -1 for anything less plain."""
    if end - at < 20 or text[at + 4] != 45 or text[at + 7] != 45 or text[at + 10] != 84:
        return _FAILED
    if text[at + 13] != 58 or text[at + 16] != 58:
        return _FAILED
    century, years = _two(text, at), _two(text, at + 2)
    month, day = _two(text, at + 5), _two(text, at + 8)
    hour, minute, second = _two(text, at + 11), _two(text, at + 14), _two(text, at + 17)
    if min(century, years, month, day, hour, minute, second) < 0:
        return _FAILED
    year = century * 100 + years
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    if month < 1 or month > 12 or day < 1 or hour > 23 or minute > 59 or second > 59:
        return _FAILED
    if day > _MONTH_DAYS[month] + (1 if month == 2 and leap else 0):
        return _FAILED
    at += 19
    fraction_ns = 0
    if text[at] == 46:
        at += 1
        first = at
        while 48 <= text[at] <= 57:
            fraction_ns = fraction_ns * 10 + (text[at] - 48)
            at += 1
            if at - first > 9:
                return _FAILED
        if at == first:
            return _FAILED
        fraction_ns *= _POWERS[9 - (at - first)]
    offset_s = 0
    if text[at] == 90 and at + 1 == end:
        offset_s = 0
    elif (text[at] == 43 or text[at] == 45) and at + 6 == end and text[at + 3] == 58:
        hours, minutes = _two(text, at + 1), _two(text, at + 4)
        if hours < 0 or minutes < 0:
            return _FAILED
        offset_s = hours * 3600 + minutes * 60
        if text[at] == 45:
            offset_s = -offset_s
    else:
        return _FAILED
    # Days since 1970 of a civil date (H. Hinnant, "chrono-compatible low-level date algorithms").
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset_s
    if seconds < 0 or seconds > _TIME_NS_MAX // 1_000_000_000:
        return _FAILED
    time_ns = seconds * 1_000_000_000 + fraction_ns
    return time_ns if time_ns <= _TIME_NS_MAX else _FAILED


@njit
def _time_of_number(digits: int, decimals: int, sign: int) -> int:
    """Return the nanoseconds of a number that says its unit by its size, -1 where out of range."""
    if sign < 0:
        return _FAILED
    whole = digits // _POWERS[decimals]
    if whole >= 10**17:
        places = 0
    elif whole >= 10**14:
        places = 3
    elif whole >= 10**11:
        places = 6
    else:
        places = 9
    if decimals > places:
        return _FAILED
    scale = _POWERS[places - decimals]
    if digits > _TIME_NS_MAX // scale:
        return _FAILED
    return int(digits * scale)


@njit
def _scan(table: NameTable, text: UInt8s, ends: Int64s, gateways: Int32s, scanned: Scanned) -> int:
    """Scan payload after payload; return how many readings were found in all.

    A payload that is cut short is read on into the next, and found out by where that ends; behind the
    last stands a zero, at which every loop below stops.
    """
    used = 0
    start: Any = np.int64(0)
    for number in range(len(ends)):
        end = ends[number]
        count = _FAILED
        if gateways[number] >= 0 and end > start:
            count = _scan_one(table, text, start, end, gateways[number], scanned, number, used)
        scanned.readings[number] = count
        if count > 0:
            used += count
        start = end
    return used


@njit_inlined
def _scan_one(
    table: NameTable,
    text: UInt8s,
    at: int,
    end: int,
    gateway: int,
    scanned: Scanned,
    number: int,
    used: int,
) -> int:
    if text[at] != 123:
        return _FAILED
    at = _skip(text, at + 1)
    time_ns: Any = np.int64(_FAILED)
    count = _FAILED
    for _member in range(2):
        if text[at] != 34:
            return _FAILED
        close = _string_end(text, at + 1)
        if close < 0:
            return _FAILED
        is_time = close - at == 3 and text[at + 1] == 116 and text[at + 2] == 115
        is_values = (
            close - at == 7
            and text[at + 1] == 118
            and text[at + 2] == 97
            and text[at + 3] == 108
            and text[at + 4] == 117
            and text[at + 5] == 101
            and text[at + 6] == 115
        )
        at = _skip(text, close + 1)
        if text[at] != 58:
            return _FAILED
        at = _skip(text, at + 1)
        if is_time and time_ns < 0:
            if text[at] == 34:
                close = _string_end(text, at + 1)
                if close < 0:
                    return _FAILED
                time_ns = _time_of_text(text, at + 1, close)
                at = close + 1
            else:
                at, digits, decimals, sign = _number(text, at)
                if at < 0:
                    return _FAILED
                time_ns = _time_of_number(digits, decimals, sign)
            if time_ns < 0:
                return _FAILED
        elif is_values and count < 0:
            at, count = _scan_values(table, text, at, gateway, scanned, used)
            if at < 0:
                return _FAILED
        else:
            return _FAILED
        at = _skip(text, at)
        if text[at] == 44 and _member == 0:
            at = _skip(text, at + 1)
        elif _member == 0:
            return _FAILED
    if text[at] != 125:
        return _FAILED
    at += 1
    while at < end and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
        at += 1
    if at != end:
        return _FAILED
    scanned.time_ns[number] = time_ns
    return count


@njit_inlined
def _scan_values(
    table: NameTable, text: UInt8s, at: int, gateway: int, scanned: Scanned, used: int
) -> Any:
    """Return (place behind, readings) of an object of names and values; the place -1 where left."""
    if text[at] != 123:
        return _FAILED, 0
    at = _skip(text, at + 1)
    count = 0
    while True:
        if text[at] != 34 or count == READINGS_MAX:
            return _FAILED, 0
        close = _string_end(text, at + 1)
        if close < 0 or close == at + 1 or close - at - 1 > _NAME_BYTES_MAX:
            return _FAILED, 0
        channel = _find(table, gateway, text, at + 1, close)
        if channel < 0:
            return _FAILED, 0
        for k in range(count):
            if scanned.channel[used + k] == channel:
                return _FAILED, 0  # named twice
        at = _skip(text, close + 1)
        if text[at] != 58:
            return _FAILED, 0
        at = _skip(text, at + 1)
        if text[at] == 116 and text[at + 1] == 114 and text[at + 2] == 117 and text[at + 3] == 101:
            value = 1.0
            at += 4
        elif (
            text[at] == 102
            and text[at + 1] == 97
            and text[at + 2] == 108
            and text[at + 3] == 115
            and text[at + 4] == 101
        ):
            value = 0.0
            at += 5
        else:
            at, digits, decimals, sign = _number(text, at)
            if at < 0 or digits > 999_999_999_999_999:
                return _FAILED, 0
            # Both are exact in a double, so that one division rounds once: the number nearest to
            # what was written (Clinger 1990).
            value = sign * (float(digits) / _SCALES[decimals])
        scanned.channel[used + count] = channel
        scanned.value[used + count] = value
        count += 1
        at = _skip(text, at)
        if text[at] == 44:
            at = _skip(text, at + 1)
        elif text[at] == 125:
            return at + 1, count
        else:
            return _FAILED, 0
