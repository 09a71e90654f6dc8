"""MQTT by hand: prebuilt packets over a bare socket, so that the sender is not what is measured."""

import multiprocessing
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

IN_FLIGHT_MAX = 4_000  # sent and not yet settled by the broker
SEND_BYTES = 1 << 17
_PACKET_IDS = 65_535
_STUCK_S = 60.0


def _length(value: int) -> bytes:
    encoded = b""
    while True:
        value, byte = value >> 7, value & 0x7F
        encoded += bytes([byte | 0x80 if value else byte])
        if not value:
            return encoded


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def publish_packet(topic: str, payload: bytes, number: int) -> bytes:
    """Return a PUBLISH packet of QoS 1 (MQTT 3.1.1); ``number`` counts the messages from 0."""
    body = _text(topic) + struct.pack("!H", number % _PACKET_IDS + 1) + payload
    return b"\x32" + _length(len(body)) + body


def connect(port: int, client_id: str) -> socket.socket:
    """Return a socket that a broker on loopback has accepted as an MQTT 3.1.1 client."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = _text("MQTT") + b"\x04\x02\x00\x00" + _text(client_id)
    sock.sendall(b"\x10" + _length(len(body)) + body)
    if sock.recv(4) != b"\x20\x02\x00\x00":
        raise RuntimeError("the broker refuses the connection")
    return sock


@dataclass(frozen=True, slots=True)
class SendingTimes:
    """When a load was sent, by the monotonic clock that all processes of a machine share."""

    first_s: float
    last_s: float


class Sender:
    """A process that builds its packets, waits for the word, sends them, and ends by itself.

    ``messages()`` gives (topic, payload) and must be picklable. ``rate`` is messages a second, 0 as
    fast as the broker takes them.
    """

    def __init__(
        self, port: int, messages: Callable[[], Iterable[tuple[str, bytes]]], rate: float = 0.0
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process: Any = context.Process(
            target=_send, args=(port, messages, rate, theirs), daemon=True
        )
        self._process.start()
        theirs.close()

    def ready(self) -> None:
        """Wait until the packets are built."""
        self._ours.recv()

    def start(self) -> None:
        """Send."""
        self._ours.send("go")

    def result(self) -> SendingTimes:
        """Wait until everything is sent and settled by the broker."""
        times: SendingTimes = self._ours.recv()
        self._process.join()
        return times

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()


def _send(
    port: int,
    messages: Callable[[], Iterable[tuple[str, bytes]]],
    rate: float,
    pipe: Connection,
) -> None:
    packets = [publish_packet(topic, data, n) for n, (topic, data) in enumerate(messages())]
    sock = connect(port, f"bench-sender-{time.monotonic_ns()}")
    sock.setblocking(False)
    pipe.send("ready")
    pipe.recv()
    pipe.send(_send_packets(sock, packets, rate))
    sock.close()


def _send_packets(sock: socket.socket, packets: list[bytes], rate: float) -> SendingTimes:
    first_s = moved_s = time.monotonic()
    sent = settled_bytes = 0
    left = b""
    while settled_bytes < 4 * len(packets):
        now_s = time.monotonic()
        due = int((now_s - first_s) * rate) + 1 if rate else len(packets)
        allowed = min(due, len(packets), settled_bytes // 4 + IN_FLIGHT_MAX)
        if not left and sent < allowed:
            upto = min(allowed, sent + max(1, SEND_BYTES // len(packets[sent])))
            left, sent = b"".join(packets[sent:upto]), upto
        readable, writable, _ = select.select([sock], [sock] if left else [], [], 0.002)
        if readable:
            settled_bytes += len(sock.recv(1 << 16))
            moved_s = now_s
        if writable:
            left = left[sock.send(left) :]
            moved_s = now_s
        if now_s - moved_s > _STUCK_S:
            raise TimeoutError("the broker takes nothing any more")
    return SendingTimes(first_s, time.monotonic())


class Subscriber(threading.Thread):
    """Takes everything and settles it at once: what the broker alone can do."""

    def __init__(self, port: int, messages: int) -> None:
        super().__init__(daemon=True)
        self._messages = messages
        self._sock = connect(port, "bench-subscriber")
        body = struct.pack("!H", 1) + _text("lifeline/#") + b"\x01"
        self._sock.sendall(b"\x82" + _length(len(body)) + body)
        self._sock.recv(5)
        self._sock.settimeout(_STUCK_S)
        self.last_s = 0.0

    def run(self) -> None:
        received, buffer = 0, b""
        while received < self._messages:
            buffer += self._sock.recv(1 << 18)
            at, answers = 0, []
            while (found := _next_packet(buffer, at)) is not None:
                packet_id, at = found
                answers.append(b"\x40\x02" + packet_id)
            buffer = buffer[at:]
            received += len(answers)
            if answers:
                self._sock.sendall(b"".join(answers))
        self.last_s = time.monotonic()
        self._sock.close()


def _next_packet(buffer: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the packet id of the PUBLISH at ``at`` and where it ends; ``None``: not whole."""
    length = shift = 0
    place = at + 1
    while True:
        if place >= len(buffer):
            return None
        byte = buffer[place]
        length |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            break
    end = place + length
    if end > len(buffer):
        return None
    topic = buffer[place] << 8 | buffer[place + 1]
    return buffer[place + 2 + topic : place + 4 + topic], end
