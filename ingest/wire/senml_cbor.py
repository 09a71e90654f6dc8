"""SenML's CBOR (RFC 8428, section 6): integer labels, and numbers of every kind that CBOR has."""

from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any

import cbor2

LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
"""Fields by their label (RFC 8428, table 4); a label's text is taken for the same."""

_DEPTH_MAX = 16
_ARRAY_OF_TWO = b"\x82"
_END = 0x4C4946454C494E45
_END_MARK = b"\x1b" + _END.to_bytes(8, "big")
_MANTISSA_BITS_MAX = 256
_EXPONENT_MAX = 400
_BINARY_EXPONENT_MAX = 1100
# Enough for the sum of a binary fraction of 64 bits and seconds since 1970, exactly.
_CONTEXT = Context(prec=100, traps=[])


class Foreign:
    """Stands for a tagged item that is no number."""


_FOREIGN = Foreign()


def _refuse_tag(_value: object, _immutable: bool) -> Foreign:
    return _FOREIGN


def _fraction(value: Any, base: int, exponent_max: int) -> Decimal | Foreign:
    """Return mantissa * base**exponent of ``[exponent, mantissa]`` (RFC 8949, section 3.4.4)."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return _FOREIGN
    exponent, mantissa = value
    if type(exponent) is not int or type(mantissa) is not int:
        return _FOREIGN
    if mantissa.bit_length() > _MANTISSA_BITS_MAX or abs(exponent) > exponent_max:
        return _FOREIGN  # no sensor's number; and it would be costly to build
    return _CONTEXT.multiply(Decimal(mantissa), _CONTEXT.power(Decimal(base), exponent))


def _decimal_fraction(value: Any, _immutable: bool) -> Decimal | Foreign:
    return _fraction(value, 10, _EXPONENT_MAX)


def _bigfloat(value: Any, _immutable: bool) -> Decimal | Foreign:
    return _fraction(value, 2, _BINARY_EXPONENT_MAX)


# Shared items and strings (25, 28, 29, 256) let a small payload stand for a huge or endless one.
_SEMANTIC: dict[int, Any] = {
    **dict.fromkeys(
        (0, 1, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000),
        _refuse_tag,
    ),
    4: _decimal_fraction,
    5: _bigfloat,
}


def load(payload: bytes) -> Any:
    """Return the one item of ``payload``; raises for anything that is not exactly one.

    As in ``block``, a mark of our own shows that nothing stands behind the item.
    """
    message, end = cbor2.loads(
        _ARRAY_OF_TWO + payload + _END_MARK,
        semantic_decoders=_SEMANTIC,
        max_depth=_DEPTH_MAX,
        allow_duplicate_keys=False,
    )
    if type(end) is not int or end != _END:
        raise ValueError("bytes after the end of the item")
    return message


def dump(readings: Iterable[tuple[str, int | None, float, str | None]]) -> bytes:
    """Return the pack of (name, time_ns or None, value, unit or None)."""
    return cbor2.dumps([_item(*reading) for reading in readings])


def _item(name: str, time_ns: int | None, value: float, unit: str | None) -> dict[int, Any]:
    item: dict[int, Any] = {0: name, 2: value}
    if unit is not None:
        item[1] = unit
    if time_ns is not None:
        item[6] = cbor2.CBORTag(4, [-9, time_ns])
    return item
