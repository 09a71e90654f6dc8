"""The facilities at this moment, put together at most once a second for all who ask."""

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from api.pool import Pool
from api.ports import Live
from api.present import reports_on_change
from domain.alarm import Alarm
from domain.catalogue import Catalogue, Channel
from domain.grade import Grade
from domain.readings import Int32s, Int64s, UInt8s

_AGE_S_MAX = 1.0
_EVER = 2**63 - 1


@dataclass(slots=True)
class FacilityPicture:
    """One facility now; ``open_alarms`` counts its own alarms by their grade now."""

    grade: Grade = Grade.NORMAL
    open_alarms: Counter[Grade] = field(default_factory=Counter)
    open_faults: int = 0
    unacknowledged: int = 0
    channels: int = 0
    fresh_channels: int = 0
    in_commissioning: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a picture stays as long as the revision: columns of measured channels, and counts.

    ``facility`` is the place of a channel's facility; ``age_ns_max`` how old its newest reading may be to
    be fresh; ``channels`` and ``in_commissioning`` count by facility. ``ids`` are the facilities'
    ascending, and ``places`` says where each stands.
    """

    catalogue: Catalogue
    ids: list[str]
    places: dict[str, int]
    channel: Int32s
    facility: Int32s
    age_ns_max: Int64s
    counts: npt.NDArray[np.bool_]  # towards its facility's grade: it is not in commissioning
    channels: list[int]
    in_commissioning: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class CityPicture:
    """Every facility of one revision now. A facility is put together when it is asked for."""

    plan: Plan
    grades: list[int]  # by place, as are the fresh channels
    fresh_channels: list[int]
    alarms: dict[str, list[Alarm]]  # the open ones, by facility

    @property
    def catalogue(self) -> Catalogue:
        """The revision that is drawn."""
        return self.plan.catalogue

    @property
    def ids(self) -> list[str]:
        """The ids of all facilities, ascending."""
        return self.plan.ids

    def grade(self, facility_id: str) -> Grade:
        """Return the worst grade among a facility's channels."""
        return Grade(self.grades[self.plan.places[facility_id]])

    def facility(self, facility_id: str) -> FacilityPicture:
        """Return one facility; raises ``KeyError`` where there is none of this id."""
        place = self.plan.places[facility_id]
        picture = FacilityPicture(
            self.grade(facility_id),
            channels=self.plan.channels[place],
            fresh_channels=self.fresh_channels[place],
            in_commissioning=self.plan.in_commissioning[place],
        )
        for alarm in self.alarms.get(facility_id, ()):
            picture.unacknowledged += not alarm.acknowledged
            if alarm.instrument:
                picture.open_faults += 1
            else:
                picture.open_alarms[alarm.grade] += 1
        return picture


def plan_of(catalogue: Catalogue) -> Plan:
    """Return the plan of a revision; walks over all channels, once."""
    ids = sorted(facility.id for facility in catalogue.facilities)
    places = {facility_id: place for place, facility_id in enumerate(ids)}
    chosen = [
        (number, places[channel.facility], _age_ns_max(channel, catalogue), channel.commissioning)
        for number, channel in enumerate(catalogue.channels)
        if channel.fault is None and channel.facility in places
    ]
    place: Int32s = np.array([row[1] for row in chosen], np.int32)
    commissioning = np.array([row[3] for row in chosen], np.bool_)
    return Plan(
        catalogue,
        ids,
        places,
        np.array([row[0] for row in chosen], np.int32),
        place,
        np.array([row[2] for row in chosen], np.int64),
        ~commissioning,
        np.bincount(place, minlength=len(places)).tolist(),
        np.bincount(place[commissioning], minlength=len(places)).tolist(),
    )


def _age_ns_max(channel: Channel, catalogue: Catalogue) -> int:
    return _EVER if reports_on_change(channel, catalogue) else catalogue.caught_up_age_ns(channel)


def draw(live: Live, plan: Plan, time_ns: Int64s, grade: UInt8s) -> CityPicture:
    """Return the picture of all facilities, of all channels' newest times and grades."""
    count = len(plan.channels)
    times = time_ns[plan.channel]
    fresh = (times != 0) & (live.now_ns() - times <= plan.age_ns_max)
    worst = np.zeros(count, np.uint8)
    np.maximum.at(worst, plan.facility[plan.counts], grade[plan.channel[plan.counts]])
    alarms: defaultdict[str, list[Alarm]] = defaultdict(list)
    for alarm in live.open_alarms():
        alarms[alarm.facility].append(alarm)
    new = np.bincount(plan.facility[fresh], minlength=count)
    return CityPicture(plan, worst.tolist(), new.tolist(), dict(alarms))


class Pictures:
    """Draws in a thread, one drawing at a time, shared by all who wait for it."""

    def __init__(self, live: Live, pool: Pool) -> None:
        self._live = live
        self._pool = pool
        self._drawing = asyncio.Lock()
        self._plan: Plan | None = None
        self._last: CityPicture | None = None
        self._drawn_s = 0.0

    async def now(self) -> CityPicture:
        """Return a picture that is at most a second old."""
        async with self._drawing:
            old = self._last is None or self._last.catalogue is not self._live.catalogue()
            if old or time.monotonic() - self._drawn_s > _AGE_S_MAX:
                began_s = time.monotonic()  # it shows what was there then, however long it takes
                self._last = await self._pool.run(self._draw)
                self._drawn_s = began_s
            assert self._last is not None  # noqa: S101  drawn by now
            return self._last

    def _draw(self) -> CityPicture:
        catalogue, time_ns, grade = self._live.newest()
        if self._plan is None or self._plan.catalogue is not catalogue:
            self._plan = plan_of(catalogue)
        return draw(self._live, self._plan, time_ns, grade)
