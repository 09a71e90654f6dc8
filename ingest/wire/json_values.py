"""Format ``json``: ``{"ts": <time>, "values": {"<name>": <number or bool>, …}}``, or a list of these.

No ``ts``: the received time, marked so. Other members are ignored. A frame of nothing but sound
readings is decoded by msgspec against a typed schema; anything else is read again by a slower
path, which refuses single readings, so that one bad value does not cost its frame.
"""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from domain.accounting import Reason
from domain.readings import FLAG_RECEIVED_TIME
from domain.time import format_rfc3339
from ingest.wire.decoded import (
    NAME_LENGTH_MAX,
    PAYLOAD_BYTES_MAX,
    Decoded,
    describe,
    name_fault,
)
from ingest.wire.times import time_to_ns

_INTEGER_DIGITS_MAX = 40


class _Record(msgspec.Struct, gc=False):
    values: dict[str, float | bool]
    ts: int | float | str | None = None


_DECODER = msgspec.json.Decoder(_Record | list[_Record])


def decode(payload: bytes, received_ns: int, zone: ZoneInfo | None) -> Decoded:
    """Decode one payload; total. Values come as float or bool, of which numpy makes 0 and 1."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return Decoded.failed(Reason.OVERSIZE, f"{len(payload)} bytes, at most 1 MiB")
    try:
        message = _DECODER.decode(payload)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return _decode_carefully(payload, received_ns, zone)
    decoded = Decoded()
    for record in message if type(message) is list else (message,):
        _take_record(decoded, record.ts, record.values, received_ns, zone)
    return decoded


def _take_record(
    decoded: Decoded, ts: object, values: dict[str, float], received_ns: int, zone: ZoneInfo | None
) -> None:
    """Take a record whose values are known to be finite numbers or bools."""
    flags = 0
    if ts is None:
        time_ns, flags, decoded.untimed = received_ns, FLAG_RECEIVED_TIME, True
    else:
        try:
            time_ns = time_to_ns(ts, zone)
        except ValueError as error:
            _refuse_all(decoded, values, str(error))
            return
    for name in values:
        if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
            _take_values(decoded, values, time_ns, flags)
            return
    count = len(values)
    decoded.names += values
    decoded.values += values.values()
    decoded.times_ns += [time_ns] * count
    decoded.flags += [flags] * count


def _refuse_all(decoded: Decoded, values: Iterable[str], detail: str) -> None:
    for name in values:
        decoded.refuse(Reason.TIME, detail, name)


def _take_values(decoded: Decoded, values: Mapping[str, object], time_ns: int, flags: int) -> None:
    """Take the sound ones of ``values`` and refuse the others one by one."""
    for name, value in values.items():
        fault = name_fault(name)
        if fault:
            decoded.refuse(Reason.NAME, fault, name)
            continue
        if not isinstance(value, bool | int | float):
            detail = f"a value is a number or a bool, not {describe(value)}"
            decoded.refuse(Reason.VALUE_TYPE, detail, name)
            continue
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            decoded.add(name, time_ns, number, flags)
        else:
            decoded.refuse(Reason.NOT_FINITE, f"a value must be finite, not {number}", name)


def _decode_carefully(payload: bytes, received_ns: int, zone: ZoneInfo | None) -> Decoded:
    try:
        # Some gateways write a byte order mark, and NaN or Infinity for a missing value; the
        # standard library reads both, so that it costs a reading and not the frame.
        message = json.loads(payload.decode("utf-8-sig"), parse_int=_parse_integer)
    except RecursionError:
        return Decoded.failed(Reason.SYNTAX, "nested too deeply")
    except ValueError as error:
        return Decoded.failed(Reason.SYNTAX, f"not JSON: {str(error)[:160]}")
    if isinstance(message, list):
        records = message
    elif isinstance(message, dict) and isinstance(message.get("values"), dict):
        records = [message]
    else:
        return Decoded.failed(Reason.STRUCTURE, 'not {"ts": …, "values": {…}}, nor a list of these')
    decoded = Decoded()
    for record in records:
        _take_loose_record(decoded, record, received_ns, zone)
    return decoded


def _take_loose_record(
    decoded: Decoded, record: Any, received_ns: int, zone: ZoneInfo | None
) -> None:
    values = record.get("values") if isinstance(record, dict) else None
    if not isinstance(values, dict):
        decoded.refuse(Reason.STRUCTURE, 'a record of the list is not {"ts": …, "values": {…}}')
        return
    ts = record.get("ts")
    if ts is None:
        decoded.untimed = True
        _take_values(decoded, values, received_ns, FLAG_RECEIVED_TIME)
        return
    try:
        time_ns = time_to_ns(ts, zone)
    except ValueError as error:
        _refuse_all(decoded, values, str(error))
        return
    _take_values(decoded, values, time_ns, 0)


def _parse_integer(digits: str) -> int | float:
    # Python refuses integers of more than 4,300 digits, and takes quadratic time below that.
    return int(digits) if len(digits) <= _INTEGER_DIGITS_MAX else float(digits)


def encode(values: Mapping[str, float], time_ns: int | None = None) -> bytes:
    """Return the payload of one record; without ``time_ns`` it has no time of its own."""
    return msgspec.json.encode(_record(values, time_ns))


def encode_many(records: Iterable[tuple[int | None, Mapping[str, float]]]) -> bytes:
    """Return the payload of a list of (time_ns, values)."""
    return msgspec.json.encode([_record(values, time_ns) for time_ns, values in records])


def _record(values: Mapping[str, float], time_ns: int | None) -> dict[str, Any]:
    if time_ns is None:
        return {"values": dict(values)}
    return {"ts": format_rfc3339(time_ns), "values": dict(values)}
