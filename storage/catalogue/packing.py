"""A catalogue as bytes: lines of JSON, compressed; channels by column, and each value written once.

Most of what a city's channels say they say alike: 445,700 channels are 400 MB of JSON one by one, a
fifth of it by column. Reading makes one object of equal values, and goes line by line, so that other
threads get their turn: the one that judges is among them.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from itertools import repeat
from types import GenericAlias
from typing import Any, get_type_hints

import msgspec

from domain.catalogue import Catalogue, Channel, Feature
from storage.collector import held_off, leave_what_is_there

_COMPRESSION = 1  # most of the gain for a tenth of the time
_LINE_VALUES = 10_000  # some milliseconds of reading
_TYPES = {
    name: kind
    for name, kind in get_type_hints(Catalogue).items()
    if name in Catalogue.__dataclass_fields__ and name not in ("channels", "in_force")
}
_NAMES = tuple(_TYPES)
_FEATURE = "feature"
_FEATURE_COLUMNS = {f"{_FEATURE}.{name}": kind for name, kind in get_type_hints(Feature).items()}
_COLUMNS: dict[str, Any] = {
    **{name: kind for name, kind in get_type_hints(Channel).items() if name != _FEATURE},
    **{name: kind | None for name, kind in _FEATURE_COLUMNS.items()},
}
_decoders: dict[str, msgspec.json.Decoder[list[Any]]] = {
    name: msgspec.json.Decoder(GenericAlias(list, (kind,))) for name, kind in _COLUMNS.items()
}
_places_decoder = msgspec.json.Decoder(list[int])
_encoder = msgspec.json.Encoder()
_OTHERWISE = "the catalogue cannot be stored: an attribute or a number of it reads back otherwise"

_Head: Any = msgspec.defstruct(
    "_Head", [(name, kind, getattr(Catalogue(0), name)) for name, kind in _TYPES.items()]
)


_NONE = msgspec.Raw(b"[]")


class _Line(msgspec.Struct):
    """A stretch of one column: distinct values in the order they are first used, or their places."""

    column: str
    values: msgspec.Raw = _NONE
    places: msgspec.Raw = _NONE


_line_decoder = msgspec.json.Decoder(_Line)


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """Return the catalogue as bytes that read back equal, but for the profiles in force.

    Raises ``ValueError`` where it would not, since what judges must be what was saved: for a number
    that is not finite, or an attribute that JSON does not have, such as a date.
    """
    try:
        lines = [_encode_head(catalogue)]
        for name in _COLUMNS:
            lines += _encode_column(name, _values_of(name, catalogue.channels))
    except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise ValueError(f"the catalogue cannot be stored: {error}") from error
    return zlib.compress(b"\n".join(lines), _COMPRESSION)


def _encode_head(catalogue: Catalogue) -> bytes:
    rest = {name: getattr(catalogue, name) for name in _NAMES}
    head = _encoder.encode(rest)
    whole = msgspec.json.decode(head, type=_Head)
    if any(getattr(whole, name) != value for name, value in rest.items()):
        raise ValueError(_OTHERWISE)
    return head


def _values_of(name: str, channels: Sequence[Channel]) -> Iterator[Any]:
    if name not in _FEATURE_COLUMNS:
        return (getattr(channel, name) for channel in channels)
    part = name.removeprefix(f"{_FEATURE}.")
    return (c.feature and getattr(c.feature, part) for c in channels)


def _encode_column(name: str, column: Iterable[Any]) -> Iterator[bytes]:
    """Yield a column's lines; raises ``ValueError`` where a value does not read back equal."""
    distinct: dict[bytes, int] = {}
    values: list[Any] = []
    place_of: dict[int, int] = {}  # by identity: most channels are made of the same objects
    places = []
    for value in column:
        place = place_of.get(id(value))
        if place is None:
            place = distinct.setdefault(_encoder.encode(value), len(distinct))
            if place == len(values):
                values.append(value)
            elif values[place] != value:
                raise ValueError(_OTHERWISE)
            place_of[id(value)] = place
        places.append(place)
    written = list(distinct)
    for begin in range(0, len(values), _LINE_VALUES):
        piece = b"[" + b",".join(written[begin : begin + _LINE_VALUES]) + b"]"
        if _decoders[name].decode(piece) != values[begin : begin + _LINE_VALUES]:
            raise ValueError(_OTHERWISE)
        yield _encoder.encode(_Line(name, values=msgspec.Raw(piece)))
    for begin in range(0, len(places), _LINE_VALUES):
        piece = _encoder.encode(places[begin : begin + _LINE_VALUES])
        yield _encoder.encode(_Line(name, places=msgspec.Raw(piece)))


def decode_catalogue(document: bytes) -> Catalogue:
    """Return the catalogue that ``encode_catalogue`` made ``document`` of, in this version or before.

    The cycle collector is held off meanwhile: it would go through a million new objects again and
    again, find nothing, and take two thirds of the time. Nor does it look at them later.
    """
    if not document.startswith(b"{"):  # as the first versions wrote it
        document = zlib.decompress(document)
    lines = document.split(b"\n")
    del document
    head = msgspec.json.decode(lines[0], type=_Head)
    with held_off():
        channels = _decode_channels(lines[1:]) if len(lines) > 1 else _one_by_one(lines[0])
        leave_what_is_there()
    return Catalogue(**{name: getattr(head, name) for name in _NAMES}, channels=channels)


def _decode_channels(lines: Iterable[bytes]) -> tuple[Channel, ...]:
    columns = _decode_columns(lines)
    count = len(columns["id"])
    features = _features(columns)
    parts = [
        features if field.name == _FEATURE else columns.get(field.name) or _default(field, count)
        for field in fields(Channel)
    ]
    return tuple([Channel(*values) for values in zip(*parts, strict=True)])


def _decode_columns(lines: Iterable[bytes]) -> Mapping[str, list[Any]]:
    """Return each column's values by channel; of a column that nobody knows any more, none."""
    values: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for text in lines:
        line = _line_decoder.decode(text)
        own = values.get(line.column)
        if own is None:
            continue
        own += _decoders[line.column].decode(line.values)
        columns[line.column] += [own[place] for place in _places_decoder.decode(line.places)]
    return columns


def _features(columns: Mapping[str, list[Any]]) -> list[Feature | None]:
    """Return the channels' features; an input is the very text that the channel has as its id."""
    ids = dict(zip(columns["id"], columns["id"], strict=True))
    parts = zip(*(columns[name] for name in _FEATURE_COLUMNS), strict=True)
    return [
        None if kind is None else Feature(kind, tuple([ids.get(i, i) for i in inputs]), parameters)
        for kind, inputs, parameters in parts
    ]


def _default(field: Field[Any], count: int) -> Iterable[Any]:
    """Return what channels say that were saved before there was such a field."""
    made = field.default if field.default_factory is MISSING else field.default_factory()
    return repeat(made, count)


def _one_by_one(document: bytes) -> tuple[Channel, ...]:
    """Return the channels of a catalogue as earlier versions wrote it: a list of objects."""
    decode = msgspec.json.Decoder(Channel).decode
    return tuple([decode(one) for one in msgspec.json.decode(document, type=_Whole).channels])


class _Whole(msgspec.Struct):
    channels: list[msgspec.Raw] = []
