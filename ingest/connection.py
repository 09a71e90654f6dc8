"""One connection to an MQTT broker. The only file here that speaks MQTT.

paho-mqtt is driven by asyncio's readers and writers: its own thread uses ``select()``, which fails
without a word beyond 1,024 descriptors.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.broker_url import BrokerUrl
from ingest.publish import parse_publish
from ingest.tls import client_context, tls_fault
from ingest.topics import SUBSCRIPTION

_RECEIVE_MAXIMUM = 65_535
_SESSION_NEVER_EXPIRES = 0xFFFF_FFFF
_KEEPALIVE_S = 30
_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 5  # some brokers meet a version they do not know with silence
_READ_BYTES = 1 << 18
_REFUSED_VERSION = (0x01, 0x84)  # CONNACK of MQTT 3.1.1, and of MQTT 5

log = structlog.get_logger(__name__)

_PUBACK = struct.Struct("!BBH")
Take = Callable[[bytes, bytes, int | None, bool], None]


class _Client(mqtt.Client):
    """paho's client with what it leaves no public way to do.

    It reads from a buffer filled by large reads (paho makes three system calls a message), takes
    whole PUBLISH packets from there by itself (paho builds all properties of MQTT 5 for each: 43 us a
    message against 6), joins PUBACKs to one write, and keeps a connection alive that is not being
    read. ``take`` is called with (topic, payload, packet id or ``None``, DUP flag).
    """

    def __init__(self, client_id: str, take: Take, *, version_3: bool) -> None:
        protocol = MQTTProtocolVersion.MQTTv311 if version_3 else MQTTProtocolVersion.MQTTv5
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=False if version_3 else None,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._take = take
        self._has_properties = not version_3
        self.on_message = self._take_message
        self._buffer = b""
        self._position = 0
        self._ended = False
        self.fault: OSError | None = None  # what broke the connection

    def fill(self) -> None:
        """Read what the socket has, up to a bound."""
        sock = self._sock
        if sock is None:
            return
        chunks = [self._buffer[self._position :]]
        try:
            chunks.append(sock.recv(_READ_BYTES))
            self._ended = not chunks[-1]
            # What TLS has decrypted already does not wake the event loop again.
            while isinstance(sock, ssl.SSLSocket) and sock.pending():
                chunks.append(sock.recv(sock.pending()))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            log.info("broker connection broke", error=str(error))
            self._ended, self.fault = True, error
        self._buffer, self._position = b"".join(chunks), 0
        self._last_bytes_received = time.monotonic()

    def handle(self) -> None:
        """Handle all packets that have been read; a part of one waits within paho."""
        while self._position < len(self._buffer) or self._ended:
            if self._sock is None:
                return
            if self._in_packet["command"] or not self._take_publish():
                self.loop_read()

    def _take_publish(self) -> bool:
        """Take the next packet if it is a whole PUBLISH; leave anything else to paho."""
        packet = parse_publish(self._buffer, self._position, has_properties=self._has_properties)
        if packet is not None:
            self._position = packet.end
            self._take(packet.topic, packet.payload, packet.packet_id, packet.duplicate)
        return packet is not None

    def _take_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        """Take a message that came in parts, and so by way of paho."""
        packet_id = message.mid if message.qos else None
        topic = message._topic  # noqa: SLF001  the property raises where it is not UTF-8
        self._take(topic, bytes(message.payload), packet_id, message.dup)

    def _create_socket_connection(self) -> socket.socket:
        sock = super()._create_socket_connection()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # PUBACKs are small and urgent
        return sock

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        # paho leaves the socket open where the handshake fails; ssl's own way of it does not.
        assert self._ssl_context is not None  # noqa: S101  for the types
        return self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host)

    def _sock_recv(self, bufsize: int) -> bytes:
        data = self._buffer[self._position : self._position + bufsize]
        if not data and not self._ended:
            raise BlockingIOError
        self._position += len(data)
        return data

    def _sock_send(self, buf: bytes | bytearray) -> int:
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as error:
            self.fault = error
            raise

    def settle(self, packet_ids: Sequence[int]) -> None:
        """Send a PUBACK for each packet id, all in one write."""
        joined = b"".join([_PUBACK.pack(0x40, 2, packet_id) for packet_id in packet_ids])
        self._packet_queue(mqtt.PUBACK, joined, packet_ids[-1], 1)

    def ping_blindly(self) -> None:
        """Tell the broker that we live, and expect no answer, because nothing is read."""
        self._send_pingreq()
        self._ping_t = 0.0


class Connection:
    """One connection to the broker, from CONNECT to its end."""

    def __init__(
        self, url: BrokerUrl, client_id: str, take: Take, on_change: Callable[[], None]
    ) -> None:
        self.client = _Client(client_id, take, version_3=url.version_3)
        self.ended = asyncio.Event()
        self.subscribed = False
        self.answered = False
        self.refusal = ""
        self.reading = False
        self._url = url
        self._on_change = on_change
        self._descriptor = -1
        self._writing = False
        self._loop = asyncio.get_running_loop()
        client = self.client
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_socket_close = self._on_socket_close
        client.username_pw_set(url.user, url.password)

    async def open(self) -> None:
        """Connect and send CONNECT; raises ``OSError`` or ``ValueError`` (name, certificate)."""
        # Looking up the name, connecting and the TLS handshake block: they have a thread, which
        # cannot be stopped, and whose socket must not be left behind.
        opening = asyncio.ensure_future(asyncio.to_thread(self._open))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await asyncio.wait([opening])
            opening.exception()  # looked at: nobody else will
            self.close()
            raise
        sock = self.client.socket()
        self._descriptor = -1 if sock is None else sock.fileno()

    def _open(self) -> None:
        url = self._url
        if url.tls:
            self.client.tls_set_context(client_context(url))
        if url.version_3:
            self.client.connect(url.host, url.port, _KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = _SESSION_NEVER_EXPIRES
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM
        self.client.connect(
            url.host, url.port, _KEEPALIVE_S, clean_start=False, properties=properties
        )

    def _on_connect(self, client: Any, _data: Any, flags: Any, reason: Any, *_rest: Any) -> None:
        self.answered = not (reason.is_failure and reason.value in _REFUSED_VERSION)
        if reason.is_failure:
            self.refusal = str(reason)
        elif not self._url.version_3:
            # Retained messages with a new subscription only: what was told once is not news.
            options = SubscribeOptions(
                qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            )
            client.subscribe(SUBSCRIPTION, options=options)
        elif flags.session_present:
            self._set_subscribed()  # in MQTT 3.1.1 each subscription sends the retained ones again
        else:
            client.subscribe(SUBSCRIPTION, qos=1)

    def _set_subscribed(self) -> None:
        self.subscribed = True
        self._on_change()

    def _on_subscribe(self, _client: Any, _data: Any, _id: int, reasons: Any, *_rest: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self.refusal = f"{reasons[0]}: allow this user to read {SUBSCRIPTION}"
            self.ended.set()
        else:
            self._set_subscribed()

    def _on_disconnect(self, _client: Any, _data: Any, _how: Any, reason: Any, *_rest: Any) -> None:
        # In TLS 1.3 our certificate is refused only when we think that we are connected.
        fault = self.client.fault
        told = tls_fault(fault, self._url) if fault is not None and not self.subscribed else ""
        self.refusal = self.refusal or told or str(reason)
        self.ended.set()

    def _on_socket_close(self, _client: mqtt.Client, _data: Any, _sock: Any) -> None:
        """Take the descriptor out of the event loop before its number is given to another."""
        if self.reading:
            self._loop.remove_reader(self._descriptor)
        if self._writing:
            self._loop.remove_writer(self._descriptor)
        self.reading = self._writing = False
        self.ended.set()

    def resume(self) -> None:
        """Read whenever there is something."""
        if self.reading or self.client.socket() is None:
            return
        self._loop.add_reader(self._descriptor, self._read)
        self.reading = True

    def pause(self) -> None:
        """Leave in the socket what comes."""
        if self.reading:
            self._loop.remove_reader(self._descriptor)
            self.reading = False

    def _read(self) -> None:
        """Take in what the socket has; paho calls ``on_message`` for each message."""
        self.client.fill()
        try:
            self.client.handle()
        except (ValueError, LookupError, struct.error, MQTTException) as error:
            self.refusal = f"the broker sent what is not MQTT: {error}"
            self.ended.set()
        self._flush()

    def _write(self) -> None:
        self.client.loop_write()
        self._flush()

    def _flush(self) -> None:
        """See to it that what is left over is written as soon as the socket takes it."""
        wanted = self.client.want_write() and self.client.socket() is not None
        if wanted and not self._writing:
            self._loop.add_writer(self._descriptor, self._write)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._descriptor)
        self._writing = wanted

    def settle(self, packet_ids: Sequence[int]) -> None:
        """Send the PUBACKs of these packets, in one write."""
        if self.client.socket() is not None and not self.ended.is_set():
            self.client.settle(packet_ids)
            self._flush()

    async def last(self) -> None:
        """Return when the connection has ended; keeps it alive meanwhile."""
        seconds = 0
        while not self.ended.is_set():
            # Not wait_for: in Python 3.11 it drops a cancellation that comes as the wait ends, and
            # whoever leaves would wait for ever.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.ended.wait()
            seconds += 1
            if not self.answered and seconds >= _ANSWER_TIMEOUT_S:
                self.refusal = self.refusal or "no answer to CONNECT"
                self.ended.set()
            if self.reading:
                self.client.loop_misc()
            elif seconds % (_KEEPALIVE_S // 3) == 0:
                self.client.ping_blindly()
            self._flush()

    def close(self) -> None:
        """Leave the broker politely, where it still listens; the session stays with it."""
        if self.client.socket() is not None:
            self.client.disconnect()
        sock = self.client.socket()
        if sock is not None:  # there was more to write than the socket takes
            self._on_socket_close(self.client, None, sock)
            sock.close()
        self.ended.set()
