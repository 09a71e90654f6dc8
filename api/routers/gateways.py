"""Gateways, and the books of what they sent."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Here
from api.lists import ListQuery, cut, from_store
from api.ports import GatewayStatus, Refusal
from api.present import time_or_none, time_text, words
from api.schemas import (
    AccountOut,
    FramesAccount,
    GatewayOut,
    Listed,
    QuarantineOut,
    ReadingsAccount,
)
from domain.accounting import Accounts, Fate, Reason, Unit
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
    catalogue = here.catalogue
    heard = {status.gateway: status for status in await here.ports.store.gateways()}
    channels = Counter(one.gateway for one in catalogue.channels if one.fault is None)
    part, cursor = cut(sorted({*catalogue.gateway_index, *heard}), query.cursor, query.limit)
    items = [gateway_out(i, catalogue, heard.get(i), channels[i]) for i in part]
    return Listed(items=items, next=cursor)


def _by_fate(accounts: Accounts, gateway: str, unit: Unit) -> Counter[Fate]:
    fates: Counter[Fate] = Counter()
    for account, count in accounts.items():
        if account.gateway == gateway and account.unit == unit:
            fates[account.fate] += count
    return fates


def _by_reason(accounts: Accounts, gateway: str, fate: Fate) -> dict[str, int]:
    return {
        account.reason.value: count
        for account, count in sorted(accounts.items(), key=lambda entry: entry[0].reason.value)
        if account.gateway == gateway and account.fate == fate and account.reason is not Reason.NONE
    }
