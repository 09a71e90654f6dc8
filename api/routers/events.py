"""The event stream: transitions as they are written, and the newest readings of a few channels."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.context import Context, Here
from api.errors import ApiError, bad_request
from api.fan import Place, Transport, transport_of
from api.lists import INT64_MAX, QueryId
from api.present import find_channel, latest_out, time_text
from api.stream import EventStream, event_text
from domain.readings import Latest

router = APIRouter(tags=["events"])


class EventQuery(BaseModel):
    """What to listen to."""

    model_config = ConfigDict(extra="forbid")
    after: int | None = Field(
        None, ge=0, le=INT64_MAX, description="Begin after this number; from now where not given."
    )
    latest: list[QueryId] | None = Field(
        None, max_length=100, description="Channels whose newest reading is to be told each second."
    )


class Listener:
    """One listener's part of the stream: transitions by cursor, beats by the loop's clock.

    With a ``transport`` it joins the fan once it has caught up, and what comes then is written there.
    """

    def __init__(
        self,
        here: Context,
        cursor: int | None,
        channel_ids: list[str],
        transport: Transport | None = None,
    ) -> None:
        self._here = here
        self._transport = transport
        self._cursor = cursor
        self._channel_ids = channel_ids
        self._told: dict[str, Latest] = {}
        self._loop = asyncio.get_running_loop()
        self._heartbeat_at = self._loop.time() + here.settings.heartbeat_s
        self._latest_at = self._loop.time() if channel_ids else float("inf")

    async def events(self) -> AsyncIterator[bytes]:
        """Yield chunks of the stream until the hub closes."""
        hub = self._here.hub
        yield b"retry: 2000\n" + event_text("hello", self._now())
        while not hub.closed:
            wake = hub.wake  # before looking: what is published meanwhile sets this one
            written = await hub.after(self._cursor)
            if written:
                self._cursor = written[-1][0]
                yield b"".join(event_text("transition", body, number) for number, body in written)
            beats = await self._beats()
            if beats:
                yield beats
            place = None if written else self._join()
            if place is not None:
                async for beats in self._in_fan(place):
                    yield beats
                return
            if not written:
                await self._wait(wake)

    def _join(self) -> Place | None:
        """Return this listener's place in the fan, once it has one."""
        if self._transport is None:
            return None
        place = Place(self._transport, self._cursor, self._here.metrics.listeners_cut.inc)
        return place if self._here.hub.join(place) else None

    async def _in_fan(self, place: Place) -> AsyncIterator[bytes]:
        """Yield beats for as long as the listener has its place."""
        try:
            while not place.ended.is_set():
                await self._wait(place.ended)
                beats = await self._beats()
                if beats:
                    yield beats
        finally:
            self._here.hub.fan.leave(place)

    async def _wait(self, wake: asyncio.Event) -> None:
        due_s = min(self._heartbeat_at, self._latest_at) - self._loop.time()
        try:
            async with asyncio.timeout(max(due_s, 0.0)):
                await wake.wait()
        except TimeoutError:
            return

    async def _beats(self) -> bytes:
        now_s = self._loop.time()
        beats = b""
        if now_s >= self._latest_at:
            self._latest_at = now_s + self._here.settings.latest_s
            beats += event_text("latest", await self._latest())
        if now_s >= self._heartbeat_at:
            self._heartbeat_at = now_s + self._here.settings.heartbeat_s
            # A comment for those who only keep the line open, an event for those who watch it.
            beats += b": heartbeat\n\n" + event_text("heartbeat", self._now())
        return beats

    def _now(self) -> bytes:
        live = self._here.ports.live
        now = {"now": time_text(live.now_ns()), "revision": live.catalogue().revision}
        return json.dumps(now).encode()

    async def _latest(self) -> bytes:
        catalogue, now_ns = self._here.catalogue, self._here.ports.live.now_ns()
        known = [i for i in self._channel_ids if i in catalogue.channel_index]
        latest = await self._here.latest(known)
        changed = {i: one for i, one in latest.items() if self._told.get(i) != one}
        self._told.update(changed)
        items = {}
        for channel_id, one in changed.items():
            channel = find_channel(channel_id, catalogue)
            document = channel and latest_out(channel, one, catalogue, now_ns)
            if document:
                items[channel_id] = document.model_dump()
        return json.dumps({"now": time_text(now_ns), "channels": items}).encode()


def resume_after(header: str | None, query: EventQuery) -> int | None:
    """Return the number to go on after: a reconnecting browser's header, else the query's."""
    if not header:
        return query.after
    if not (header.isascii() and header.isdigit() and len(header) <= 19):
        raise bad_request("header.Last-Event-ID", "not a number", "send the id of an event")
    return min(int(header), INT64_MAX)


@router.get(
    "/events",
    summary="Listen to transitions (server-sent events)",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def listen(
    request: Request,
    here: Here,
    query: Annotated[EventQuery, Query()],
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Answer with events for as long as the listener stays.

    ``transition``: a transition, its number the event's id; ``latest``, each second, where channels
    are given: those that changed; ``heartbeat`` and ``hello``: the service's present.
    """
    after = resume_after(last_event_id, query)
    if here.hub.closed:
        raise ApiError(503, "The service is shutting down.", headers={"Retry-After": "5"})
    if here.listeners >= here.settings.listeners_max:
        raise ApiError(503, "Too many listeners.", "Close some.", headers={"Retry-After": "30"})
    cursor = await here.hub.start(after)
    listener = Listener(here, cursor, query.latest or [], transport_of(request.scope))
    return EventStream(
        here.counted(listener.events()),
        here.settings.send_timeout_s,
        here.metrics.listeners_cut.inc,
    )
