"""Misbehaviour of firmware: payloads that are cut short, or say nonsense.

``nonsense(world, kind, …)`` changes the messages' bytes by one of ``NONSENSE``; times of sending and
topics stay.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cbor2
import msgspec
import numpy as np

from simulators.course import NEVER, Occasion
from simulators.faults.instruments import lasts
from simulators.feed import Message
from simulators.noise import key_of, uniform
from simulators.payload import FLOAT32_LITTLE_ENDIAN
from simulators.world import World

Garble = Callable[[bytes], bytes]

_NUMBER = re.compile(rb'(":)(-?\d+(?:\.\d+)?(?:e-?\d+)?)(?=[,}])')
_VALUES = re.compile(rb'"values":\{[^}]*\}')


@dataclass(frozen=True, slots=True)
class Garbled:
    """A world whose payloads are changed: ``payload(message)`` is what is sent instead."""

    world: World
    payload: Callable[[Message], bytes]

    def messages(self, start_ns: int, end_ns: int, batch_s: float = 0.0) -> Iterator[Message]:
        """Yield what is sent in the span (see ``World``)."""
        for message in self.world.messages(start_ns, end_ns, batch_s):
            yield replace(message, payload=self.payload(message))


def half_written(world: World, seed: int, share: float) -> Garbled:
    """Return a world that cuts a ``share`` of its payloads, at any byte."""

    def payload(message: Message) -> bytes:
        key = key_of(seed, "half", message.gateway, message.format)
        which, place = uniform(key, np.array([2, 3]) * (message.time_ns // 1000)).tolist()
        return (
            message.payload[: int(place * len(message.payload))]
            if which < share
            else message.payload
        )

    return Garbled(world, payload)


def nonsense(world: World, kind: str, occasion: Occasion, length_s: float) -> Garbled:
    """Return a world whose firmware sends ``NONSENSE[kind]`` for ``length_s``."""
    garble = NONSENSE[kind]

    def payload(message: Message) -> bytes:
        since, where = lasts(occasion, length_s, np.array([message.time_ns]))
        garbled = len(where) > 0 and since[0] != NEVER
        return garble(message.payload) if garbled else message.payload

    return Garbled(world, payload)


def _in_values(payload: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change each number within ``values``, and leave times alone."""

    def inside(found: re.Match[bytes]) -> bytes:
        return _NUMBER.sub(lambda number: number[1] + change(number[2]), found[0])

    return _VALUES.sub(inside, payload)


def _renamed(payload: bytes) -> bytes:
    return _VALUES.sub(lambda found: re.sub(rb'"(\w+)":(?!\{)', rb'"ch_\1":', found[0]), payload)


def _thousandfold(payload: bytes) -> bytes:
    return _in_values(payload, lambda number: b"%.10g" % (1000.0 * float(number)))


def _swapped(payload: bytes) -> bytes:
    """Turn the bytes of each number round: of a block's samples, of a json's numbers as float32."""
    if payload[:1] in (b"{", b"["):

        def turned(number: bytes) -> bytes:
            value = np.array([float(number)], "<f4").view(">f4")[0]
            return msgspec.json.encode(float(value) if np.isfinite(value) else None)

        return _in_values(payload, turned)
    block = cbor2.loads(payload)
    samples = np.frombuffer(block["v"].value, "<f4").astype(">f4").tobytes()
    return cbor2.dumps({**block, "v": cbor2.CBORTag(FLOAT32_LITTLE_ENDIAN, samples)})


NONSENSE: dict[str, Garble] = {
    "numbers as text": lambda payload: _in_values(payload, lambda number: b'"%s"' % number),
    "NaN": lambda payload: _in_values(payload, lambda _number: b"NaN"),
    "null": lambda payload: _in_values(payload, lambda _number: b"null"),
    "thousandfold": _thousandfold,
    "byte order": _swapped,
    "renamed": _renamed,
    "doubled commas": lambda payload: payload.replace(b",", b",,"),
    "byte order mark": lambda payload: b"\xef\xbb\xbf" + payload,
}
"""What firmware does to payloads, by name."""
