"""The audit: who did what to what, and when."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Administrator
from api.context import Here
from api.lists import ListQuery, from_store
from api.present import time_text
from api.schemas import AuditOut, Listed

router = APIRouter(tags=["audit"])


@router.get("/audit", summary="List what people did, newest first")
async def list_audit(
    here: Here, key: Administrator, query: Annotated[ListQuery, Query()]
) -> Listed[AuditOut]:
    """Return every write through this interface and the command line; for administrators."""
    del key
    page = await from_store(here.ports.audit.audit(query.cursor, query.limit))
    items = [
        AuditOut(
            number=entry.number,
            at=time_text(entry.at_ns),
            author=entry.author,
            action=entry.action,
            target=entry.target,
            detail=entry.detail,
        )
        for entry in page.items
    ]
    return Listed(items=items, next=page.next)
