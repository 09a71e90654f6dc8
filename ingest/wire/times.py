"""Times as gateways send them, to int64 nanoseconds UTC."""

import math
from decimal import Decimal
from zoneinfo import ZoneInfo

from domain.time import (
    NS_PER_MS,
    NS_PER_S,
    NS_PER_US,
    TIME_NS_MAX,
    TIME_NS_MIN,
    parse_rfc3339,
)

# A number says its unit by its size: these are years 1973 onwards in each unit (design, section 4).
_NS_FROM = 10**17
_US_FROM = 10**14
_MS_FROM = 10**11


def time_to_ns(time: object, zone: ZoneInfo | None) -> int:
    """Return the nanoseconds of a time as sent: RFC 3339 text, or a number.

    A text without a zone is taken in ``zone``. Numbers: >= 1e17 ns, >= 1e14 us, >= 1e11 ms, else s;
    fractions are taken as the decimal number that was written, not as the binary one nearest to it.
    Raises ``ValueError`` with a text for people, for anything else and outside of 1970 to 2261.
    """
    if type(time) is int:
        return _in_range(time * _scale(time))
    if type(time) is float:
        if not math.isfinite(time):
            raise ValueError("a time must be finite")
        return _in_range(int((Decimal(repr(time)) * _scale(time)).to_integral_value()))
    if type(time) is str:
        return _parse_text(time, zone)
    raise ValueError(f"a time is RFC 3339 text or a number, not {type(time).__name__}")


def _scale(number: float) -> int:
    if number >= _NS_FROM:
        return 1
    if number >= _US_FROM:
        return NS_PER_US
    return NS_PER_MS if number >= _MS_FROM else NS_PER_S


def _in_range(time_ns: int) -> int:
    if not TIME_NS_MIN <= time_ns <= TIME_NS_MAX:
        raise ValueError("time out of the years 1970 to 2261")
    return time_ns


def _parse_text(text: str, zone: ZoneInfo | None) -> int:
    try:
        return parse_rfc3339(text, zone)
    except OverflowError:  # year 1 or 9999, pushed over the edge by its zone
        raise ValueError(f"time out of the years 1970 to 2261: {text[:64]!r}") from None
