"""Format ``block``: CBOR ``{"n": name, "t0": ns, "dt": ns, "v": samples}``, or a list of these.

Samples are a typed array (RFC 8746) or a list of numbers and bools; sample i has the event time
``t0 + i * dt``. The form for waveforms: a block stays an array from the wire to the core.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import numpy as np
import numpy.typing as npt

from domain.accounting import Reason
from domain.readings import Float64s
from domain.time import TIME_NS_MAX, TIME_NS_MIN
from ingest.wire.decoded import PAYLOAD_BYTES_MAX, Block, Decoded, describe, name_fault

_DEPTH_MAX = 16
_HOMOGENEOUS_ARRAY = 41
# cbor2 makes what stands within a tag immutable.
_MAPS = (dict, cbor2.frozendict)
_LISTS = (list, tuple)
_ARRAY_OF_TWO = b"\x82"
_END = 0x4C4946454C494E45
_END_MARK = b"\x1b" + _END.to_bytes(8, "big")
_INTEGER_LIMIT = 1 << 63
_NUMBERS = frozenset((int, float, bool))

# RFC 8746, section 2.1: the tag spells kind, sign, byte order and width. 76 is reserved, and 83
# and 87 (binary128) are numbers that a float64 does not hold: they are refused.
_DTYPES: dict[int, np.dtype[Any]] = {
    tag: np.dtype(code)
    for tag, code in {
        64: "u1", 65: ">u2", 66: ">u4", 67: ">u8", 68: "u1", 69: "<u2", 70: "<u4", 71: "<u8",
        72: "i1", 73: ">i2", 74: ">i4", 75: ">i8", 77: "<i2", 78: "<i4", 79: "<i8",
        80: ">f2", 81: ">f4", 82: ">f8", 84: "<f2", 85: "<f4", 86: "<f8",
    }.items()
}  # fmt: skip
_BINARY128 = (83, 87)
_TAG_BY_DTYPE = {dtype.str: tag for tag, dtype in _DTYPES.items() if tag != 68}


class _Foreign:
    """Stands for a tagged item that has no business in a block."""


def _refuse_tag(_value: object, _immutable: bool) -> _Foreign:
    return _FOREIGN


# Dates, decimals, regular expressions, mail: none is a sample, and some are costly to build. Shared
# items (28, 29) and shared strings (25, 256) let a small payload stand for a huge or endless one.
_FOREIGN = _Foreign()
_SEMANTIC = dict.fromkeys(
    (0, 1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000),
    _refuse_tag,
)


def decode(payload: bytes, _received_ns: int, _zone: ZoneInfo | None) -> Decoded:
    """Decode one payload; total. Blocks always have times of their own."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return Decoded.failed(Reason.OVERSIZE, f"{len(payload)} bytes, at most 1 MiB")
    try:
        message = _load(payload)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        return Decoded.failed(Reason.SYNTAX, f"not CBOR: {str(error)[:160]}")
    if isinstance(message, _MAPS) and "v" in message:
        message = [message]
    if not isinstance(message, _LISTS):
        return Decoded.failed(Reason.STRUCTURE, "not {n, t0, dt, v}, nor a list of these")
    decoded = Decoded()
    for item in message:
        if isinstance(item, _MAPS) and "v" in item:
            _take_block(decoded, item)
        else:
            decoded.refuse(Reason.STRUCTURE, "an item of the list is not {n, t0, dt, v}")
    return decoded


def _load(payload: bytes) -> Any:
    """Return the one item of ``payload``; raises for anything that is not exactly one.

    cbor2 says nothing of bytes after the item, where a second block might stand. So the payload is
    read as the first of two items of an array, and what follows it must be our own mark.
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


def _take_block(decoded: Decoded, item: Mapping[object, Any]) -> None:
    name = item.get("n")
    shown = name if isinstance(name, str) else ""
    samples = _read_samples(decoded, item["v"], shown)
    if samples is None:
        return
    fault = name_fault(name)
    if fault:
        decoded.refuse(Reason.NAME, fault, shown, len(samples.value))
        return
    t0_ns, dt_ns = _whole(item.get("t0")), _whole(item.get("dt"))
    if "dt" not in item and len(samples.value) <= 1:
        dt_ns = 1  # one sample needs no interval
    if t0_ns is None or dt_ns is None or dt_ns <= 0:
        detail = "t0 and dt must be whole nanoseconds within 64 bits, dt at least 1"
        decoded.refuse(Reason.TIME, detail, shown, len(samples.value))
        return
    _take_samples(decoded, shown, t0_ns, dt_ns, samples)


@dataclass(slots=True)
class _Samples:
    """``value`` as float64; ``finite`` marks the finite ones (``None``: all of them are).

    ``foreign`` marks those that were no numbers (``None``: none); they are not finite, either.
    """

    value: Float64s
    finite: npt.NDArray[np.bool_] | None = None
    foreign: npt.NDArray[np.bool_] | None = None

    def cut(self, first: int, end: int) -> "_Samples":
        """Return the samples from ``first`` to before ``end``."""
        finite = None if self.finite is None else self.finite[first:end]
        foreign = None if self.foreign is None else self.foreign[first:end]
        return _Samples(self.value[first:end], finite, foreign)


def _take_samples(decoded: Decoded, name: str, t0_ns: int, dt_ns: int, samples: _Samples) -> None:
    """Take the sound samples that lie within the years 1970 to 2261, refuse the others."""
    count = len(samples.value)
    if t0_ns < TIME_NS_MIN or t0_ns + dt_ns * (count - 1) > TIME_NS_MAX:
        first = min(count, max(0, -((t0_ns - TIME_NS_MIN) // dt_ns)))
        end = max(first, min(count, (TIME_NS_MAX - t0_ns) // dt_ns + 1))
        detail = "time out of the years 1970 to 2261"
        decoded.refuse(Reason.TIME, detail, name, count - (end - first))
        samples, count, t0_ns = samples.cut(first, end), end - first, t0_ns + first * dt_ns
    if count == 0:
        return
    if count == 1:
        dt_ns = 1  # it may be larger than int64 bears on top of t0
    time_ns = np.arange(t0_ns, t0_ns + dt_ns * (count - 1) + 1, dt_ns, dtype=np.int64)
    value = samples.value
    if samples.finite is not None:
        refused = count - int(np.count_nonzero(samples.finite))
        foreign = 0 if samples.foreign is None else int(np.count_nonzero(samples.foreign))
        decoded.refuse(Reason.VALUE_TYPE, "a sample is a number or a bool", name, foreign)
        decoded.refuse(Reason.NOT_FINITE, "a sample must be finite", name, refused - foreign)
        if refused == count:
            return
        time_ns, value = time_ns[samples.finite], value[samples.finite]
    decoded.blocks.append(Block(name, time_ns, value))


def _read_samples(decoded: Decoded, value: Any, name: str) -> _Samples | None:
    """Return the samples; ``None`` where they were refused as a whole."""
    if isinstance(value, cbor2.CBORTag):
        if value.tag != _HOMOGENEOUS_ARRAY:
            return _read_typed_array(decoded, value.tag, value.value, name)
        value = value.value
    if isinstance(value, _LISTS):
        return _read_list(value)
    detail = f"v is a typed array or a list, not {describe(value)}"
    decoded.refuse(Reason.VALUE_TYPE, detail, name)
    return None


def _read_typed_array(decoded: Decoded, tag: int, content: Any, name: str) -> _Samples | None:
    dtype = _DTYPES.get(tag)
    if dtype is None or not isinstance(content, bytes):
        wide = tag in _BINARY128 and isinstance(content, bytes)
        detail = f"tag {tag} is not an array of integers or floats up to 64 bits"
        count = max(1, len(content) // 16) if wide else 1
        decoded.refuse(Reason.VALUE_TYPE, detail, name, count)
        return None
    if len(content) % dtype.itemsize:
        detail = f"{len(content)} bytes are not whole samples of {dtype.itemsize}"
        decoded.refuse(Reason.STRUCTURE, detail, name, len(content) // dtype.itemsize + 1)
        return None
    raw = np.frombuffer(content, dtype)
    if dtype.kind == "f":
        finite = np.isfinite(raw)
        if np.count_nonzero(finite) < len(raw):
            with np.errstate(invalid="ignore"):  # widening a signalling NaN is no surprise here
                return _Samples(raw.astype(np.float64), finite)
    return _Samples(raw.astype(np.float64))


def _read_list(items: Sequence[Any]) -> _Samples:
    foreign = None
    if not all(type(item) in _NUMBERS for item in items):
        foreign = np.array([type(item) not in _NUMBERS for item in items])
        items = [item if type(item) in _NUMBERS else math.nan for item in items]
    value = np.fromiter(map(_as_float, items), np.float64, len(items))
    finite = np.isfinite(value)
    return _Samples(value, None if finite.all() else finite, foreign)


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _whole(number: object) -> int | None:
    """Return an integer of at most 64 bits, ``None`` for anything else."""
    if type(number) is float and number.is_integer():  # JavaScript writes large integers so
        number = int(number)
    if type(number) is int and -_INTEGER_LIMIT <= number < _INTEGER_LIMIT:
        return number
    return None


def encode(name: str, t0_ns: int, dt_ns: int, samples: npt.ArrayLike) -> bytes:
    """Return the payload of one block; an array's own type goes on the wire, a list's is float64."""
    return cbor2.dumps(_item(name, t0_ns, dt_ns, samples))


def encode_many(blocks: Iterable[tuple[str, int, int, npt.ArrayLike]]) -> bytes:
    """Return the payload of several blocks (name, t0_ns, dt_ns, samples)."""
    return cbor2.dumps([_item(*each) for each in blocks])


def _item(name: str, t0_ns: int, dt_ns: int, samples: npt.ArrayLike) -> dict[str, Any]:
    array = np.asarray(samples)
    tag = _TAG_BY_DTYPE.get(array.dtype.newbyteorder("=").str) or _TAG_BY_DTYPE.get(array.dtype.str)
    if tag is None:
        array = array.astype("<f8")
        tag = _TAG_BY_DTYPE["<f8"]
    values = cbor2.CBORTag(tag, array.astype(_DTYPES[tag], copy=False).tobytes())
    return {"n": name, "t0": int(t0_ns), "dt": int(dt_ns), "v": values}
