"""Snapshots of the evaluator on disk: written beside, renamed, checked when read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import structlog
import xxhash

MAGIC = b"LLSNAP1\n"
ARRAY_CODE = 1
KEPT_MIN = 2
APART_BYTES = 1 << 16  # a larger array is a piece of its own
LIST_ITEMS = 10_000  # of a longer list so many at a time
_SHORT_LIST, _LIST_HEAD = 15, 3  # MessagePack: up to 15 items the header is one byte, then three

Piece = bytes | memoryview

log = structlog.get_logger(__name__)


def encode(snapshot: dict[str, Any]) -> bytes:
    """Return a snapshot of plain values and numpy arrays as checked bytes."""
    return b"".join(encode_parts(snapshot))


def encode_parts(snapshot: dict[str, Any]) -> list[Piece]:
    """Return the bytes of ``encode`` in pieces, the arrays as they lie in memory.

    A city's snapshot is 200 MB. Put together in one call, copy by copy, it would hold the
    interpreter's lock for half a second, and every alarm with it.
    """
    pieces: list[Piece] = []
    _pack(snapshot, pieces)
    digest = xxhash.xxh3_64()
    for piece in pieces:
        digest.update(piece)
    return [MAGIC, digest.digest(), *pieces]


def _pack(value: object, pieces: list[Piece]) -> None:
    """Append ``value`` as MessagePack: containers by hand, so that what is large stays apart."""
    if isinstance(value, dict):
        pieces.append(b"\xdf" + len(value).to_bytes(4, "big"))
        for key, inner in value.items():
            pieces.append(_encoder.encode(key))
            _pack(inner, pieces)
    elif isinstance(value, np.ndarray) and value.nbytes > APART_BYTES:
        _pack_array(value, pieces)
    elif isinstance(value, list | tuple) and _holds_arrays(value):
        pieces.append(b"\xdd" + len(value).to_bytes(4, "big"))
        for inner in value:
            _pack(inner, pieces)
    elif isinstance(value, list | tuple) and len(value) > LIST_ITEMS:
        pieces.append(b"\xdd" + len(value).to_bytes(4, "big"))
        for place in range(0, len(value), LIST_ITEMS):
            some = value[place : place + LIST_ITEMS]
            head = (
                _LIST_HEAD if len(some) > _SHORT_LIST else 1
            )  # the header of these few is left out
            pieces.append(memoryview(_encoder.encode(some))[head:])
    else:
        pieces.append(_encoder.encode(value))


def _holds_arrays(value: Sequence[object]) -> bool:
    return 0 < len(value) <= LIST_ITEMS and isinstance(value[0], dict | np.ndarray)


def _pack_array(value: npt.NDArray[Any], pieces: list[Piece]) -> None:
    """Append what ``_encode_array`` makes of an array, without copying its numbers."""
    flat = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    data = memoryview(flat)  # type: ignore[arg-type]  # arrays are buffers
    head = b"\x92" + _encoder.encode(_header(value)) + b"\xc6" + len(data).to_bytes(4, "big")
    size = len(head) + len(data)
    if size >= 1 << 32:
        raise TypeError("a snapshot cannot hold an array of 4 GiB")
    pieces.append(b"\xc9" + size.to_bytes(4, "big") + bytes([ARRAY_CODE]) + head)
    pieces.append(data)


def decode(data: bytes) -> dict[str, Any]:
    """Return the snapshot; raises ``ValueError`` where the bytes are not what was written."""
    body = data[len(MAGIC) + 8 :]
    if not data.startswith(MAGIC) or xxhash.xxh3_64_digest(body) != data[len(MAGIC) :][:8]:
        raise ValueError("not a whole snapshot")
    snapshot: dict[str, Any] = msgspec.msgpack.decode(body, ext_hook=_decode_array)
    return snapshot


def _encode_array(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a snapshot cannot hold {type(value).__name__}")
    data = np.ascontiguousarray(value).tobytes()
    return msgspec.msgpack.Ext(ARRAY_CODE, msgspec.msgpack.encode([_header(value), data]))


def _header(value: npt.NDArray[Any]) -> list[Any]:
    return [msgspec.json.encode(np.lib.format.dtype_to_descr(value.dtype)), list(value.shape)]


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array)


def _decode_array(code: int, data: memoryview) -> object:
    if code != ARRAY_CODE:
        raise ValueError(f"unknown extension {code}")
    (descr, shape), values = msgspec.msgpack.decode(data)
    dtype = np.lib.format.descr_to_dtype(_as_descr(msgspec.json.decode(descr)))
    return np.frombuffer(values, dtype=dtype).reshape(shape).copy()


def _as_descr(descr: Any) -> Any:
    if isinstance(descr, str):
        return descr
    fields = []
    for name, kind, *shape in descr:
        fields.append((name, _as_descr(kind), *(tuple(part) for part in shape)))
    return fields


class Snapshots(Protocol):
    """Where snapshots are kept, by the journal row they stand at. All of it blocks."""

    def oldest(self) -> int:
        """Return the row of the oldest snapshot; 0 where there is none."""
        ...

    def write(self, snapshot: dict[str, Any]) -> None:
        """Write a snapshot durably under its ``seq``."""
        ...

    def newest(self, seq_max: int) -> Iterator[dict[str, Any]]:
        """Yield the readable snapshots at or before row ``seq_max``, the newest first."""
        ...

    def retire(self, seq_needed: int) -> int:
        """Remove what is not needed; return the oldest row still to be kept for."""
        ...


class SnapshotFolder:
    """The snapshots of one service, named by the journal row they stand at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("*.part"):  # by a kill in the middle of writing
            left.unlink()

    def _seqs(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.snapshot"))

    def _path(self, seq: int) -> Path:
        return self._folder / f"{seq:020d}.snapshot"

    def oldest(self) -> int:
        """Return the row of the oldest snapshot; 0 where there is none."""
        return next(iter(self._seqs()), 0)

    def write(self, snapshot: dict[str, Any]) -> None:
        """Write a snapshot durably under its ``seq``."""
        path = self._path(int(snapshot["seq"]))
        beside = path.with_suffix(".part")
        pieces = encode_parts(snapshot)
        try:
            with beside.open("wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            beside.unlink(missing_ok=True)  # on a full disk it must not take what room there is
            raise
        beside.replace(path)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def newest(self, seq_max: int) -> Iterator[dict[str, Any]]:
        """Yield the readable snapshots at or before row ``seq_max``, the newest first."""
        for seq in reversed(self._seqs()):
            if seq > seq_max:
                continue
            try:
                yield decode(self._path(seq).read_bytes())
            except (ValueError, msgspec.DecodeError, OSError) as error:
                log.error("snapshot unreadable, taking the one before", seq=seq, error=str(error))

    def retire(self, seq_needed: int) -> int:
        """Remove snapshots no longer needed, and return the oldest row still to be kept for.

        Kept are the newest two at or before ``seq_needed`` (the second for the case that the first
        cannot be read) and all later ones. Returns 0 where there is no second: what then stands in
        for it is the journal from its first row.
        """
        seqs = self._seqs()
        usable = [seq for seq in seqs if seq <= seq_needed]
        for seq in usable[:-KEPT_MIN]:
            self._path(seq).unlink(missing_ok=True)
        return usable[-KEPT_MIN] if len(usable) >= KEPT_MIN else 0
