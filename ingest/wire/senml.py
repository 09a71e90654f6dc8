"""Format ``senml``: a SenML pack (RFC 8428), as JSON or as CBOR; the first byte tells which.

Each record with a value is a reading: its name is ``bn`` + ``n``, its time ``bt`` + ``t``, its value
``bv`` + ``v``, or ``vb`` as 0 and 1. A time below 2**28 s is relative to the received time, and so is
none at all: both are marked so. Times are exact to the nanosecond, as they are written. Texts and
data (``vs``, ``vd``) and records with nothing but a sum are refused one by one; a sum beside a value
is ignored. A unit (``u``, ``bu``) is handed on, to be compared with the channel's.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import msgspec

from domain.accounting import Reason
from domain.readings import FLAG_RECEIVED_TIME
from domain.time import NS_PER_S, TIME_NS_MAX, TIME_NS_MIN
from ingest.wire import senml_cbor
from ingest.wire.decoded import NAME_LENGTH_MAX, PAYLOAD_BYTES_MAX, Decoded, describe

RELATIVE_NS_LIMIT = (1 << 28) * NS_PER_S
VERSION_MAX = 10
SECONDARY_UNITS = 26  # RFC 9100: version 10 with the units of RFC 8798, which are known here

# RFC 8428, section 4.5.1: what a whole name is made of.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*", re.ASCII)
_NUMBER = re.compile(rb'"?(-?)(\d{1,18})(?:\.(\d{1,9}))?"?', re.ASCII)
_NUMBER_CHARS_MAX = 64
_SECONDS_MAX = Decimal(10) ** 12
_INTEGER_BITS_MAX = 1100
_BYTE_ORDER_MARK = 0xEF


_UNTIMED = msgspec.Raw()


class _Record(msgspec.Struct, gc=False):
    """A record as sent; ``None``, and of times ``_UNTIMED``, stands for a field that is not there."""

    n: str | None = None
    t: msgspec.Raw = _UNTIMED
    v: float | None = None
    u: str | None = None
    bn: str | None = None
    bt: msgspec.Raw = _UNTIMED
    bv: float | None = None
    bu: str | None = None
    bver: int | None = None
    vb: bool | None = None
    vs: Any = None
    vd: Any = None
    s: Any = None


_FIELDS = frozenset(_Record.__struct_fields__)
_DECODER = msgspec.json.Decoder(list[_Record])


class _Unreadable(Exception):  # noqa: N818  it never leaves this file
    """The pack as a whole cannot be taken."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def decode(payload: bytes, received_ns: int, _zone: ZoneInfo | None) -> Decoded:
    """Decode one pack; total. SenML's times are seconds since 1970 in UTC: no zone is needed."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return Decoded.failed(Reason.OVERSIZE, f"{len(payload)} bytes, at most 1 MiB")
    try:
        # An array begins with "[" in JSON and beyond 0x7f in CBOR, where "[" is a byte string.
        is_cbor = len(payload) > 0 and payload[0] > 0x7F and payload[0] != _BYTE_ORDER_MARK
        records = _load_cbor(payload) if is_cbor else _load_json(payload)
        return _Pack(received_ns).take_all(records)
    except _Unreadable as error:
        return Decoded.failed(error.reason, str(error))


def _load_json(payload: bytes) -> Sequence[_Record]:
    # Fields that end in "_" must be understood, and the typed reader passes over what it does not
    # know; an escape might hide one.
    if b'_"' not in payload and b"\\" not in payload:
        try:
            return _DECODER.decode(payload)
        except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
            pass
    try:
        message = json.loads(
            payload.decode("utf-8-sig"), parse_float=_parse_number, parse_int=_parse_number
        )
    except RecursionError:
        raise _Unreadable(Reason.SYNTAX, "nested too deeply") from None
    except ValueError as error:
        raise _Unreadable(Reason.SYNTAX, f"not JSON: {str(error)[:160]}") from None
    return _loose_records(message)


def _parse_number(text: str) -> int | float | Decimal:
    """Return a number as it is written, where it is not absurdly long."""
    if len(text) > _NUMBER_CHARS_MAX:
        return float(text)
    if text.lstrip("-").isdecimal():
        return int(text)
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent beyond all bounds
        return float(text)


def _load_cbor(payload: bytes) -> Sequence[_Record]:
    try:
        message = senml_cbor.load(payload)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise _Unreadable(Reason.SYNTAX, f"not CBOR: {str(error)[:160]}") from None
    return _loose_records(message)


def _loose_records(message: object) -> list[_Record]:
    """Return records whose fields may be of any type."""
    if not isinstance(message, list | tuple):
        raise _Unreadable(Reason.STRUCTURE, "a SenML pack is an array of records")
    return [_loose_record(item) if _is_map(item) else _NO_RECORD for item in message]


def _is_map(item: object) -> bool:
    return isinstance(item, dict | cbor2.frozendict)


def _loose_record(item: Mapping[object, Any]) -> _Record:
    fields: dict[str, Any] = {}
    for key, value in item.items():
        name = senml_cbor.LABELS.get(key, key) if type(key) is int else key
        if type(name) is not str:
            continue
        if name.endswith("_"):
            detail = f"the field {name[:32]!r} must be understood, and is not known here"
            raise _Unreadable(Reason.STRUCTURE, detail)
        if name in fields:
            raise _Unreadable(Reason.STRUCTURE, f"the field {name[:32]!r} is there twice")
        fields[name] = value
    if not isinstance(fields.get("n"), str | None):
        fields["n"] = False  # no text, and hashable
    known = {
        name: fields[name]
        for name in _FIELDS & fields.keys()
        if fields[name] is not None or name in ("t", "bt")
    }
    return _Record(**known)


_NO_RECORD = _Record(n="?")  # stands for an item that is none; its name is never resolved


class _Pack:
    """Resolves the records of one pack, in their order; base fields stand until they come again."""

    def __init__(self, received_ns: int) -> None:
        self.decoded = Decoded()
        self._received_ns = received_ns
        self._units: list[str] = []
        self._any_unit = False
        self._bn: Any = ""
        self._bt_ns: int | str = 0  # a text says what is wrong with it
        self._bv: Any = None
        self._bu: Any = None
        self._names: dict[Any, str | None] = {}
        self._times: dict[bytes, int | str] = {}

    def take_all(self, records: Iterable[_Record]) -> Decoded:
        """Return what the records hold; raises ``_Unreadable``."""
        for record in records:
            if (
                record.bn is not None
                or record.bt is not _UNTIMED
                or record.bv is not None
                or record.bu is not None
                or record.bver is not None
            ):
                self._take_bases(record)
                if _only_bases(record):
                    continue
            self._take(record)
        if self._any_unit:
            self.decoded.units = self._units
        return self.decoded

    def _take_bases(self, record: _Record) -> None:
        version = record.bver
        if version is not None and not _known_version(version):
            detail = f"version {describe(version)}; {VERSION_MAX} and below are known here"
            raise _Unreadable(Reason.STRUCTURE, detail)
        if record.bn is not None:
            self._bn = record.bn
            self._names = {}
        if record.bt is not _UNTIMED:
            self._bt_ns = self._time(record.bt)
        if record.bv is not None:
            self._bv = record.bv
        if record.bu is not None:
            self._bu = record.bu

    def _take(self, record: _Record) -> None:
        name = self._names.get(record.n) if record is not _NO_RECORD else None
        if name is None:
            name = self._name(record)
            if name is None:
                return
        value: Any = record.v
        if (
            type(value) is not float
            or self._bv is not None
            or record.vb is not None
            or record.vs is not None
            or record.vd is not None
        ):
            value = self._value(record, name)
            if value is None:
                return
        elif not math.isfinite(value):
            self._refuse_infinite(value, name)
            return
        time_ns = self._bt_ns
        if record.t is not _UNTIMED:
            time_ns = _sum(time_ns, self._time(record.t))
        self._add(name, time_ns, value, record.u if record.u is not None else self._bu)

    def _add(self, name: str, time_ns: int | str, value: float, unit: Any) -> None:
        decoded, flags = self.decoded, 0
        if type(time_ns) is str:
            decoded.refuse(Reason.TIME, time_ns, name)
            return
        assert type(time_ns) is int  # noqa: S101  what is left of the two
        if time_ns < RELATIVE_NS_LIMIT:
            time_ns, flags = time_ns + self._received_ns, FLAG_RECEIVED_TIME
            decoded.untimed = True
        if not TIME_NS_MIN <= time_ns <= TIME_NS_MAX:
            decoded.refuse(Reason.TIME, "time out of the years 1970 to 2261", name)
            return
        if unit is not None:
            if type(unit) is not str:
                detail = f"a unit is text, not {describe(unit)}"
                decoded.refuse(Reason.STRUCTURE, detail, name)
                return
            self._any_unit = True
        self._units.append(unit or "")
        decoded.add(name, time_ns, value, flags)

    def _name(self, record: _Record) -> str | None:
        """Return the whole name of a record; ``None`` where it was refused for it."""
        bn, n = self._bn, record.n if record.n is not None else ""
        if record is _NO_RECORD:
            self.decoded.refuse(Reason.STRUCTURE, "an item of the pack is not a record")
            return None
        if type(bn) is not str or type(n) is not str:
            self.decoded.refuse(Reason.NAME, "a name is text")
            return None
        shown = bn + n
        fault = _name_fault(shown)
        if fault:
            self.decoded.refuse(Reason.NAME, fault, shown)
            return None
        self._names[record.n] = shown
        return shown

    def _value(self, record: _Record, name: str) -> float | None:
        """Return the value of a record that is not simply a number; ``None`` where refused."""
        given = [label for label in ("v", "vb", "vs", "vd") if getattr(record, label) is not None]
        if len(given) > 1:
            detail = f"a record has one value, not {' and '.join(given)}"
            self.decoded.refuse(Reason.STRUCTURE, detail, name)
            return None
        if not given:
            summed = record.s is not None
            detail = "a sum is not a reading" if summed else "a record without a value"
            self.decoded.refuse(Reason.VALUE_TYPE, detail, name)
            return None
        if given == ["vb"] and type(record.vb) is bool:
            return float(record.vb)
        number = record.v if given == ["v"] else None
        base = self._bv if self._bv is not None else 0
        if not _is_number(number) or not _is_number(base):
            wrong = base if _is_number(number) else getattr(record, given[0])
            detail = f"{given[0]} with {describe(wrong)}; a value is v, a number, or vb, a bool"
            self.decoded.refuse(Reason.VALUE_TYPE, detail, name)
            return None
        value = _add_up(base, number)
        if math.isfinite(value):
            return value
        self._refuse_infinite(value, name)
        return None

    def _refuse_infinite(self, value: float, name: str) -> None:
        self.decoded.refuse(Reason.NOT_FINITE, f"a value must be finite, not {value}", name)

    def _time(self, time: Any) -> int | str:
        """Return nanoseconds, or what is wrong with the time."""
        if type(time) is not msgspec.Raw:
            return _seconds_to_ns(time)
        text = bytes(time)
        found = self._times.get(text)
        if found is None:
            found = self._times[text] = _text_to_ns(text)
        return found


def _only_bases(record: _Record) -> bool:
    """Tell whether a record does nothing but set base fields."""
    fields = ("n", "v", "vb", "vs", "vd", "u", "s")
    return record.t is _UNTIMED and all(getattr(record, name) is None for name in fields)


def _known_version(version: object) -> bool:
    return type(version) is int and (0 < version <= VERSION_MAX or version == SECONDARY_UNITS)


def _name_fault(name: str) -> str:
    if not name:
        return "a record needs a name: bn, n or both"
    if len(name) > NAME_LENGTH_MAX:
        return f"a name has at most {NAME_LENGTH_MAX} characters, not {len(name)}"
    if _NAME.fullmatch(name) is None:
        return "a SenML name is made of A-Z a-z 0-9 - : . / _ and begins with a letter or digit"
    return ""


def _is_number(value: object) -> bool:
    return type(value) in (int, float, Decimal)


def _add_up(base: Any, number: Any) -> float:
    """Return base + number as the decimal numbers that were written: 0.1 + 0.7 is 0.8."""
    try:
        if not base:
            return float(number)
        if float(base).is_integer() and float(number).is_integer():
            return float(base) + float(number)
        return float(_decimal(base) + _decimal(number))
    except (OverflowError, ArithmeticError):
        return math.inf


def _decimal(number: Any) -> Decimal:
    return Decimal(repr(number)) if type(number) is float else Decimal(number)


def _sum(base: int | str, offset: int | str) -> int | str:
    if type(base) is str:
        return base
    return offset if type(offset) is str else base + offset  # type: ignore[operator]


def _text_to_ns(text: bytes) -> int | str:
    """Return the nanoseconds of a JSON number as it is written."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        if len(text) > _NUMBER_CHARS_MAX:
            return "a time is a number of at most 64 digits"
        return _seconds_to_ns(text.decode("utf-8", "replace").strip('"'))
    sign, whole, fraction = match.groups()
    time_ns = int(whole) * NS_PER_S
    if fraction is not None:
        time_ns += int(fraction.ljust(9, b"0"))
    return -time_ns if sign else time_ns


def _seconds_to_ns(time: Any) -> int | str:
    """Return the nanoseconds of a number of seconds, or of a decimal number in a text."""
    if type(time) is int and time.bit_length() <= _INTEGER_BITS_MAX:
        return time * NS_PER_S
    wrong = f"a time is a number of seconds, not {describe(time)}"
    try:
        if type(time) is str and len(time) <= _NUMBER_CHARS_MAX:
            seconds = Decimal(time)
        elif type(time) in (float, Decimal):
            seconds = _decimal(time)
        else:
            return wrong
        if not seconds.is_finite() or abs(seconds) >= _SECONDS_MAX:
            return wrong if not seconds.is_finite() else "time out of the years 1970 to 2261"
        return int((seconds * NS_PER_S).to_integral_value())
    except ArithmeticError:
        return wrong


def encode(readings: Iterable[tuple[str, int | None, float, str | None]]) -> bytes:
    """Return the JSON pack of (name, time_ns or None, value, unit or None)."""
    return b"[" + b",".join(map(_encoded, readings)) + b"]"


def _encoded(reading: tuple[str, int | None, float, str | None]) -> bytes:
    name, time_ns, value, unit = reading
    record: dict[str, Any] = {"n": name, "v": value}
    if unit is not None:
        record["u"] = unit
    if time_ns is not None:
        seconds, fraction_ns = divmod(time_ns, NS_PER_S)
        record["t"] = msgspec.Raw(f"{seconds}.{fraction_ns:09d}".encode())
    return msgspec.json.encode(record)


def encode_cbor(readings: Iterable[tuple[str, int | None, float, str | None]]) -> bytes:
    """Return the CBOR pack of the same; times are decimal fractions, which keep nanoseconds."""
    return senml_cbor.dump(readings)
