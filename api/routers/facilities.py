"""Facilities, as they stand now."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.answers import json_of
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


def _that_fit(city: CityPicture, query: FacilityQuery) -> Callable[[str], bool]:
    by_id = city.catalogue.facility_by_id
    grade = None if query.grade is None else Grade.from_word(query.grade)

    def fits(facility_id: str) -> bool:
        facility = by_id[facility_id]
        return (
            query.kind in (None, facility.kind)
            and query.district in (None, facility.district)
            and (grade is None or city.grade(facility_id) is grade)
        )

    return fits


@router.get(
    "/facilities",
    summary="List facilities with their grade and open alarms",
    response_model=Listed[FacilityOut],
)
async def list_facilities(here: Here, query: Annotated[FacilityQuery, Query()]) -> Response:
    """Return facilities by id."""
    city = await here.pictures.now()
    asked = ("facilities", query.model_dump_json())
    return json_of(await here.answers.give(asked, city, partial(_facilities, city, query)))


async def _facilities(city: CityPicture, query: FacilityQuery) -> bytes:
    by_id = city.catalogue.facility_by_id
    part, cursor = cut(city.ids, query.cursor, query.limit, _that_fit(city, query))
    items = [facility_out(by_id[i], city.facility(i), city.catalogue) for i in part]
    return Listed(items=items, next=cursor).model_dump_json().encode()


@router.get("/facilities/{facility_id:path}", summary="Show one facility")
async def show_facility(here: Here, facility_id: str) -> FacilityOut:
    """Return the facility with this id."""
    city = await here.pictures.now()
    facility = city.catalogue.facility_by_id.get(facility_id)
    if facility is None:
        raise not_found("facility", facility_id)
    return facility_out(facility, city.facility(facility_id), city.catalogue)
