"""Facilities, as they stand now."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.context import Here
from api.errors import not_found
from api.lists import ListQuery, QueryId, cut
from api.picture import CityPicture, FacilityPicture
from api.present import grade_word, plain, words
from api.schemas import FacilityOut, GradeWord, Listed, OpenAlarms
from domain.catalogue import Catalogue, Facility
from domain.grade import Grade

router = APIRouter(tags=["facilities"])


class FacilityQuery(ListQuery):
    """Which facilities."""

    kind: QueryId | None = None
    district: str | None = None
    grade: GradeWord | None = None


def facility_out(facility: Facility, picture: FacilityPicture, catalogue: Catalogue) -> FacilityOut:
    """Return a facility as a document."""
    counts = picture.open_alarms
    located = facility.longitude_deg is not None and facility.latitude_deg is not None
    return FacilityOut(
        id=facility.id,
        kind=facility.kind,
        name=words(facility.name),
        district=facility.district,
        location=plain([facility.longitude_deg, facility.latitude_deg]) if located else None,
        attributes=plain(facility.attributes),
        grade=grade_word(picture.grade),
        open_alarms=OpenAlarms(**{grade.word: counts[grade] for grade in Grade}),
        open_faults=picture.open_faults,
        unacknowledged=picture.unacknowledged,
        profile=catalogue.profile_of(facility.id),
        in_commissioning=picture.in_commissioning,
        channels=picture.channels,
        fresh_channels=picture.fresh_channels,
    )


def _fits(facility: Facility, city: CityPicture, query: FacilityQuery) -> bool:
    return (
        query.kind in (None, facility.kind)
        and query.district in (None, facility.district)
        and query.grade in (None, city.facilities[facility.id].grade.word)
    )


@router.get("/facilities", summary="List facilities with their grade and open alarms")
async def list_facilities(
    here: Here, query: Annotated[FacilityQuery, Query()]
) -> Listed[FacilityOut]:
    """Return facilities by id."""
    city = await here.pictures.now()
    by_id = city.catalogue.facility_by_id
    ids = sorted(item.id for item in city.catalogue.facilities if _fits(item, city, query))
    part, cursor = cut(ids, query.cursor, query.limit)
    return Listed(
        items=[facility_out(by_id[i], city.facilities[i], city.catalogue) for i in part],
        next=cursor,
    )


@router.get("/facilities/{facility_id:path}", summary="Show one facility")
async def show_facility(here: Here, facility_id: str) -> FacilityOut:
    """Return the facility with this id."""
    city = await here.pictures.now()
    facility = city.catalogue.facility_by_id.get(facility_id)
    if facility is None:
        raise not_found("facility", facility_id)
    return facility_out(facility, city.facilities[facility_id], city.catalogue)
