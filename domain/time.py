"""Event time: int64 nanoseconds UTC inside, RFC 3339 outside."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000

# Years 1970 to 2261: what int64 nanoseconds hold after the epoch.
TIME_NS_MIN = 0
TIME_NS_MAX = 9_189_000_000 * NS_PER_S

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,18}))?"
    r"(?:([Zz])|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
_FRACTION_DIGITS_MAX = 18
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  naive on purpose: arithmetic in UTC


def seconds_to_ns(seconds: float) -> int:
    """Return ``seconds`` as whole nanoseconds."""
    return round(seconds * NS_PER_S)


def format_rfc3339(time_ns: int) -> str:
    """Return ``time_ns`` as RFC 3339 in UTC, with as many of 3, 6 or 9 decimals as it needs.

    >>> format_rfc3339(1_000_000_000)
    '1970-01-01T00:00:01Z'
    >>> format_rfc3339(1_500_000_000)
    '1970-01-01T00:00:01.500Z'
    """
    seconds, fraction_ns = divmod(int(time_ns), NS_PER_S)
    text = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    if fraction_ns == 0:
        return f"{text}Z"
    digits = f"{fraction_ns:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


def parse_rfc3339(text: str, zone: ZoneInfo | None = None) -> int:
    """Return the nanoseconds of an RFC 3339 time, exact to the nanosecond.

    A time without a zone is taken in ``zone``, UTC where none is given. A space may stand for
    the ``T``. Raises ``ValueError`` for anything that is not a time from 1970 to 2261.

    >>> parse_rfc3339("1970-01-01T08:00:01.25+08:00")
    1250000000
    """
    # Gateways write few different seconds at a time: a second is parsed once, whatever follows it.
    fraction = text[20:-1]
    if text[19:20] == "." and text[-1] == "Z" and fraction.isdecimal() and fraction.isascii():
        time_ns = _parse(f"{text[:19]}Z", None) + int(fraction[:9].ljust(9, "0"))
        if time_ns <= TIME_NS_MAX and len(fraction) <= _FRACTION_DIGITS_MAX:
            return time_ns
    return _parse(text, zone)


@lru_cache(maxsize=4096)
def _parse(text: str, zone: ZoneInfo | None) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text[:64]!r}")
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    fraction_ns = int((match[7] or "0").ljust(9, "0")[:9])
    leap_s = 1 if second == 60 else 0  # a leap second is the next second
    naive = datetime(year, month, day, hour, minute, second - leap_s)  # noqa: DTZ001  so is this
    if match[8] is None and match[9] is None:
        aware = naive.replace(tzinfo=zone or UTC)
        since_epoch = aware.astimezone(UTC).replace(tzinfo=None) - _EPOCH
        offset_s = 0
    else:
        since_epoch = naive - _EPOCH
        offset_s = (int(match[10]) * 3600 + int(match[11]) * 60) if match[9] else 0
        offset_s = -offset_s if match[9] == "-" else offset_s
    seconds = since_epoch.days * 86_400 + since_epoch.seconds - offset_s + leap_s
    time_ns = seconds * NS_PER_S + fraction_ns
    if not TIME_NS_MIN <= time_ns <= TIME_NS_MAX:
        raise ValueError(f"time out of the years 1970 to 2261: {text[:64]!r}")
    return time_ns
