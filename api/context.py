"""What every route needs, in one place."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from api.answers import Answers
from api.index import CatalogueIndex
from api.metrics import ApiMetrics
from api.picture import Pictures
from api.pool import Pool
from api.ports import Ports
from api.present import transition_out
from api.settings import ApiSettings
from api.stream import Hub
from domain.alarm import Transition
from domain.catalogue import Catalogue
from domain.readings import Latest

T = TypeVar("T")


class Context:
    """The ports, and what the interface builds upon them."""

    def __init__(self, ports: Ports, settings: ApiSettings) -> None:
        self.ports = ports
        self.settings = settings
        self.metrics = ApiMetrics(ports.registry)
        self.archive_pool = Pool(
            "archive",
            settings.archive_threads,
            settings.archive_waiting_max,
            settings.archive_timeout_s,
            ports.begin_thread,
        )
        # Looking at the live picture is quick, but there may be many channels.
        self.live_pool = Pool("live", 1, 256, settings.archive_timeout_s, ports.begin_thread)
        self.pictures = Pictures(ports.live, self.live_pool)
        self.answers = Answers()
        self.hub = Hub(ports.store, self.encode, settings.stream_ring, ports.write_to_all)
        self.listeners = 0
        self.frames_reading = 0
        self._index: CatalogueIndex | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The active revision."""
        return self.ports.live.catalogue()

    @property
    def index(self) -> CatalogueIndex:
        """The active revision in order, for lists."""
        catalogue = self.catalogue
        if self._index is None:
            self._index = CatalogueIndex.build(catalogue)
        elif self._index.catalogue is not catalogue:
            self._index = self._index.over(catalogue)
        return self._index

    def encode(self, number: int, transition: Transition) -> bytes:
        """Return a transition as it goes onto the stream."""
        document = transition_out(number, transition, self.catalogue, self.ports.alarm_text)
        return document.model_dump_json().encode()

    async def latest(self, channel_ids: Sequence[str]) -> dict[str, Latest]:
        """Return the newest readings of these channels."""
        return dict(await self.ports.live.latest(channel_ids)) if channel_ids else {}

    async def counted(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass on a listener's events; it counts as one for as long as it takes them."""
        self.listeners += 1
        self.metrics.listeners.set(self.listeners)
        try:
            async for event in events:
                yield event
        finally:
            self.listeners -= 1
            self.metrics.listeners.set(self.listeners)

    def close(self) -> None:
        """End the streams and let the threads go."""
        self.hub.close()
        self.archive_pool.close()
        self.live_pool.close()


async def context_of(request: Request) -> Context:
    """Return the application's context. Asynchronous, lest each request be sent through a thread."""
    return cast("Context", request.app.state.context)


Here = Annotated[Context, Depends(context_of)]
