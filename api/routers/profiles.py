"""Limit profiles: which there are, where they are in force, and the verb that changes that."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from api.auth import Writer
from api.context import Here
from api.errors import ApiError, bad_request, not_found
from api.lists import parse_time
from api.present import time_or_none, time_text, words
from api.schemas_catalogue import (
    ActivateProfileIn,
    InForceOut,
    ProfileChangeOut,
    ProfileOut,
    ProfilesOut,
)
from domain.catalogue import NORMAL_PROFILE, Profile
from domain.profiles import ActiveProfile, ProfileChange

DETAIL_CHARS_MAX = 400

router = APIRouter(tags=["profiles"])


def _in_force(actives: Mapping[str, ActiveProfile], profile: Profile) -> list[InForceOut]:
    return [
        InForceOut(
            facility=facility,
            since=time_text(active.since_ns),
            until=time_or_none(active.until_ns),
            author=active.author,
            reason=active.reason,
        )
        for facility, active in sorted(actives.items())
        if active.profile == profile.id
    ]


def change_out(change: ProfileChange) -> ProfileChangeOut:
    """Return a change as a document."""
    return ProfileChangeOut(
        seq=change.seq,
        profile=change.profile,
        facilities=list(change.facilities),
        at=time_text(change.at_ns),
        until=time_or_none(change.until_ns),
        author=change.author or None,
        reason=change.reason,
    )


@router.get("/profiles", summary="List limit profiles, and where they are in force")
async def list_profiles(here: Here) -> ProfilesOut:
    """Return the profiles of the active revision; facilities in none are in *normal*."""
    changes = await here.ports.profile_log.profile_changes()
    actives = await here.ports.live.profiles()
    return ProfilesOut(
        items=[
            ProfileOut(id=one.id, name=words(one.name), in_force=_in_force(actives, one))
            for one in here.catalogue.profiles
        ],
        changes=[change_out(change) for change in changes],
    )


@router.post("/profiles/{profile_id}/activate", summary="Put a limit profile in force")
async def activate_profile(
    here: Here, key: Writer, profile_id: str, body: ActivateProfileIn
) -> ProfilesOut:
    """Return the profiles as they stand afterwards; ``normal`` takes one back."""
    if profile_id != NORMAL_PROFILE and profile_id not in here.catalogue.profile_by_id:
        raise not_found("profile", profile_id)
    arguments: dict[str, Any] = {
        "profile": profile_id,
        "scope": body.scope.model_dump(exclude_none=True),
        "reason": body.reason,
    }
    if body.until is not None:
        arguments["until_ns"] = _until(body.until)
    try:
        async with asyncio.timeout(here.settings.command_timeout_s):
            result = await here.ports.commands.submit("profile", arguments, key.name)
    except TimeoutError:
        raise _not_yet() from None
    if result.status == 202:
        raise _not_yet()
    if result.status >= 400:
        raise ApiError(result.status, result.problem, "GET /api/v1/profiles and /facilities.")
    scope = json.dumps(arguments["scope"], ensure_ascii=False)
    detail = f"{scope[:DETAIL_CHARS_MAX]}: {body.reason}"
    await here.ports.audit.record(key.name, "profile", profile_id, detail)
    return await list_profiles(here)


def _until(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError:
        remedy = "give RFC 3339, such as 2026-07-01T08:00:00+08:00"
        raise bad_request("body.until", "not a time from 1970 to 2261", remedy) from None


def _not_yet() -> ApiError:
    detail = "The command is taken down, but not yet carried out."
    remedy = "GET /api/v1/profiles in a moment to see what became of it."
    return ApiError(503, detail, remedy, headers={"Retry-After": "2"})
