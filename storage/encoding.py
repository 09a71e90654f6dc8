"""Dataclasses to rows and packed documents, and back, exactly.

Everything here is total for what it is given: a NaN, a lone surrogate out of somebody's payload or a
numpy number must not stop the commit that carries it.
"""

import math
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

import msgspec
import numpy as np
from sqlalchemy import Row

T = TypeVar("T")

_PLAIN = (bytes,)


def plain(value: Any) -> Any:
    """Return numpy's scalars and arrays as Python's numbers and lists; for msgspec's hook."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise NotImplementedError(f"cannot store a {type(value).__name__}")


def pack(value: Any) -> bytes:
    """Return ``value`` as msgpack: it keeps NaN, infinities and bytes, which JSON does not."""
    try:
        return msgspec.msgpack.encode(value, enc_hook=plain)
    except UnicodeEncodeError:
        return msgspec.msgpack.encode(_clean_within(as_row(value)), enc_hook=plain)


def unpack(document: bytes, kind: type[T]) -> T:
    """Return the ``kind`` that ``pack`` made ``document`` of."""
    return msgspec.msgpack.decode(document, type=kind)


def as_row(value: Any) -> Any:
    """Return a dataclass as a mapping of plain values: enums are their values."""
    return msgspec.to_builtins(value, enc_hook=plain, builtin_types=_PLAIN)


def clean_row(value: Any) -> dict[str, Any]:
    """Return a dataclass as a row whose texts every database takes."""
    return {name: clean(item) for name, item in as_row(value).items()}


def from_row(row: Row[Any], kind: type[T]) -> T:
    """Return the dataclass ``kind`` that ``row``, or a part of it, was made of.

    A null in a field that must be a number is a NaN: SQLite has no other way to keep one.
    """
    declared = _field_types(cast(Any, kind))
    values = {name: row._mapping[name] for name in declared}  # noqa: SLF001  its public name
    for name, value in values.items():
        if value is None and declared[name] is float:
            values[name] = math.nan
    return msgspec.convert(values, kind, builtin_types=_PLAIN)


@cache
def _field_types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def clean(value: Any) -> Any:
    r"""Return a text without what a database refuses: NUL and lone surrogates become U+FFFD.

    >>> clean("a\x00b")
    'a�b'
    """
    if not isinstance(value, str) or (value.isascii() and "\x00" not in value):
        return value
    whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\x00", "\ufffd")


def _clean_within(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean(name): _clean_within(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_within(item) for item in value]
    return clean(value)
