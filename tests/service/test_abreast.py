"""The interface's process keeps abreast: no answer and no event comes before what it speaks of is there."""

import asyncio

import pytest

from domain.catalogue import Catalogue
from service.abreast import Abreast, Stamp
from storage.catalogue.packing import encode_catalogue

DEADLINE_S = 20.0


class Service:
    """The other end of the line, as far as ``Abreast`` asks it."""

    def __init__(self):
        self.serial, self.revision, self.in_force, self.told, self.now_ns = 0, 0, {}, 0, 0
        self.asked = []
        self.may_load = asyncio.Event()
        self.may_load.set()

    @property
    def stamp(self):
        return Stamp(self.serial, self.told, self.now_ns)

    async def ask(self, port, method, *given):
        self.asked.append((port, method, *given))
        await asyncio.sleep(0)
        if method == "described":
            return self.stamp, (self.serial, self.revision, self.in_force)
        await self.may_load.wait()
        return self.stamp, encode_catalogue(Catalogue(revision=1))

    def change(self, revision):
        self.serial, self.revision = self.serial + 1, revision


@pytest.fixture
def service():
    return Service()


def loads(service):
    return [asked[2] for asked in service.asked if asked[1] == "document"]


async def test_it_begins_where_the_service_is(service):
    service.change(7)
    service.told, service.now_ns = 40, 5
    abreast = Abreast(service)
    await abreast.begin()
    assert abreast.shown.serial == 1
    assert abreast.shown.catalogue.revision == 7
    assert abreast.now_ns == 5
    await asyncio.wait_for(
        abreast.keep(service.stamp), DEADLINE_S
    )  # all of the forty are of before


async def test_an_answer_waits_for_the_catalogue_it_speaks_of(service):
    abreast = Abreast(service)
    await abreast.begin()
    service.change(2)
    service.may_load.clear()
    waiting = asyncio.create_task(abreast.keep(service.stamp))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert abreast.shown.catalogue.revision == 0
    service.may_load.set()
    await asyncio.wait_for(waiting, DEADLINE_S)
    assert abreast.shown.catalogue.revision == 2


async def test_a_revision_that_was_made_ready_is_not_loaded_again(service):
    abreast = Abreast(service)
    await abreast.begin()
    await asyncio.gather(abreast.prepare(3), abreast.prepare(3))
    service.change(3)
    await abreast.keep(service.stamp)
    assert loads(service) == [3]
    assert abreast.shown.catalogue.revision == 3


async def test_another_profile_needs_no_other_revision(service):
    abreast = Abreast(service)
    service.change(3)
    await abreast.begin()
    service.change(3)
    service.in_force = {"bridge/a": "typhoon"}
    await abreast.keep(service.stamp)
    assert loads(service) == [3]
    assert abreast.shown.catalogue.profile_of("bridge/a") == "typhoon"


async def test_many_who_wait_load_once(service):
    abreast = Abreast(service)
    await abreast.begin()
    service.change(4)
    await asyncio.gather(*(abreast.keep(service.stamp) for _ in range(20)))
    assert loads(service) == [4]


async def test_an_answer_waits_for_what_was_told_before_it(service):
    abreast, heard = Abreast(service), []
    await abreast.begin()
    abreast.subscribe(heard.append)
    service.told = 2
    waiting = asyncio.create_task(abreast.keep(service.stamp))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    abreast.publish(0, [(1, None)])
    abreast.publish(0, [(2, None)])
    await asyncio.wait_for(waiting, DEADLINE_S)
    assert heard == [[(1, None)], [(2, None)]]


async def test_events_wait_for_their_catalogue_and_keep_their_order(service):
    abreast, heard = Abreast(service), []
    await abreast.begin()
    stop = abreast.subscribe(lambda written: heard.append((written[0][0], abreast.shown.serial)))
    service.may_load.clear()
    service.change(5)
    abreast.publish(0, [(1, None)])
    abreast.publish(1, [(2, None)])
    abreast.publish(1, [(3, None)])
    assert heard == [(1, 0)]
    await asyncio.sleep(0.05)
    abreast.publish(1, [(4, None)])
    assert heard == [(1, 0)]
    service.may_load.set()
    async with asyncio.timeout(DEADLINE_S):
        await abreast.keep(Stamp(1, 4, 0))
    assert heard == [(1, 0), (2, 1), (3, 1), (4, 1)]
    stop()
    abreast.publish(1, [(5, None)])
    assert len(heard) == 4


async def test_news_are_taken_where_nobody_asks(service):
    abreast = Abreast(service)
    await abreast.begin()
    service.change(6)
    service.now_ns = 99
    abreast.note(service.stamp)
    abreast.note(service.stamp)
    assert abreast.now_ns == 99
    async with asyncio.timeout(DEADLINE_S):
        await abreast.keep(service.stamp)
    assert abreast.shown.catalogue.revision == 6
    assert loads(service) == [6]


async def test_of_revisions_of_before_nothing_is_kept(service):
    abreast = Abreast(service)
    await abreast.begin()
    for revision in range(1, 6):
        service.change(revision)
        await abreast.keep(service.stamp)
    assert list(abreast._bases) == [5]
