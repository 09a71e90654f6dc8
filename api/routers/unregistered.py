"""The inbox of names that the catalogue does not know, and their adoption."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Writer
from api.context import Here
from api.errors import ApiError, bad_request, not_found
from api.lists import ListQuery, from_store
from api.ports import AdoptRequest, Inboxed
from api.present import channel_out, finite, time_text
from api.schemas import AdoptIn, ChannelOut, Listed, UnregisteredOut
from domain.catalogue import Catalogue, Text

NAME_CHARS_MAX = 128

router = APIRouter(tags=["unregistered"])


def unregistered_out(entry: Inboxed) -> UnregisteredOut:
    """Return an entry of the inbox as a document."""
    return UnregisteredOut(
        gateway=entry.gateway,
        name=entry.channel_name,
        count=entry.count,
        first_seen=time_text(entry.first_seen_ns),
        last_seen=time_text(entry.last_seen_ns),
        last_time=time_text(entry.last_time_ns),
        last_value=finite(entry.last_value),
    )


@router.get("/unregistered", summary="List names that the catalogue does not know")
async def list_unregistered(
    here: Here, query: Annotated[ListQuery, Query()]
) -> Listed[UnregisteredOut]:
    """Return the inbox."""
    page = await from_store(here.ports.store.unregistered(query.cursor, query.limit))
    return Listed(items=[unregistered_out(entry) for entry in page.items], next=page.next)


def _check(catalogue: Catalogue, gateway: str, name: str, wanted: AdoptIn) -> None:
    if wanted.facility not in catalogue.facility_by_id:
        raise bad_request("body.facility", "there is no such facility", "GET /api/v1/facilities")
    if wanted.quantity not in catalogue.quantity_by_id:
        raise bad_request("body.quantity", "there is no such quantity", "GET /api/v1/quantities")
    channel_id = f"{wanted.facility}/{wanted.channel}"
    if channel_id in catalogue.channel_index:
        raise ApiError(409, f"There is a channel {channel_id!r} already.", "Choose another id.")
    if (gateway, name) in catalogue.sent_index:
        taken = catalogue.channels[catalogue.sent_index[gateway, name]].id
        raise ApiError(409, f"This name is the channel {taken!r} already.")


@router.post(
    "/unregistered/{gateway}/{name:path}/adopt",
    summary="Adopt a name: it becomes a channel",
    status_code=201,
)
async def adopt_name(here: Here, key: Writer, gateway: str, name: str, body: AdoptIn) -> ChannelOut:
    """Return the new channel; it is of the next revision of the catalogue."""
    if len(name) > NAME_CHARS_MAX or len(gateway) > NAME_CHARS_MAX:
        raise not_found("unregistered name", name)
    _check(here.catalogue, gateway, name, body)
    request = AdoptRequest(
        facility=body.facility,
        channel=body.channel,
        name=Text(body.name.zh, body.name.en),
        quantity=body.quantity,
        sample_interval_s=body.sample_interval_s,
        author=key.name,
        parameters=body.parameters,
    )
    channel = await here.ports.adoption.adopt(gateway, name, request)
    await here.ports.audit.record(key.name, "adopt", channel.id, f"{gateway} sends it as {name}")
    return channel_out(channel, here.catalogue, None, here.ports.live.now_ns())
