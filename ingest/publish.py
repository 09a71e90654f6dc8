"""MQTT's PUBLISH packet, read from a buffer (MQTT 5.0 and 3.1.1, section 3.3)."""

from typing import NamedTuple

PUBLISH = 0x30
_DUP, _QOS_2, _QOS_1 = 0x08, 0x04, 0x02


class Publish(NamedTuple):
    """A PUBLISH packet; ``packet_id`` is ``None`` at QoS 0, ``end`` the place behind it."""

    topic: bytes
    payload: bytes
    packet_id: int | None
    duplicate: bool
    end: int


def parse_publish(buffer: bytes, start: int, *, has_properties: bool) -> Publish | None:
    """Read the PUBLISH packet at ``start``; ``None`` where there is none that is whole and sound.

    Properties, which MQTT 5 has, are skipped: none of them means anything here (there are no topic
    aliases where none were allowed). QoS 2 is left to the caller: we never subscribe to it.
    """
    command = buffer[start] if start < len(buffer) else 0
    if command & 0xF0 != PUBLISH or command & _QOS_2:
        return None
    length, at = read_length(buffer, start + 1)
    end = at + length
    if length < 3 or end > len(buffer):
        return None
    topic_start = at + 2
    at = topic_start + (buffer[at] << 8 | buffer[at + 1])
    topic = buffer[topic_start:at]
    packet_id = None
    if command & _QOS_1:
        packet_id = int.from_bytes(buffer[at : at + 2], "big")
        at += 2
    if has_properties:
        properties_length, at = read_length(buffer, at)
        if properties_length < 0:
            return None
        at += properties_length
    if at > end or not topic:
        return None
    return Publish(topic, buffer[at:end], packet_id, bool(command & _DUP), end)


def read_length(buffer: bytes, at: int) -> tuple[int, int]:
    """Read a variable byte integer; return it and the place behind it, -1 where it is not whole."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(buffer):
            break
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return -1, at
