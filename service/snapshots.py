"""Snapshots of the evaluator on disk: written beside, renamed, checked when read."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import structlog
import xxhash

MAGIC = b"LLSNAP1\n"
ARRAY_CODE = 1
KEPT_MIN = 2

log = structlog.get_logger(__name__)


def encode(snapshot: dict[str, Any]) -> bytes:
    """Return a snapshot of plain values and numpy arrays as checked bytes."""
    body = msgspec.msgpack.encode(snapshot, enc_hook=_encode_array)
    return MAGIC + xxhash.xxh3_64_digest(body) + body


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
    header = [msgspec.json.encode(np.lib.format.dtype_to_descr(value.dtype)), list(value.shape)]
    data = np.ascontiguousarray(value).tobytes()
    return msgspec.msgpack.Ext(ARRAY_CODE, msgspec.msgpack.encode([header, data]))


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
        data = encode(snapshot)
        try:
            with beside.open("wb") as file:
                file.write(data)
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
