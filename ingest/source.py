"""Frames from an MQTT broker: grouped, limited by gateway, and settled when told to.

Nothing is settled before ``settle``; a broker delivers again what was not. What a gateway sends
beyond its limits is refused: counted, told as a ``Refusal`` in a group, and settled with it.
"""

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Callable
from typing import Self

import structlog

from domain.journal import Frame
from ingest.broker_url import BrokerUrl
from ingest.connection import Connection
from ingest.groups import UNSETTLED_BYTES_MAX, UNSETTLED_FRAMES_MAX, Gathered, Groups
from ingest.limits import Limits
from ingest.tls import tls_fault

_BACKOFF_FIRST_S = 0.25
_BACKOFF_MAX_S = 30.0
_REFUSALS_AFTER_S = 1.0

log = structlog.get_logger(__name__)


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
        limits: Limits | None = None,
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
        self._limits = limits or Limits()
        self._groups = Groups(unsettled_frames_max, unsettled_bytes_max)
        self._telling: asyncio.TimerHandle | None = None
        self._something = asyncio.Event()
        self._connection: Connection | None = None
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
        if self._telling is not None:
            self._telling.cancel()
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
        way = self._limits.find(topic)
        if way.bucket.take(len(payload)):
            frame = Frame(way.topic, payload, self._clock(), dup)
            self._groups.add(self._number, frame, packet_id)
            self._something.set()
        else:
            self._refuse(way.gateway, len(topic) + len(payload), packet_id)
        if self._groups.is_full and self._connection is not None:
            self._connection.pause()

    def _refuse(self, gateway: str, size: int, packet_id: int | None) -> None:
        """Count what is over the limit; it is told within a second, or with the next many."""
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_REFUSALS_AFTER_S, self._tell_refused)
        if self._groups.refuse(self._number, gateway, size, packet_id):
            self._tell_refused()

    def _tell_refused(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        self._groups.tell_refused(self._number, self._clock())
        self._something.set()

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            while not self._may_connect():  # noqa: ASYNC110  nobody could tell us
                await asyncio.sleep(0.1)
            self._number += 1
            connection = Connection(self._url, self._client_id, self._take, self._tell)
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

    async def _use(self, connection: Connection) -> None:
        """Open a connection and return when it has ended, with the reason in its ``refusal``."""
        try:
            await connection.open()
        except (OSError, ValueError) as error:
            connection.answered = True  # not by the broker, but it says nothing of versions
            connection.refusal = tls_fault(error, self._url) or str(error) or type(error).__name__
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
