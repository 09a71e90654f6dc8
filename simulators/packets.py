"""MQTT 3.1.1 by hand: the few packets that a sender of QoS 1 needs, as bytes.

A client library costs some 50 µs a message; a city's load is to cost the machine little beside the
service that it loads.
"""

import socket
import struct

PACKET_IDS = 65_535
DISCONNECT = b"\xe0\x00"
PING = b"\xc0\x00"
_ACCEPTED = b"\x20\x02\x00\x00"


class RefusedError(Exception):
    """The broker does not take the connection."""


def length(value: int) -> bytes:
    """Return a length as MQTT writes it: seven bits a byte, the lowest first."""
    encoded = b""
    while True:
        value, byte = value >> 7, value & 0x7F
        encoded += bytes([byte | 0x80 if value else byte])
        if not value:
            return encoded


def text(words: str) -> bytes:
    """Return a string with its length before it."""
    data = words.encode()
    return struct.pack("!H", len(data)) + data


def publish_packet(topic: bytes, payload: bytes, number: int) -> bytes:
    """Return a PUBLISH of QoS 1; ``topic`` is what ``text`` made of it, ``number`` counts from 0."""
    packet_id = struct.pack("!H", number % PACKET_IDS + 1)
    return b"".join([b"\x32", length(len(topic) + 2 + len(payload)), topic, packet_id, payload])


def connect_packet(
    client_id: str, user: str | None, password: str | None, keepalive_s: int
) -> bytes:
    """Return a CONNECT of a clean session."""
    flags = 0x02 | (0x80 if user else 0) | (0x40 if user and password else 0)
    body = text("MQTT") + bytes([4, flags]) + struct.pack("!H", keepalive_s) + text(client_id)
    if user:
        body += text(user) + (text(password) if password else b"")
    return b"\x10" + length(len(body)) + body


def connect(
    address: tuple[str, int],
    client_id: str,
    user: str | None = None,
    password: str | None = None,
    keepalive_s: int = 0,
    timeout_s: float = 10.0,
) -> socket.socket:
    """Return a socket that the broker has accepted; raises ``RefusedError`` or ``OSError``."""
    sock = socket.create_connection(address, timeout=timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(connect_packet(client_id, user, password, keepalive_s))
    answer = b""
    while len(answer) < len(_ACCEPTED):
        part = sock.recv(len(_ACCEPTED) - len(answer))
        if not part:
            break
        answer += part
    if answer != _ACCEPTED:
        sock.close()
        who = f"user {user}" if user else "no user"
        raise RefusedError(f"the broker does not take {client_id} ({who})")
    return sock
