"""Alarms, their transitions, and the two verbs of operators."""

import asyncio
import re
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from api.answers import json_of
from api.auth import Writer
from api.context import Context, Here
from api.errors import ApiError, not_found
from api.lists import INT64_MAX, ListQuery, QueryId, QueryTime, from_store, parse_time
from api.ports import AlarmFilter, Key
from api.present import alarm_fields, alarm_out, evidenced_out, transition_out
from api.schemas import (
    AlarmDetail,
    AlarmOut,
    CommentIn,
    GradeWord,
    Listed,
    TransitionOut,
)
from domain.grade import Condition, Grade

router = APIRouter(tags=["alarms"])

# What is no id is not worth a query, and must not become a row of the journal.
_ALARM_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class AlarmQuery(ListQuery):
    """Which alarms; all of them, raised last first, where nothing is said."""

    state: Literal["all", "open", "ended", "active", "unacknowledged"] = Field(
        "all",
        description="open: not ended; active: out of bounds now; unacknowledged: open and unseen.",
    )
    grade: list[GradeWord] | None = Field(
        None, max_length=5, description="The worst so far, or of open alarms the one now."
    )
    kind: QueryId | None = Field(None, description="Kind of the facility.")
    facility: QueryId | None = None
    channel: QueryId | None = None
    condition: Condition | None = None
    instrument: bool | None = Field(None, description="true: about instruments only.")
    since: QueryTime | None = Field(None, description="Changed at this time or later.")

    def to_filter(self) -> AlarmFilter:
        """Return the query in the house's own nouns."""
        return AlarmFilter(
            state=self.state,
            grades=frozenset(Grade.from_word(word) for word in self.grade or ()),
            facility_kind=self.kind,
            facility=self.facility,
            channel=self.channel,
            condition=self.condition,
            instrument=self.instrument,
            since_ns=None if self.since is None else parse_time(self.since),
            cursor=self.cursor,
            limit=self.limit,
        )


class TransitionQuery(ListQuery):
    """Which transitions."""

    cursor: str | None = Field(None, pattern=r"^[0-9]{1,19}$")
    after: int = Field(0, ge=0, le=INT64_MAX, description="Those with a number above this.")


def _check_id(alarm_id: str) -> None:
    if _ALARM_ID.fullmatch(alarm_id) is None:
        raise not_found("alarm", alarm_id)


@router.get("/alarms", summary="List alarms", response_model=Listed[AlarmOut])
async def list_alarms(here: Here, query: Annotated[AlarmQuery, Query()]) -> Response:
    """Return alarms, raised last first."""
    wanted = query.to_filter()
    version = (here.hub.last, here.index)
    return json_of(await here.answers.give(wanted, version, partial(_alarms, here, wanted)))


async def _alarms(here: Context, wanted: AlarmFilter) -> bytes:
    page = await from_store(here.ports.store.alarms(wanted))
    catalogue, text = here.catalogue, here.ports.alarm_text
    items = [alarm_out(alarm, catalogue, text) for alarm in page.items]
    return Listed(items=items, next=page.next).model_dump_json().encode()


@router.get("/alarms/{alarm_id}", summary="Show one alarm with its transitions and evidence")
async def show_alarm(here: Here, alarm_id: str) -> AlarmDetail:
    """Return the alarm with this id, and everything that happened to it."""
    _check_id(alarm_id)
    alarm = await here.ports.store.alarm(alarm_id)
    if alarm is None:
        raise not_found("alarm", alarm_id)
    catalogue, text = here.catalogue, here.ports.alarm_text
    written = await here.ports.store.alarm_transitions(alarm_id)
    return AlarmDetail(
        **alarm_fields(alarm, catalogue, text),
        transitions=[evidenced_out(number, one, catalogue, text) for number, one in written],
    )


async def _submit(
    here: Context, verb: str, alarm_id: str, body: CommentIn | None, key: Key
) -> AlarmOut:
    _check_id(alarm_id)
    arguments: dict[str, Any] = {"alarm_id": alarm_id}
    if body is not None and body.comment:
        arguments["comment"] = body.comment
    try:
        async with asyncio.timeout(here.settings.command_timeout_s):
            result = await here.ports.commands.submit(verb, arguments, key.name)
    except TimeoutError:
        raise ApiError(
            503,
            "The command is taken down, but not yet carried out.",
            "GET the alarm in a moment to see what became of it.",
            headers={"Retry-After": "2"},
        ) from None
    if result.status >= 400:
        raise ApiError(result.status, result.problem, "GET the alarm to see how it stands.")
    await here.ports.audit.record(key.name, verb, alarm_id, arguments.get("comment", ""))
    alarm = result.alarm or await here.ports.store.alarm(alarm_id)
    if alarm is None:
        raise not_found("alarm", alarm_id)
    return alarm_out(alarm, here.catalogue, here.ports.alarm_text)


@router.post("/alarms/{alarm_id}/acknowledge", summary="Acknowledge an alarm: somebody has seen it")
async def acknowledge_alarm(
    here: Here, key: Writer, alarm_id: str, body: CommentIn | None = None
) -> AlarmOut:
    """Return the alarm as it stands afterwards."""
    return await _submit(here, "acknowledge", alarm_id, body, key)


@router.post("/alarms/{alarm_id}/reset", summary="Reset a latching alarm")
async def reset_alarm(
    here: Here, key: Writer, alarm_id: str, body: CommentIn | None = None
) -> AlarmOut:
    """Return the alarm as it stands afterwards."""
    return await _submit(here, "reset", alarm_id, body, key)


@router.get("/transitions", summary="List transitions in the order they were written")
async def list_transitions(
    here: Here, query: Annotated[TransitionQuery, Query()]
) -> Listed[TransitionOut]:
    """Return transitions by number, without their evidence."""
    after = min(int(query.cursor), INT64_MAX) if query.cursor else query.after
    written = await here.ports.store.transitions(after, query.limit)
    catalogue, text = here.catalogue, here.ports.alarm_text
    items = [transition_out(number, one, catalogue, text) for number, one in written]
    more = len(items) == query.limit
    return Listed(items=items, next=str(items[-1].number) if more else None)
