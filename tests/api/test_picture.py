"""The city's picture is what each channel's own answer adds up to."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from api.picture import FacilityPicture, draw, plan_of
from api.present import is_fresh
from domain.grade import Grade
from domain.readings import Latest
from tests.api.fakes import NOW_NS, MemoryLive, MemoryStore


def drawn_one_by_one(live):
    """Return the picture as its words say it, channel by channel."""
    catalogue = live.catalogue()
    facilities = {facility.id: FacilityPicture() for facility in catalogue.facilities}
    latest = live.look(None)
    for channel in catalogue.channels:
        facility = facilities.get(channel.facility)
        if facility is None or channel.fault is not None:
            continue
        newest = latest[channel.id]
        facility.channels += 1
        facility.in_commissioning += channel.commissioning
        facility.fresh_channels += bool(is_fresh(channel, newest, catalogue, live.now_ns()))
        if not channel.commissioning:
            facility.grade = max(facility.grade, newest.grade)
    return facilities


@pytest.mark.parametrize("seed", range(20))
def test_facilities_are_drawn_at_once_as_they_would_be_one_by_one(seed):
    rng = random.Random(seed)
    live = MemoryLive(MemoryStore())
    channels = [
        replace(each, commissioning=rng.random() < 0.3, on_change=rng.random() < 0.2)
        for each in live.active.channels
    ]
    live.active = replace(live.active, channels=tuple(channels))
    ages_s = (0, 1, 60, 100, 121, 3_600, 100_000)
    for channel in channels:
        time_ns = rng.choice([0, NOW_NS - rng.choice(ages_s) * 10**9, NOW_NS + 10**9])
        live.newest_of[channel.id] = Latest(time_ns, 1.0, 1, rng.choice(list(Grade)))
    catalogue, *columns = live.newest()
    picture = draw(live, plan_of(catalogue), *columns)
    assert picture.catalogue is live.active
    assert picture.ids == sorted(facility.id for facility in live.active.facilities)
    assert {each: picture.facility(each) for each in picture.ids} == drawn_one_by_one(live)
    assert all(picture.grade(each) is picture.facility(each).grade for each in picture.ids)
    assert all(picture.facility(each).open_alarms == Counter() for each in picture.ids)
