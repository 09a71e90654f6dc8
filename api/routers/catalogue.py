"""The active revision of the catalogue, its kinds and quantities."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Here
from api.lists import ListQuery, cut
from api.present import time_text, words
from api.schemas import CatalogueOut, KindOut, Listed, QuantityOut

router = APIRouter(tags=["catalogue"])


@router.get("/catalogue", summary="Show the active revision of the catalogue")
async def show_catalogue(here: Here) -> CatalogueOut:
    """Return the revision, how much it holds, and the service's present."""
    catalogue = here.catalogue
    return CatalogueOut(
        revision=catalogue.revision,
        name=words(catalogue.name),
        kinds=len(catalogue.kinds),
        facilities=len(catalogue.facilities),
        gateways=len(catalogue.gateways),
        channels=len(catalogue.channels),
        now=time_text(here.ports.live.now_ns()),
        open_reads=here.settings.open_reads,
    )


@router.get("/kinds", summary="List the kinds of facility")
async def list_kinds(here: Here, query: Annotated[ListQuery, Query()]) -> Listed[KindOut]:
    """Return the kinds by id."""
    by_id = here.catalogue.kind_by_id
    part, cursor = cut(sorted(by_id), query.cursor, query.limit)
    return Listed(items=[KindOut(id=i, name=words(by_id[i].name)) for i in part], next=cursor)


@router.get("/quantities", summary="List what channels may measure")
async def list_quantities(here: Here, query: Annotated[ListQuery, Query()]) -> Listed[QuantityOut]:
    """Return the quantities by id."""
    by_id = here.catalogue.quantity_by_id
    part, cursor = cut(sorted(by_id), query.cursor, query.limit)
    items = [
        QuantityOut(
            id=i, name=words(by_id[i].name), unit=by_id[i].unit, symbol=words(by_id[i].symbol)
        )
        for i in part
    ]
    return Listed(items=items, next=cursor)
