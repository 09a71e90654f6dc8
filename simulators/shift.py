"""Messages moved to another time: what played once, or was recorded, mixed into the present."""

from dataclasses import replace
from typing import Any

import cbor2
import msgspec

from domain.time import NS_PER_MS, NS_PER_S, NS_PER_US, format_rfc3339, parse_rfc3339
from simulators.feed import Message

# A number's size says its unit (design, formats).
_UNITS = ((10**17, 1), (10**14, NS_PER_US), (10**11, NS_PER_MS), (0, NS_PER_S))


def shifted(message: Message, by_ns: int) -> Message:
    """Return the message ``by_ns`` later, its readings too; what cannot be read stays as it is."""
    change = {"json": _json, "block": _block}.get(message.format)
    payload = message.payload
    if change is not None:
        try:
            payload = change(payload, by_ns)
        except (ValueError, TypeError, KeyError, EOFError, cbor2.CBORDecodeError):
            payload = message.payload  # a gateway's nonsense is nonsense at any time
    return replace(message, time_ns=message.time_ns + by_ns, payload=payload)


def _json(payload: bytes, by_ns: int) -> bytes:
    document = msgspec.json.decode(payload)
    for item in document if isinstance(document, list) else [document]:
        if "ts" in item:
            item["ts"] = _moved(item["ts"], by_ns)
    return msgspec.json.encode(document)


def _moved(stamp: Any, by_ns: int) -> Any:
    if isinstance(stamp, str):
        zoned = stamp.endswith("Z") or stamp[-6:-5] in ("+", "-")
        moved = format_rfc3339(parse_rfc3339(stamp) + by_ns)
        return moved if zoned else moved.removesuffix("Z")
    unit_ns = next(unit for least, unit in _UNITS if abs(stamp) >= least)
    if isinstance(stamp, float):
        return stamp + by_ns / unit_ns
    moved_ns = stamp * unit_ns + by_ns
    return moved_ns // unit_ns if moved_ns % unit_ns == 0 else moved_ns / unit_ns


def _block(payload: bytes, by_ns: int) -> bytes:
    document = cbor2.loads(payload)
    for item in document if isinstance(document, list) else [document]:
        item["t0"] += by_ns
    return cbor2.dumps(document)
