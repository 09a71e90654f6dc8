"""Readings as InfluxDB's line protocol: what a line says, and many of them at once.

A reading is one point of the measurement ``reading``: its channel as a tag, the fields ``value`` and
``quality``. A later line of the same channel and time replaces the fields that it has, and leaves
others as they are; so the quality itself must say whether the value counts.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.grade import Quality
from domain.readings import Float64s, Int64s, Readings, UInt8s
from storage.archive.line_pass import LINE_BYTES_MAX, POWERS, SLACK, write_lines

MEASUREMENT = "reading"
UNUSUAL = 256
"""Added to the quality where it does not go with the value: missing and yet with a value, or of
another quality and without one. Without it, quality 9 means no value, and all others one."""
TAG_BYTES_MAX = 1024  # a key of InfluxDB holds 65,535

_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})


def quality_code(value: float, quality: int) -> int:
    """Return what the field ``quality`` says.

    >>> quality_code(1.5, 1), quality_code(math.nan, 9), quality_code(1.5, 9)
    (1, 9, 265)
    """
    usual = math.isfinite(value) == (quality != Quality.MISSING)
    return quality if usual else quality + UNUSUAL


def float_text(value: float) -> str:
    """Return the shortest text that reads back as the same float.

    >>> float_text(21.5), float_text(5.0), float_text(-0.0), float_text(1e22)
    ('21.5', '5', '-0', '1e+22')
    """
    return repr(value).removesuffix(".0")


def tag_text(channel_id: str) -> str:
    """Return a channel's id as a tag value; raises ``ValueError`` where it cannot be one."""
    if not channel_id or channel_id.endswith("\\") or not channel_id.isprintable():
        raise ValueError(
            f"the channel id {channel_id!r} cannot be a tag of InfluxDB: it must not be empty, nor "
            "end with a backslash, nor hold line ends or other control characters"
        )
    if len(channel_id.encode()) > TAG_BYTES_MAX:
        raise ValueError(f"a channel id of more than {TAG_BYTES_MAX} bytes in UTF-8")
    return channel_id.translate(_ESCAPES)


def prefix_of(channel_id: str) -> bytes:
    """Return what every line of a channel begins with."""
    return f"{MEASUREMENT},channel={tag_text(channel_id)} ".encode()


def line_of(channel_id: str, time_ns: int, value: float, quality: int) -> bytes:
    r"""Return one reading as a line: the readable twin of the compiled pass.

    >>> line_of("bridge/north", 1_000_000_000, 21.5, 1)
    b'reading,channel=bridge/north value=21.5,quality=1i 1000000000\n'
    """
    fields = f"value={float_text(value)}," if math.isfinite(value) else ""
    fields += f"quality={quality_code(value, quality)}i"
    return prefix_of(channel_id) + f"{fields} {time_ns}\n".encode()


def _tails() -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return what follows the word ``quality``, for each number, as words and their lengths."""
    texts = [f"={code}i ".encode() for code in range(UNUSUAL + 256)]
    words = [int.from_bytes(text.ljust(8, b"\0"), "little") for text in texts]
    return np.array(words, np.uint64), np.array([len(text) for text in texts], np.int64)


_TAILS, _TAIL_LENGTHS = _tails()


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings as columns of one length; ``channel`` counts in the ``channel_ids`` beside it."""

    channel_ids: tuple[str, ...]
    channel: npt.NDArray[np.int32]
    time_ns: Int64s
    value: Float64s
    quality: UInt8s

    def __len__(self) -> int:
        return len(self.channel)

    def part(self, wanted: slice | npt.NDArray[np.intp]) -> "Columns":
        """Return some of the readings."""
        return Columns(
            self.channel_ids,
            self.channel[wanted],
            self.time_ns[wanted],
            self.value[wanted],
            self.quality[wanted],
        )


def warm_up() -> None:
    """Have the pass compiled, or read from disk, now: the first time it takes many seconds."""
    columns = (np.zeros(1, np.int32), np.zeros(1, np.int64), np.ones(1), np.ones(1, np.uint8))
    Encoder(("x",)).encode(Columns(("x",), *columns), 0, 1)


def joined(readings: Sequence[Readings]) -> Iterator[Columns]:
    """Yield the readings in their order, those of the same channel list that follow as one."""
    run: list[Readings] = []
    for each in readings:
        if run and each.channel_ids is not run[-1].channel_ids:
            yield _join(run)
            run = []
        if len(each):
            run.append(each)
    if run:
        yield _join(run)


def _join(run: list[Readings]) -> Columns:
    return Columns(
        run[0].channel_ids,
        np.concatenate([each.channel for each in run]).astype(np.int32, copy=False),
        np.concatenate([each.time_ns for each in run]),
        np.concatenate([each.value for each in run]),
        np.concatenate([each.quality for each in run]),
    )


class Encoder:
    """Writes lines of the channels of one list, whose names are escaped once."""

    def __init__(self, channel_ids: tuple[str, ...]) -> None:
        self.channel_ids = channel_ids
        self.unfit: dict[int, str] = {}  # channels that cannot be written, and why
        prefixes = [self._prefix(index, each) for index, each in enumerate(channel_ids)]
        self._starts = np.zeros(len(prefixes) + 1, np.int64)
        np.cumsum([len(prefix) for prefix in prefixes], out=self._starts[1:])
        self._length_max = max(map(len, prefixes), default=0) + LINE_BYTES_MAX
        self._room = np.empty(0, np.uint8)
        text = b"".join(prefixes) + bytes(SLACK)
        self._prefixes = np.frombuffer(text, np.uint8).copy()

    def _prefix(self, index: int, channel_id: str) -> bytes:
        try:
            return prefix_of(channel_id)
        except ValueError as error:
            self.unfit[index] = str(error)
            return b""

    def encode(self, columns: Columns, begin: int, end: int) -> bytes:
        """Return readings ``begin`` to ``end`` as lines; none of them may be of an unfit channel."""
        size_max = (end - begin) * self._length_max + SLACK
        if len(self._room) < size_max:
            self._room = np.empty(size_max, np.uint8)  # kept: fresh pages cost as much as the lines
        size = write_lines(
            self._prefixes, self._starts, _TAILS, _TAIL_LENGTHS, POWERS,
            columns.channel, columns.time_ns, columns.value, columns.quality, begin, end, self._room,
        )  # fmt: skip
        return self._room[:size].tobytes()
