"""Gateways, and the books of what they sent."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Here
from api.lists import ListQuery, cut, from_store
from api.ports import GatewayStatus
from api.present import time_or_none, time_text, words
from api.schemas import (
    AccountOut,
    FramesAccount,
    GatewayOut,
    Listed,
    QuarantineOut,
    ReadingsAccount,
)
from domain.accounting import (
    Accounts,
    Fate,
    Reason,
    Reject,
    Unit,
    by_fate,
    frames_balance,
    readings_balance,
)
from domain.catalogue import Catalogue

router = APIRouter(tags=["gateways"])


class QuarantineQuery(ListQuery):
    """Whose refusals."""

    gateway: str | None = None


def gateway_out(
    gateway_id: str, catalogue: Catalogue, status: GatewayStatus | None, channels: int
) -> GatewayOut:
    """Return a gateway as a document; it may have been heard without being in the catalogue."""
    index = catalogue.gateway_index.get(gateway_id)
    gateway = None if index is None else catalogue.gateways[index]
    return GatewayOut(
        id=gateway_id,
        registered=gateway is not None,
        name=words(gateway.name) if gateway else None,
        district=gateway.district if gateway else None,
        facility=gateway.facility if gateway else None,
        zone=gateway.zone if gateway else None,
        upload_interval_s=gateway.upload_interval_s if gateway else None,
        channels=channels,
        online=status.online if status else None,
        online_since=time_or_none(status.since_ns) if status else None,
        last_heard=time_or_none(status.last_heard_ns) if status else None,
    )


@router.get("/gateways", summary="List gateways and when they were last heard")
async def list_gateways(here: Here, query: Annotated[ListQuery, Query()]) -> Listed[GatewayOut]:
    """Return gateways by id: those of the catalogue, and others that were heard."""
    index = here.index
    catalogue, channels = index.catalogue, index.channels_of_gateway
    heard = {status.gateway: status for status in await here.ports.store.gateways()}
    part, cursor = cut(sorted({*catalogue.gateway_index, *heard}), query.cursor, query.limit)
    items = [gateway_out(i, catalogue, heard.get(i), channels[i]) for i in part]
    return Listed(items=items, next=cursor)


def _by_reason(accounts: Accounts, fate: Fate) -> dict[str, int]:
    return {
        account.reason.value: count
        for account, count in sorted(accounts.items(), key=lambda entry: entry[0].reason.value)
        if account.fate == fate and account.reason is not Reason.NONE
    }


def frames_account(accounts: Accounts) -> FramesAccount:
    """Return the books of a gateway's frames."""
    fates = by_fate(accounts, Unit.FRAMES)
    return FramesAccount(
        received=fates[Fate.RECEIVED],
        decoded=fates[Fate.DECODED],
        duplicate=fates[Fate.DUPLICATE],
        undecodable=fates[Fate.UNDECODABLE],
        undecodable_by_reason=_by_reason(accounts, Fate.UNDECODABLE),
        refused=fates[Fate.REFUSED],
        refused_by_reason=_by_reason(accounts, Fate.REFUSED),
        balanced=frames_balance(fates),
    )


def readings_account(accounts: Accounts) -> ReadingsAccount:
    """Return the books of the readings in a gateway's decoded frames."""
    fates = by_fate(accounts, Unit.READINGS)
    return ReadingsAccount(
        received=fates[Fate.RECEIVED],
        stored=fates[Fate.STORED],
        late=fates[Fate.LATE],
        unregistered=fates[Fate.UNREGISTERED],
        rejected=fates[Fate.REJECTED],
        rejected_by_reason=_by_reason(accounts, Fate.REJECTED),
        quarantined=fates[Fate.QUARANTINED],
        quarantined_by_reason=_by_reason(accounts, Fate.QUARANTINED),
        pending=fates[Fate.PENDING],
        balanced=readings_balance(fates),
    )


@router.get("/accounting", summary="List the books: where every frame and reading went")
async def list_accounts(here: Here, query: Annotated[ListQuery, Query()]) -> Listed[AccountOut]:
    """Return the books by gateway, in frames and in readings; each must balance."""
    accounts = await here.ports.store.accounts()
    names = {account.gateway for account in accounts} | set(here.catalogue.gateway_index)
    part, cursor = cut(sorted(names), query.cursor, query.limit)
    books: dict[str, Accounts] = {name: Counter() for name in part}
    for account, count in accounts.items():
        if account.gateway in books:
            books[account.gateway][account] = count
    items = []
    for name in part:
        frames, readings = frames_account(books[name]), readings_account(books[name])
        balanced = frames.balanced and readings.balanced
        items.append(AccountOut(gateway=name, frames=frames, readings=readings, balanced=balanced))
    return Listed(items=items, next=cursor)


def quarantine_out(reject: Reject) -> QuarantineOut:
    """Return an entry of the quarantine as a document."""
    excerpt = reject.excerpt.decode("utf-8", "backslashreplace")
    return QuarantineOut(
        seq=reject.seq,
        gateway=reject.gateway,
        topic=reject.topic,
        received_at=time_text(reject.received_ns),
        unit=reject.unit.value,
        fate=reject.fate.value,
        reason=reject.reason.value,
        detail=reject.detail,
        channel_name=reject.channel_name,
        excerpt="".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in excerpt),
        count=reject.count,
    )


@router.get("/quarantine", summary="List what was refused, and why")
async def list_quarantine(
    here: Here, query: Annotated[QuarantineQuery, Query()]
) -> Listed[QuarantineOut]:
    """Return refused frames and readings, newest first."""
    page = await from_store(here.ports.store.quarantine(query.gateway, query.cursor, query.limit))
    return Listed(items=[quarantine_out(entry) for entry in page.items], next=page.next)
