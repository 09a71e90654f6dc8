"""Frames that gateways push, for those that cannot speak MQTT."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request

from api.auth import Credentials, gateway_of
from api.context import Context, Here
from api.errors import ApiError, not_found, shorten
from api.guard import UnfitError, read_body
from api.schemas import FrameOut

router = APIRouter(tags=["gateways"])

_ID = re.compile(r"[a-z0-9._-]{1,128}", re.ASCII)
FORMATS = {
    "application/json": "json",
    "application/cbor": "block",
    "application/senml+json": "senml",
    "application/senml+cbor": "senml",
}
"""Payload formats by media type."""


def format_of(content_type: str | None, asked: str | None, known: frozenset[str]) -> str:
    """Return the payload's format: the one asked for, else the media type's; raises 415."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    found = asked if asked is not None else FORMATS.get(media_type, "")
    if found in known:
        return found
    types = ", ".join(kind for kind, name in FORMATS.items() if name in known)
    what = f"the format {shorten(asked)!r}" if asked is not None else f"{shorten(media_type)!r}"
    raise ApiError(
        415,
        f"Nobody decodes {what}.",
        f"Send Content-Type: {types}; or ?format={'|'.join(sorted(known))}.",
    )


async def _read(here: Context, request: Request) -> bytes:
    """Return the frame; so many at once, so that strangers' bodies are bounded in all."""
    settings = here.settings
    if here.frames_reading >= settings.frames_reading_max:
        raise ApiError(
            503,
            "Too many frames at once.",
            "Send it again shortly.",
            headers={"Retry-After": "1", "Connection": "close"},
        )
    here.frames_reading += 1
    try:
        body = await read_body(
            request.scope, request.receive, settings.frame_bytes_max, settings.body_timeout_s
        )
    except UnfitError as unfit:
        raise ApiError(*unfit.answer, headers={"Connection": "close"}) from None
    finally:
        here.frames_reading -= 1
    if body is None:
        raise ApiError(400, "The frame did not come whole.", "Send it again.")
    return body


@router.post(
    "/gateways/{gateway}/frames",
    summary="Push one frame: what the gateway would publish as one message",
    status_code=202,
)
async def push_frame(
    here: Here,
    request: Request,
    gateway: str,
    credentials: Credentials,
    payload_format: Annotated[str | None, Query(alias="format", max_length=64)] = None,
    content_type: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> FrameOut:
    """Answer once the frame is safely in the journal; with any other answer, send it again.

    Authorization: Bearer and the gateway's own key. The same bytes sent again are recognised.
    """
    try:
        if _ID.fullmatch(gateway) is None:
            raise not_found("gateway", gateway)
        key = await gateway_of(here, gateway, credentials)
        kind = format_of(content_type, payload_format, here.ports.intake.formats)
    except ApiError as error:  # the body is not read then, so nothing else can come behind it
        error.headers = {**(error.headers or {}), "Connection": "close"}
        raise
    index = here.catalogue.gateway_index.get(gateway)
    district = key.district if index is None else here.catalogue.gateways[index].district
    payload = await _read(here, request)
    return FrameOut(seq=await here.ports.intake.push(gateway, district, kind, payload))
