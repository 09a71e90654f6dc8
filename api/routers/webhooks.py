"""Webhooks: how each endpoint is, what it did not take, and trying it."""

import re
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.auth import Administrator
from api.context import Here
from api.errors import not_found
from api.lists import ListQuery, cut, from_store
from api.ports import DeadLetter, WebhookState
from api.present import alarm_out, time_or_none, time_text
from api.schemas import AlarmOut, Document, Listed, TimeText

router = APIRouter(tags=["webhooks"])

_NOTICE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class WebhookOut(Document):
    """An endpoint that is told of alarms. Counts are since the service's start."""

    name: str
    host: str = Field(description="Where it is; the path may be a secret and is not shown.")
    state: str = Field(description="starting, working, failing, or disabled: it answered 410.")
    cursor: int = Field(description="Number of the notice up to which it is done.")
    lag: int = Field(description="Notices written after the cursor.")
    waiting: int = Field(description="Notices read and not delivered yet.")
    oldest_waiting: TimeText | None = Field(description="When the first that waits was recorded.")
    catching_up: bool = Field(description="Worst first, and the newest of each alarm only.")
    last_success: TimeText | None
    failing_since: TimeText | None
    last_error: str
    last_error_at: TimeText | None
    delivered: int
    failures: int
    superseded: int = Field(description="Left out while catching up: a later notice said more.")
    dead_letters: int


class DeadLetterOut(Document):
    """A notice that the endpoint did not take while it took others."""

    id: str = Field(description="The notice's id; the webhook-id of its requests.")
    number: int
    attempts: int
    error: str
    first_tried: TimeText
    last_tried: TimeText
    alarm: AlarmOut


class DeliveredOut(Document):
    """The endpoint took it."""

    delivered: bool
    status: int | None = Field(description="The answer's status; null where a notice was sent.")


def webhook_out(state: WebhookState) -> WebhookOut:
    """Return an endpoint as a document."""
    return WebhookOut(
        name=state.name,
        host=state.host,
        state=state.state,
        cursor=state.cursor,
        lag=state.lag,
        waiting=state.waiting,
        oldest_waiting=time_or_none(state.oldest_ns),
        catching_up=state.catching_up,
        last_success=time_or_none(state.last_success_ns),
        failing_since=time_or_none(state.failing_since_ns),
        last_error=state.last_error,
        last_error_at=time_or_none(state.last_error_ns),
        delivered=state.delivered,
        failures=state.failures,
        superseded=state.superseded,
        dead_letters=state.dead_letters,
    )


@router.get("/webhooks", summary="List the webhooks and how they are")
async def list_webhooks(here: Here, query: Annotated[ListQuery, Query()]) -> Listed[WebhookOut]:
    """Return the endpoints by name."""
    states = {state.name: state for state in await here.ports.webhooks.states()}
    part, cursor = cut(sorted(states), query.cursor, query.limit)
    return Listed(items=[webhook_out(states[name]) for name in part], next=cursor)


@router.get("/webhooks/{name}/dead-letters", summary="List what an endpoint did not take")
async def list_dead_letters(
    here: Here, name: str, query: Annotated[ListQuery, Query()]
) -> Listed[DeadLetterOut]:
    """Return dead letters, newest first."""
    page = await from_store(here.ports.webhooks.dead_letters(name, query.cursor, query.limit))

    def out(letter: DeadLetter) -> DeadLetterOut:
        notice = letter.told.notice
        return DeadLetterOut(
            id=notice.id,
            number=letter.told.number,
            attempts=letter.attempts,
            error=letter.error,
            first_tried=time_text(letter.first_tried_ns),
            last_tried=time_text(letter.last_tried_ns),
            alarm=alarm_out(notice.alarm, here.catalogue, here.ports.alarm_text),
        )

    return Listed(items=[out(letter) for letter in page.items], next=page.next)


@router.post(
    "/webhooks/{name}/dead-letters/{notice_id}/redeliver", summary="Send a dead letter again"
)
async def redeliver_dead_letter(
    here: Here, key: Administrator, name: str, notice_id: str
) -> DeliveredOut:
    """Send it once, under its old id; where the endpoint takes it, it is a dead letter no longer."""
    if _NOTICE_ID.fullmatch(notice_id) is None:
        raise not_found("dead letter", notice_id)
    await here.ports.webhooks.redeliver(name, notice_id)
    await here.ports.audit.record(key.name, "redeliver", f"{name}/{notice_id}")
    return DeliveredOut(delivered=True, status=None)


@router.post("/webhooks/{name}/test", summary="Send a signed test to an endpoint")
async def test_webhook(here: Here, key: Administrator, name: str) -> DeliveredOut:
    """Send a test; one that succeeds also enables an endpoint that had answered 410."""
    status = await here.ports.webhooks.test(name, key.name)
    await here.ports.audit.record(key.name, "test-webhook", name)
    return DeliveredOut(delivered=True, status=status)
