"""Records to bytes and back: the inside of one journal block.

Frames lie as columns (a dictionary of topics, then numbers, then all payloads end to end), because
building 25,000 frames a second one field at a time would cost more than everything else in a read.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from domain.accounting import Reason
from domain.journal import CatalogueChange, Command, Frame, Record, Refusal, Tick
from storage.journal.errors import JournalError

ROWS_MAX = 50_000  # of one block, and of one ``Rows`` that a reader is given
BYTES_MAX = 4 * 1024 * 1024  # likewise; a single record may be larger
RECORD_BYTES_MAX = 16 * 1024 * 1024

_FRAME, _TICK, _COMMAND, _CATALOGUE, _REFUSAL = range(5)


class _Block(msgspec.Struct, array_like=True, frozen=True):
    """``kinds`` has one byte a record and is empty where all are frames; ``others`` are the rest."""

    kinds: bytes
    topics: list[str]
    topic: bytes
    received_ns: bytes
    redelivered: bytes
    lengths: bytes
    payloads: bytes
    others: list[list[Any]]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Block)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Records and the bytes that they become."""

    records: list[Record]
    payload: bytes


def encode(records: Sequence[Record]) -> list[Encoded]:
    """Return ``records`` as blocks of at most 4 MiB or 50,000 rows (one larger record is its own).

    Raises ``JournalError`` for a record that cannot be written, before anything is.
    """
    try:
        blocks = [Encoded(run, _encode_run(run)) for run in _runs(records)]
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise JournalError(f"not a record of the journal: {error}", permanent=True) from error
    for block in blocks:
        if len(block.payload) > RECORD_BYTES_MAX:
            raise JournalError(
                f"a record of {len(block.payload)} bytes; the most is {RECORD_BYTES_MAX}",
                permanent=True,
            )
    return blocks


def _runs(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Cut ``records`` where a block would grow beyond its bounds."""
    run: list[Record] = []
    size = 0
    for record in records:
        more = len(record.payload) + len(record.topic) + 32 if isinstance(record, Frame) else 64
        if run and (size + more > BYTES_MAX or len(run) == ROWS_MAX):
            yield run
            run, size = [], 0
        run.append(record)
        size += more
    if run:
        yield run


def _encode_run(records: list[Record]) -> bytes:
    frames = [record for record in records if isinstance(record, Frame)]
    number = {topic: n for n, topic in enumerate(dict.fromkeys(f.topic for f in frames))}
    count = len(frames)
    mixed = count < len(records)
    others = [_fields(record) for record in records if not isinstance(record, Frame)]
    return _encoder.encode(
        _Block(
            kinds=bytes(map(_kind, records)) if mixed else b"",
            topics=list(number),
            topic=struct.pack(f"<{count}I", *[number[f.topic] for f in frames]),
            received_ns=struct.pack(f"<{count}q", *[f.received_ns for f in frames]),
            redelivered=bytes([f.redelivered for f in frames]),
            lengths=struct.pack(f"<{count}I", *[len(f.payload) for f in frames]),
            payloads=b"".join([f.payload for f in frames]),
            others=others,
        )
    )


def _kind(record: Record) -> int:
    match record:
        case Frame():
            return _FRAME
        case Tick():
            return _TICK
        case Command():
            return _COMMAND
        case CatalogueChange():
            return _CATALOGUE
        case Refusal():
            return _REFUSAL


def _fields(record: Record) -> list[Any]:
    match record:
        case Tick():
            return [record.now_ns, record.elapsed_ns, record.broker_connected]
        case Command():
            identity = [record.command_id, record.verb]
            return [*identity, record.arguments, record.author, record.now_ns]
        case CatalogueChange():
            return [record.revision, record.now_ns]
        case Refusal():
            counts = [record.frames, record.bytes, record.now_ns]
            return [record.gateway, record.reason.value, *counts]
        case _:
            raise TypeError(f"a {type(record).__name__}")


def decode(payload: bytes | memoryview) -> list[Record]:
    """Return the records of a block; raises ``ValueError`` where these bytes are not one."""
    try:
        block = _decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    frames = _frames(block)
    if not block.kinds:
        return list(frames)
    others = iter(block.others)
    kinds: dict[int, Callable[..., Record]] = {
        _TICK: Tick,
        _COMMAND: Command,
        _CATALOGUE: CatalogueChange,
        _REFUSAL: _refusal,
    }
    return [next(frames) if kind == _FRAME else kinds[kind](*next(others)) for kind in block.kinds]


def _refusal(gateway: str, reason: str, frames: int, size: int, now_ns: int) -> Refusal:
    return Refusal(gateway, Reason(reason), frames, size, now_ns)


def _frames(block: _Block) -> Iterator[Frame]:
    count = len(block.redelivered)
    lengths = struct.unpack(f"<{count}I", block.lengths)
    topics = [block.topics[n] for n in struct.unpack(f"<{count}I", block.topic)]
    payloads = [block.payloads[a:b] for a, b in pairwise(accumulate(lengths, initial=0))]
    received_ns = struct.unpack(f"<{count}q", block.received_ns)
    return map(Frame, topics, payloads, received_ns, map(bool, block.redelivered))
