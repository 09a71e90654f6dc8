"""The facilities at this moment, put together at most once a second for all who ask."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from api.pool import Pool
from api.ports import Live
from api.present import is_fresh
from domain.catalogue import Catalogue
from domain.grade import Grade

_AGE_S_MAX = 1.0


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
class CityPicture:
    """Every facility of one revision now."""

    catalogue: Catalogue
    facilities: dict[str, FacilityPicture]


def draw(live: Live) -> CityPicture:
    """Return the picture of all facilities; walks over all channels."""
    catalogue, now_ns = live.catalogue(), live.now_ns()
    facilities = {facility.id: FacilityPicture() for facility in catalogue.facilities}
    latest = live.latest(None)
    for channel in catalogue.channels:
        facility = facilities.get(channel.facility)
        if facility is None or channel.fault is not None:
            continue
        facility.channels += 1
        facility.in_commissioning += channel.commissioning
        newest = latest.get(channel.id)
        if newest is None:
            continue
        facility.fresh_channels += bool(is_fresh(channel, newest, catalogue, now_ns))
        if not channel.commissioning:
            facility.grade = max(facility.grade, newest.grade)
    for alarm in live.open_alarms():
        facility = facilities.get(alarm.facility)
        if facility is None:
            continue
        facility.unacknowledged += not alarm.acknowledged
        if alarm.instrument:
            facility.open_faults += 1
        else:
            facility.open_alarms[alarm.grade] += 1
    return CityPicture(catalogue, facilities)


class Pictures:
    """Draws in a thread, one drawing at a time, shared by all who wait for it."""

    def __init__(self, live: Live, pool: Pool) -> None:
        self._live = live
        self._pool = pool
        self._drawing = asyncio.Lock()
        self._last: CityPicture | None = None
        self._drawn_s = 0.0

    async def now(self) -> CityPicture:
        """Return a picture that is at most a second old."""
        async with self._drawing:
            old = self._last is None or self._last.catalogue is not self._live.catalogue()
            if old or time.monotonic() - self._drawn_s > _AGE_S_MAX:
                self._last = await self._pool.run(lambda: draw(self._live))
                self._drawn_s = time.monotonic()
            assert self._last is not None  # noqa: S101  drawn by now
            return self._last
