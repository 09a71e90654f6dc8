"""Channels, with their newest reading, and their readings from the archive."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.context import Here
from api.errors import not_found
from api.lists import ListQuery, QueryId, cut
from api.present import channel_out, find_channel
from api.readings import ReadingsQuery, read
from api.schemas import ChannelOut, GradeWord, Listed, ReadingsOut
from domain.catalogue import Catalogue, Channel

router = APIRouter(tags=["channels"])


class ChannelQuery(ListQuery):
    """Which channels. ``fault``: only, or none of, the channels of instrument faults."""

    facility: QueryId | None = None
    kind: QueryId | None = None
    quantity: str | None = None
    gateway: str | None = None
    grade: GradeWord | None = None
    fault: bool | None = None


def _fits(channel: Channel, catalogue: Catalogue, query: ChannelQuery) -> bool:
    if query.kind is not None:
        facility = catalogue.facility_by_id.get(channel.facility)
        if facility is None or facility.kind != query.kind:
            return False
    return (
        query.quantity in (None, channel.quantity)
        and query.gateway in (None, channel.gateway)
        and query.fault in (None, channel.fault is not None)
    )


async def _of_grade(here: Here, ids: list[str], grade: str) -> list[str]:
    latest = await here.latest(ids)
    return [i for i in ids if i in latest and latest[i].grade.word == grade]


@router.get("/channels", summary="List channels with their newest reading")
async def list_channels(here: Here, query: Annotated[ChannelQuery, Query()]) -> Listed[ChannelOut]:
    """Return channels by id."""
    index = here.index
    catalogue = index.catalogue
    ids = index.channel_ids
    if query.facility is not None:
        ids = index.by_facility.get(query.facility, [])
    if query.grade is not None:
        ids = await _of_grade(here, ids, query.grade)
    part, cursor = cut(
        ids, query.cursor, query.limit, lambda i: _fits(catalogue.channel(i), catalogue, query)
    )
    latest, now_ns = await here.latest(part), here.ports.live.now_ns()
    items = [channel_out(catalogue.channel(i), catalogue, latest.get(i), now_ns) for i in part]
    return Listed(items=items, next=cursor)


@router.get(
    "/channels/{channel_id:path}/readings",
    summary="Read a channel's readings, raw or in buckets",
    response_model=ReadingsOut,
)
async def list_readings(
    here: Here, channel_id: str, query: Annotated[ReadingsQuery, Query()]
) -> Response:
    """Return readings in [start, end), ascending; the last hour where no span is given."""
    catalogue = here.catalogue
    channel = find_channel(channel_id, catalogue)
    if channel is None:
        raise not_found("channel", channel_id)
    return await read(here, channel, catalogue, query)


@router.get("/channels/{channel_id:path}", summary="Show one channel")
async def show_channel(here: Here, channel_id: str) -> ChannelOut:
    """Return the channel with this id."""
    catalogue = here.catalogue
    channel = find_channel(channel_id, catalogue)
    if channel is None:
        raise not_found("channel", channel_id)
    latest = await here.latest([channel_id])
    return channel_out(channel, catalogue, latest.get(channel_id), here.ports.live.now_ns())
