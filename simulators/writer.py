"""Light MQTT writers: many gateways' messages over few or many bare connections.

A gateway has a connection of its own while there are at most so many; beyond, several share one, which
then needs a user that may write for all of them (the broker's service user). A connection costs a
descriptor on either side, of which a shell gives 1,024, and the broker a client with its queues.

What is under way is bounded over all connections: a slow broker holds the sender back, and nothing
is dropped. A connection that breaks ends the load: it is a load, and no gateway.
"""

import select
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from simulators.feed import Message
from simulators.packets import DISCONNECT, PING, RefusedError, connect, publish_packet, text

CONNECTIONS_MAX = 500
UNDER_WAY_MAX = 10_000
KEEPALIVE_S = 60
_ANSWER_BYTES = 4  # of a PUBACK
_PONG = b"\xd0\x00"


class WriterError(Exception):
    """The broker refuses a connection, or has broken one; the message says which."""


class _Wire:
    """One connection: what is to be sent, and how much of it the broker has settled."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        sock.setblocking(False)
        self.sock, self.name = sock, name
        self.waiting = bytearray()
        self.sent = self.settled = 0
        self.said_s = time.monotonic()
        self._answers = b""

    def put(self, topic: bytes, payload: bytes) -> None:
        self.waiting += publish_packet(topic, payload, self.sent)
        self.sent += 1

    def write(self) -> None:
        try:
            done = self.sock.send(self.waiting)
        except BlockingIOError:
            return
        del self.waiting[:done]
        self.said_s = time.monotonic()

    def read(self) -> int:
        """Take the broker's answers; return how many messages it has settled by them."""
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return 0
        if not data:
            raise ConnectionResetError
        data = (
            (self._answers + data).replace(_PONG, b"") if b"\xd0" in data else self._answers + data
        )
        settled, rest = divmod(len(data), _ANSWER_BYTES)
        self._answers = data[len(data) - rest :]
        self.settled += settled
        return settled


class Writer:
    """Connections to one broker; a context. ``url`` is ``mqtt://[user:password@]host:port``."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        connections_max: int = CONNECTIONS_MAX,
        passwords: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "mqtt":
            raise WriterError(f"{parts.scheme}: a city's load goes by mqtt:// only")
        self._address = parts.hostname or "127.0.0.1", parts.port or 1883
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._name, self._connections_max = name, connections_max
        self._passwords = passwords or {}
        self._wires: list[_Wire] = []
        self._wire_of: dict[str, _Wire] = {}
        self._topics: dict[tuple[str, str], bytes] = {}
        self._by_descriptor: dict[int, _Wire] = {}
        self._poll = select.epoll()
        self.sent = self.settled = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for wire in self._wires:
            wire.sock.close()
        self._poll.close()

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._wires)

    @property
    def under_way(self) -> int:
        """How many messages the broker has not settled yet."""
        return self.sent - self.settled

    def put(self, message: Message) -> None:
        """Queue one message; ``turn`` sends it."""
        wire = self._wire_of.get(message.gateway) or self._wire_for(message.gateway)
        known = message.gateway, message.format
        topic = self._topics.get(known)
        if topic is None:
            topic = self._topics[known] = text(message.topic)
        wire.put(topic, message.payload)
        self.sent += 1

    def _wire_for(self, gateway: str) -> _Wire:
        if len(self._wires) < self._connections_max:
            self._open(gateway)
        wire = self._wires[len(self._wire_of) % len(self._wires)]
        self._wire_of[gateway] = wire
        return wire

    def _open(self, gateway: str) -> None:
        name = f"{self._name}-{len(self._wires)}"
        user = self._user or (gateway if gateway in self._passwords else None)
        password = self._password or self._passwords.get(gateway)
        try:
            sock = connect(self._address, name, user, password, KEEPALIVE_S)
        except (RefusedError, OSError) as error:
            raise WriterError(f"connection {len(self._wires) + 1}: {error}") from None
        wire = _Wire(sock, name)
        self._wires.append(wire)
        self._by_descriptor[sock.fileno()] = wire
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def turn(self, timeout_s: float) -> None:
        """Send what waits, and take what the broker answers within ``timeout_s``."""
        wire = None
        try:
            for wire in self._wires:
                if wire.waiting:
                    wire.write()
            full = [wire for wire in self._wires if wire.waiting]
            for wire in full:
                self._poll.modify(wire.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
            for descriptor, events in self._poll.poll(timeout_s):
                wire = self._by_descriptor[descriptor]
                if events & ~select.EPOLLOUT:
                    self.settled += wire.read()
                if events & select.EPOLLOUT:
                    wire.write()
            for wire in full:
                self._poll.modify(wire.sock.fileno(), select.EPOLLIN)
        except OSError as error:
            name = wire.name if wire is not None else self._name
            raise WriterError(f"connection {name} is broken: {error}") from None

    def keep_alive(self) -> None:
        """Say a word on connections that have been silent; to be called each few seconds."""
        now_s = time.monotonic()
        for wire in self._wires:
            if now_s - wire.said_s > KEEPALIVE_S / 2 and not wire.waiting:
                wire.waiting += PING

    def drain(self, timeout_s: float) -> bool:
        """Wait until the broker has settled everything, and say goodbye; False where it did not."""
        end_s = time.monotonic() + timeout_s
        while self.under_way and time.monotonic() < end_s:
            self.turn(0.05)
        for wire in self._wires:
            with suppress(OSError):  # who does not hear it sees the end of the connection
                wire.waiting += DISCONNECT
                wire.write()
        return self.under_way == 0
