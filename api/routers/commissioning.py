"""Commissioning: what is being set up is kept and graded, and raises nothing."""

from collections.abc import Sequence

from fastapi import APIRouter

from api.auth import Writer
from api.context import Context, Here
from api.errors import ApiError, not_found
from api.present import channel_out, find_channel
from api.schemas import ChannelOut
from api.schemas_catalogue import CommissionedOut, CommissioningIn
from domain.catalogue import Catalogue, Channel

router = APIRouter(tags=["commissioning"])


async def _commission(
    here: Context, target: str, channels: Sequence[Channel], *, on: bool, author: str
) -> CommissionedOut:
    ids = [one.id for one in channels if one.commissioning is not on]
    revision = here.catalogue.revision
    if ids:
        revision = await here.ports.revisions.commission(ids, on=on, author=author)
        word = f"{'in' if on else 'out of'} commissioning: {len(ids)} channels"
        await here.ports.audit.record(author, "commission", target, word)
    return CommissionedOut(revision=revision, channels=ids)


def _leads(channel: Channel, catalogue: Catalogue) -> bool:
    """Whether a channel's commissioning is its own: a derived one follows its inputs."""
    inputs = channel.feature.inputs if channel.feature else ()
    found = [one for name in inputs if (one := find_channel(name, catalogue)) is not None]
    if channel.commissioning and not any(one.commissioning for one in found):
        return channel.fault is None
    return channel.fault is None and all(one.facility != channel.facility for one in found)


@router.patch("/channels/{channel_id:path}", summary="Put a channel into commissioning, or out")
async def change_channel(
    here: Here, key: Writer, channel_id: str, body: CommissioningIn
) -> ChannelOut:
    """Return the channel as it is in the new revision."""
    channel = find_channel(channel_id, here.catalogue)
    if channel is None:
        raise not_found("channel", channel_id)
    if channel.fault is not None:
        remedy = "Give the id of the channel it watches."
        raise ApiError(422, "A fault channel follows the channel that it watches.", remedy)
    await _commission(here, channel_id, [channel], on=body.commissioning, author=key.name)
    catalogue = here.catalogue
    latest = await here.latest([channel_id])
    found = find_channel(channel_id, catalogue) or channel
    return channel_out(found, catalogue, latest.get(channel_id), here.ports.live.now_ns())


@router.post(
    "/facilities/{facility_id:path}/commissioning",
    summary="Put a facility's channels into commissioning, or out",
)
async def commission_facility(
    here: Here, key: Writer, facility_id: str, body: CommissioningIn
) -> CommissionedOut:
    """Return the revision, and the channels that were otherwise before."""
    catalogue = here.catalogue
    if facility_id not in catalogue.facility_by_id:
        raise not_found("facility", facility_id)
    own = [
        one for one in catalogue.channels if one.facility == facility_id and _leads(one, catalogue)
    ]
    return await _commission(here, facility_id, own, on=body.commissioning, author=key.name)


@router.post(
    "/gateways/{gateway_id}/commissioning",
    summary="Put a gateway's channels into commissioning, or out",
)
async def commission_gateway(
    here: Here, key: Writer, gateway_id: str, body: CommissioningIn
) -> CommissionedOut:
    """Return the revision, and the measured channels that were otherwise before."""
    catalogue = here.catalogue
    if gateway_id not in catalogue.gateway_index:
        raise not_found("gateway", gateway_id)
    own = [one for one in catalogue.channels if one.gateway == gateway_id and one.fault is None]
    return await _commission(here, gateway_id, own, on=body.commissioning, author=key.name)
