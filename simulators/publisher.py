"""Sends messages over real MQTT as their gateways would: QoS 1, each with its own connection.

A gateway's connection leaves a retained ``offline`` as its will and says a retained ``online``. How many
messages may be under way is bounded, so a slow or absent broker holds the sender back, and
nothing is dropped: what was under way when a connection broke is sent again.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from domain.time import NS_PER_S
from simulators.feed import Message

UNDER_WAY_MAX = 100
RETRY_S = (0.5, 1.0, 2.0, 5.0)
KEEPALIVE_S = 30
STATUS_RESERVE = 4  # room for status messages beside the data under way
GOODBYE_S = 2.0
REFUSED_FOR_GOOD = (134, 135)  # bad user name or password; not authorised


class PublishError(Exception):
    """The broker refuses a gateway for good: wrong credentials, or not allowed."""


class Publisher:
    """Connections to one broker, made as gateways turn up; an asynchronous context.

    ``url`` is ``mqtt[s]://[user:password@]host:port[?ca=file]``. Without a user in it each gateway
    goes by its own id, with its password from ``passwords`` where there is one.
    """

    def __init__(self, url: str, passwords: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._passwords = passwords or {}
        self._links: dict[str, _Link] = {}

    async def __aenter__(self) -> "Publisher":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for link in self._links.values():
            await link.close()

    async def publish(self, message: Message) -> None:
        """Hand one message over; waits while too much of its gateway's is under way."""
        link = self._links.get(message.gateway)
        if link is None:
            link = _Link(self._url, message.gateway, message.district, self._passwords)
            self._links[message.gateway] = link
            await link.open()
        await link.publish(message.topic, message.payload)

    async def drain(self) -> None:
        """Wait until the broker has taken everything."""
        for link in self._links.values():
            await link.drain()


async def paced(
    messages: Iterable[Message],
    *,
    speed: float = 1.0,
    now_ns: Callable[[], int] = time.time_ns,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[Message]:
    """Yield messages when their time has come; those of the past at once.

    With another ``speed`` time runs that much faster from the first message on.
    """
    origin_ns, begun_ns = 0, now_ns()
    for message in messages:
        if origin_ns == 0:
            origin_ns = begun_ns if speed == 1.0 else message.time_ns
        due_ns = begun_ns + round((message.time_ns - origin_ns) / speed)
        wait_s = (due_ns - now_ns()) / NS_PER_S
        await sleep(max(0.0, wait_s))
        yield message


class _Link:
    """One gateway's connection, driven by asyncio's readers and writers."""

    def __init__(self, url: str, gateway: str, district: str, passwords: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "mqtts"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (8883 if secure else 1883)
        self._status_topic = f"lifeline/v1/{district}/{gateway}/status"
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=gateway)
        self._client.username_pw_set(
            unquote(parts.username) if parts.username else gateway,
            unquote(parts.password) if parts.password else passwords.get(gateway),
        )
        if secure:
            authority = parse_qs(parts.query).get("ca", [None])[-1]
            self._client.tls_set_context(ssl.create_default_context(cafile=authority))
        self._client.max_inflight_messages_set(UNDER_WAY_MAX + STATUS_RESERVE)
        self._client.will_set(self._status_topic, b"offline", qos=1, retain=True)
        self._under_way: set[int] = set()
        self._permits = asyncio.Semaphore(UNDER_WAY_MAX)
        self._connected = asyncio.Event()
        self._lost = asyncio.Event()
        self._status_taken = asyncio.Event()
        self._refused = ""
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect; waits for the broker. Raises ``PublishError`` where it refuses for good."""
        client = self._client
        client.on_socket_open = self._watch_reads
        client.on_socket_close = self._ignore_reads
        client.on_socket_register_write = self._watch_writes
        client.on_socket_unregister_write = self._ignore_writes
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._tasks = [
            asyncio.create_task(self._keep_connected(), name=f"connect {self._status_topic}"),
            asyncio.create_task(self._keep_alive(), name=f"keep alive {self._status_topic}"),
        ]
        await self._connected.wait()
        if self._refused:
            raise PublishError(self._refused)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Hand over one message; waits for a permit. Raises ``PublishError`` where refused."""
        await self._permits.acquire()
        if self._refused:
            raise PublishError(self._refused)
        self._under_way.add(self._client.publish(topic, payload, qos=1).mid)

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        for _ in range(UNDER_WAY_MAX):
            await self._permits.acquire()
        for _ in range(UNDER_WAY_MAX):
            self._permits.release()

    async def close(self) -> None:
        """Say ``offline`` and go; waits a moment for the broker to take it."""
        if self._connected.is_set() and not self._refused:
            self._status_taken.clear()
            self._client.publish(self._status_topic, b"offline", qos=1, retain=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._status_taken.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._client.disconnect()
        while self._client.want_write():  # what the socket does not take at once is not waited for
            if self._client.loop_write() is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                break

    async def _keep_connected(self) -> None:
        failures = 0
        while not self._refused:
            self._lost.clear()
            try:
                # Opening the socket blocks: on loopback, where simulators live, for no time at all.
                self._client.connect(self._host, self._port, keepalive=KEEPALIVE_S)
                await self._lost.wait()
                failures = 0
            except OSError:
                failures += 1
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._client.loop_misc()

    def _watch_reads(self, client: mqtt.Client, userdata: object, socket: Any) -> None:
        del client, userdata
        asyncio.get_running_loop().add_reader(socket, self._read)

    def _ignore_reads(self, client: mqtt.Client, userdata: object, socket: Any) -> None:
        del client, userdata
        asyncio.get_running_loop().remove_reader(socket)

    def _watch_writes(self, client: mqtt.Client, userdata: object, socket: Any) -> None:
        del userdata
        asyncio.get_running_loop().add_writer(socket, client.loop_write)

    def _ignore_writes(self, client: mqtt.Client, userdata: object, socket: Any) -> None:
        del client, userdata
        asyncio.get_running_loop().remove_writer(socket)

    def _read(self) -> None:
        self._client.loop_read()
        socket = self._client.socket()
        while isinstance(socket, ssl.SSLSocket) and socket.pending():
            self._client.loop_read()  # what TLS has taken off the socket already
            socket = self._client.socket()

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        del userdata, flags, properties
        if not reason.is_failure:
            client.publish(self._status_topic, b"online", qos=1, retain=True)
            self._connected.set()
        elif reason.value in REFUSED_FOR_GOOD:
            self._refused = f"{self._status_topic}: {reason}"
            self._connected.set()
            for _ in range(UNDER_WAY_MAX):
                self._permits.release()  # whoever waits is to hear of it

    def _on_disconnect(self, *given: object) -> None:
        del given
        if not self._refused:
            self._connected.clear()
        self._lost.set()

    def _on_publish(
        self,
        client: mqtt.Client,
        userdata: object,
        number: int,
        reason: ReasonCode,
        properties: Properties,
    ) -> None:
        del client, userdata, reason, properties
        if number in self._under_way:
            self._under_way.discard(number)
            self._permits.release()
        else:
            self._status_taken.set()
