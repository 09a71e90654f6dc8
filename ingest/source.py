"""Frames from an MQTT broker, settled when told to. The only file here that speaks MQTT.

paho-mqtt is driven by asyncio's readers and writers: its own thread uses ``select()``, which fails
without a word beyond 1,024 descriptors. Nothing is settled before ``settle``; a broker delivers
again what was not.
"""

import asyncio
import contextlib
import dataclasses
import random
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from domain.journal import Frame
from ingest.broker_url import BrokerUrl
from ingest.groups import UNSETTLED_BYTES_MAX, UNSETTLED_FRAMES_MAX, Gathered, Groups
from ingest.publish import parse_publish
from ingest.topics import SUBSCRIPTION

_RECEIVE_MAXIMUM = 65_535
_SESSION_NEVER_EXPIRES = 0xFFFF_FFFF
_KEEPALIVE_S = 30
_CONNECT_TIMEOUT_S = 10.0
_ANSWER_TIMEOUT_S = 5  # some brokers meet a version they do not know with silence
_BACKOFF_FIRST_S = 0.25
_BACKOFF_MAX_S = 30.0
_READ_BYTES = 1 << 18
_REFUSED_VERSION = (0x01, 0x84)  # CONNACK of MQTT 3.1.1, and of MQTT 5

log = structlog.get_logger(__name__)

_PUBACK = struct.Struct("!BBH")
_Take = Callable[[bytes, bytes, int | None, bool], None]


class _Client(mqtt.Client):
    """paho's client with what it leaves no public way to do.

    It reads from a buffer filled by large reads (paho makes three system calls a message), takes
    whole PUBLISH packets from there by itself (paho builds all properties of MQTT 5 for each: 43 us a
    message against 6), joins PUBACKs to one write, and keeps a connection alive that is not being
    read. ``take`` is called with (topic, payload, packet id or ``None``, DUP flag).
    """

    def __init__(self, client_id: str, take: _Take, *, version_3: bool) -> None:
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
            self._ended = True
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

    def settle(self, packet_ids: Sequence[int]) -> None:
        """Send a PUBACK for each packet id, all in one write."""
        joined = b"".join([_PUBACK.pack(0x40, 2, packet_id) for packet_id in packet_ids])
        self._packet_queue(mqtt.PUBACK, joined, packet_ids[-1], 1)

    def ping_blindly(self) -> None:
        """Tell the broker that we live, and expect no answer, because nothing is read."""
        self._send_pingreq()
        self._ping_t = 0.0


class _Connection:
    """One connection to the broker, from CONNECT to its end."""

    def __init__(
        self, url: BrokerUrl, client_id: str, take: _Take, on_change: Callable[[], None]
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
            self.client.tls_set_context(ssl.create_default_context(cafile=url.ca_file))
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
        self.refusal = self.refusal or str(reason)
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
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), 1.0)
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


class Source:
    """Frames of a broker, as an async context manager.

    ``clock`` gives ``received_ns``. ``on_connection`` is called with True when the subscription
    stands, with False when it is lost; the connection is made again for ever, with growing pauses
    of up to 30 s, and the broker keeps the session meanwhile. Raises ``ValueError`` for a bad URL. Of
    64 MiB or 50,000 unsettled frames on, the socket is left alone until something is settled. It
    connects only while ``may_connect()``: the broker ends the session's other connection.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], int],
        client_id: str = "lifeline",
        on_connection: Callable[[bool], None] | None = None,
        may_connect: Callable[[], bool] = lambda: True,
        unsettled_frames_max: int = UNSETTLED_FRAMES_MAX,
        unsettled_bytes_max: int = UNSETTLED_BYTES_MAX,
    ) -> None:
        self._url = BrokerUrl.parse(url)
        self._pinned_version = self._url.version_3
        self._clock = clock
        self._client_id = client_id
        self._on_connection = on_connection
        self._may_connect = may_connect
        self._groups = Groups(unsettled_frames_max, unsettled_bytes_max)
        self._something = asyncio.Event()
        self._connection: _Connection | None = None
        self._number = 0  # of the connection
        self._was_connected = False
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        """True while the subscription stands."""
        connection = self._connection
        return connection is not None and connection.subscribed and not connection.ended.is_set()

    @property
    def unsettled_frames(self) -> int:
        """Frames that were received and are not settled."""
        return self._groups.unsettled_frames

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep_connected(), name="mqtt source")
        self._keeper.add_done_callback(lambda _task: self._something.set())
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._connection is not None:
            self._connection.close()
        self._tell()
        self._something.set()

    async def gathered(self) -> AsyncIterator[Gathered]:
        """Yield what has come, at once when there is something; ends when the source is closed.

        What comes while the consumer is busy gathers into groups of at most 1 MB and 10,000 frames
        (a frame that is larger by itself is a group by itself). One consumer at a time.
        """
        while True:
            while not self._groups:
                if self._closed:
                    return
                if self._keeper is not None and self._keeper.done():
                    self._keeper.result()  # a fault of ours: let the supervisor see it
                self._something.clear()
                await self._something.wait()
            yield self._groups.pop()

    async def settle(self, gathered: Gathered) -> None:
        """Tell the broker that these frames are safely ours, in one write.

        Frames of a connection that has ended cannot be settled: the broker delivers them again.
        """
        connection = self._connection
        if not self._groups.settle(gathered) or connection is None:
            return
        if gathered.packet_ids and gathered.connection == self._number:
            connection.settle(gathered.packet_ids)
        if not connection.reading and not self._groups.is_full:
            connection.resume()

    def _take(self, topic: bytes, payload: bytes, packet_id: int | None, dup: bool) -> None:
        # A topic that is not UTF-8 is none of ours, and will be told as such.
        frame = Frame(topic.decode(errors="replace"), payload, self._clock(), dup)
        self._groups.add(self._number, frame, packet_id)
        self._something.set()
        if self._groups.is_full and self._connection is not None:
            self._connection.pause()

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            while not self._may_connect():  # noqa: ASYNC110  nobody could tell us
                await asyncio.sleep(0.1)
            self._number += 1
            connection = _Connection(self._url, self._client_id, self._take, self._tell)
            await self._use(connection)
            if connection.subscribed:
                failures, self._pinned_version = 0, True
            elif not connection.answered and connection.refusal and not self._pinned_version:
                # Brokers that do not know MQTT 5 refuse it, or hang up: try the other version.
                self._url = dataclasses.replace(self._url, version_3=not self._url.version_3)
            ceiling_s = min(_BACKOFF_MAX_S, _BACKOFF_FIRST_S * 2.0 ** min(failures, 10))
            pause_s = ceiling_s * random.uniform(0.5, 1.0)  # noqa: S311  jitter
            failures += 1
            facts = {"broker": str(self._url), "reason": connection.refusal}
            log.warning("broker not connected", **facts, next_attempt_s=round(pause_s, 2))
            await asyncio.sleep(pause_s)

    async def _use(self, connection: _Connection) -> None:
        """Open a connection and return when it has ended, with the reason in its ``refusal``."""
        try:
            await connection.open()
        except (OSError, ValueError) as error:
            connection.answered = True  # not by the broker, but it says nothing of versions
            connection.refusal = str(error) or type(error).__name__
            return
        self._connection = connection
        if not self._groups.is_full:
            connection.resume()
        await connection.last()
        connection.close()
        self._tell()

    def _tell(self) -> None:
        """Tell of a change of ``connected``."""
        connected = self.connected
        if connected == self._was_connected:
            return
        self._was_connected = connected
        if connected:
            version = "3.1.1" if self._url.version_3 else "5"
            log.info("broker connected", broker=str(self._url), mqtt_version=version)
        if self._on_connection is not None:
            self._on_connection(connected)
