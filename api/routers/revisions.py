"""Revisions of the catalogue: listed, compared, made of a document, activated again."""

import json
import re
from collections.abc import Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.auth import Administrator
from api.context import Context, Here
from api.errors import ApiError, bad_request, not_found
from api.lists import INT64_MAX, ListQuery
from api.ports_catalogue import Differences, FaultyDocuments, Revision
from api.present import limit_out, time_text
from api.schemas import Listed
from api.schemas_catalogue import (
    ClosingAlarmOut,
    DifferencesOut,
    LimitsChangeOut,
    RevisionOut,
    SubmittedOut,
)

LISTED_MAX = 1_000
FAULTS_MAX = 1_000
NOTE_CHARS_MAX = 400
_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
_BODY = {"schema": {"type": "string"}, "example": "facilities: []"}
_PAIR = re.compile(rb"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

router = APIRouter(tags=["catalogue"])


class RevisionQuery(ListQuery):
    """Which revisions, newest first."""

    cursor: str | None = Field(None, pattern=r"^[0-9]{1,18}$")


def revision_out(revision: Revision, active: int) -> RevisionOut:
    """Return a revision as a document."""
    return RevisionOut(
        revision=revision.revision,
        at=time_text(revision.at_ns),
        author=revision.author,
        note=revision.note,
        channels=revision.channels,
        active=revision.revision == active,
    )


def differences_out(found: Differences) -> DifferencesOut:
    """Return differences as a document, the first of each list."""
    lists: dict[str, Sequence[str]] = {
        f"{noun}_{verb}": getattr(found, f"{noun}_{verb}")
        for noun in ("facilities", "gateways", "channels")
        for verb in ("added", "removed")
    }
    shown: dict[str, Any] = {name: list(items[:LISTED_MAX]) for name, items in lists.items()}
    changed = islice(found.channels_changed.items(), LISTED_MAX)
    return DifferencesOut(
        **shown,
        channels_changed={name: list(fields) for name, fields in changed},
        limits_changed=[
            LimitsChangeOut(
                channel=one.channel,
                before=[limit_out(limit) for limit in one.before],
                after=[limit_out(limit) for limit in one.after],
            )
            for one in found.limits_changed[:LISTED_MAX]
        ],
        alarms_closing=[
            ClosingAlarmOut(alarm=one.alarm_id, channel=one.channel, reason=one.reason)
            for one in found.alarms_closing[:LISTED_MAX]
        ],
        counts={
            **{name: len(items) for name, items in lists.items()},
            "channels_changed": len(found.channels_changed),
            "limits_changed": len(found.limits_changed),
            "alarms_closing": len(found.alarms_closing),
        },
    )


@router.get("/catalogue/revisions", summary="List revisions of the catalogue, newest first")
async def list_revisions(
    here: Here, query: Annotated[RevisionQuery, Query()]
) -> Listed[RevisionOut]:
    """Return who saved which revision, when and why."""
    before = int(query.cursor) if query.cursor else None
    found = list(await here.ports.revisions.revisions(before, query.limit + 1))
    items = [revision_out(one, here.catalogue.revision) for one in found[: query.limit]]
    more = len(found) > query.limit
    return Listed(items=items, next=str(items[-1].revision) if more else None)


@router.get("/catalogue/revisions/{revision}", summary="Show one revision of the catalogue")
async def show_revision(here: Here, revision: int) -> RevisionOut:
    """Return who saved it, when and why."""
    if 0 < revision < INT64_MAX:
        for found in await here.ports.revisions.revisions(revision + 1, 1):
            if found.revision == revision:
                return revision_out(found, here.catalogue.revision)
    raise not_found("revision", str(revision))


@router.get("/catalogue/revisions/{revision}/diff", summary="Compare a revision with another")
async def compare_revisions(
    here: Here, revision: int, against: int | None = None
) -> DifferencesOut:
    """Return what goes from ``against``, the active revision by default, to this one."""
    await show_revision(here, revision)
    if against is not None:
        await show_revision(here, against)
    return differences_out(await here.ports.revisions.compare(revision, against))


@router.post("/catalogue/revisions/{revision}/activate", summary="Go back to a revision")
async def activate_revision(here: Here, key: Administrator, revision: int) -> RevisionOut:
    """Return the new revision that is made of its contents: numbers only rise."""
    await show_revision(here, revision)
    made = await here.ports.revisions.activate_again(revision, key.name)
    await here.ports.audit.record(key.name, "activate-revision", str(made), f"as {revision}")
    return await show_revision(here, made)


@router.post(
    "/catalogue/revisions",
    summary="Make a revision of the whole site's document",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": dict.fromkeys(("application/yaml", "application/json"), _BODY),
        }
    },
)
async def submit_document(
    here: Here,
    key: Administrator,
    request: Request,
    dry_run: bool = False,
    note: Annotated[str, Query(max_length=NOTE_CHARS_MAX)] = "",
) -> SubmittedOut:
    """Return the revision and what it changed; with ``dry_run`` only what it would change."""
    document = await _document(request)
    try:
        preview = differences_out(await here.ports.revisions.preview(document))
        if dry_run:
            return SubmittedOut(revision=None, differences=preview)
        return await _submit(here, document, key.name, note, preview)
    except FaultyDocuments as error:
        raise _faulty(error) from None


async def _submit(
    here: Context, document: bytes, author: str, note: str, preview: DifferencesOut
) -> SubmittedOut:
    revision = await here.ports.revisions.submit(document, author, note)
    await here.ports.audit.record(author, "submit-catalogue", str(revision), note)
    return SubmittedOut(revision=revision, differences=preview)


async def _document(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind in _YAML:
        return body
    if kind != "application/json":
        remedy = "send Content-Type: application/yaml, or application/json"
        raise bad_request("header.content-type", "not a kind of document", remedy)
    try:
        json.loads(body)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise bad_request(f"document:{line}", f"not JSON: {error}"[:200], "correct it") from None
    # JSON is YAML but for these; lines stay where they are.
    return _PAIR.sub(_joined, body.replace(b"\t", b" "))


def _joined(pair: re.Match[bytes]) -> bytes:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).encode()


def _faulty(error: FaultyDocuments) -> ApiError:
    faults = error.faults
    entries = [
        {
            "place": f"{fault.file}:{fault.line}",
            "problem": fault.message,
            "remedy": fault.remedy,
            "file": fault.file,
            "line": str(fault.line),
            "message": fault.message,
        }
        for fault in faults[:FAULTS_MAX]
    ]
    count = f"{len(faults)} faults" if len(faults) != 1 else "1 fault"
    detail = f"The document makes no catalogue: {count}."
    return ApiError(422, detail, "Correct the lines named; nothing was changed.", errors=entries)
