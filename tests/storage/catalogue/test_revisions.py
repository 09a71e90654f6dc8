import asyncio
import datetime as dt
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.catalogue import (
    Catalogue,
    Channel,
    Checks,
    Facility,
    FacilityKind,
    Feature,
    Gateway,
    Limit,
    Quantity,
    Text,
)
from domain.grade import FaultKind, Grade, Side
from storage.catalogue import revisions
from storage.catalogue.revisions import CatalogueStore, Revision
from tests.storage.worlds import texts

figures = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | figures
ids = st.text("abc/-", min_size=1, max_size=6)
said = st.builds(Text, zh=texts, en=texts)
finite = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | figures | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)
attributes = st.dictionaries(texts, finite, max_size=3)
channels = st.builds(
    Channel,
    id=ids,
    facility=ids,
    name=said,
    quantity=ids,
    sample_interval_s=figures,
    gateway=st.none() | ids,
    sent_as=st.none() | texts,
    feature=st.none()
    | st.builds(
        Feature, kind=ids, inputs=st.lists(ids, max_size=2).map(tuple), parameters=attributes
    ),
    fault=st.none() | st.sampled_from(FaultKind),
    fault_of=st.none() | ids,
    checks=st.builds(Checks, fail_low=maybe, spike=maybe, flat_s=maybe, flat_tolerance=figures),
    limits=st.lists(
        st.builds(Limit, grade=st.sampled_from(Grade), side=st.sampled_from(Side), value=figures),
        max_size=2,
    ).map(tuple),
    on_change=st.booleans(),
    commissioning=st.booleans(),
    latching=st.booleans(),
    acknowledge_up_to=st.sampled_from(Grade),
    source=texts,
)
catalogues = st.builds(
    Catalogue,
    revision=st.integers(0, 9),
    name=said,
    kinds=st.lists(st.builds(FacilityKind, id=ids, name=said), max_size=2).map(tuple),
    quantities=st.lists(
        st.builds(Quantity, id=ids, name=said, unit=texts, symbol=said), max_size=2
    ).map(tuple),
    facilities=st.lists(
        st.builds(
            Facility,
            id=ids,
            kind=ids,
            name=said,
            district=ids,
            longitude_deg=maybe,
            attributes=attributes,
        ),
        max_size=2,
    ).map(tuple),
    gateways=st.lists(
        st.builds(Gateway, id=ids, district=ids, name=said, facility=ids), max_size=2
    ).map(tuple),
    channels=st.lists(channels, max_size=3).map(tuple),
)


@pytest.fixture
def store(engine):
    return CatalogueStore(engine)


def named(name):
    return Catalogue(0, name=Text(name, name))


@given(saved=catalogues)
@settings(max_examples=25, deadline=None)
def test_a_catalogue_is_read_as_it_was_saved(with_engine, saved):
    async def check(engine):
        number = await CatalogueStore(engine).save(saved, "wang", 1, "", "d")
        read = await CatalogueStore(engine).catalogue(number)
        assert read == replace(saved, revision=number)
        assert type(read.channels) is tuple
        assert all(isinstance(limit.grade, Grade) for c in read.channels for limit in c.limits)
        loaded = await asyncio.to_thread(CatalogueStore(engine).load, number)
        assert loaded == read

    with_engine(check)


async def test_an_empty_store_has_no_revision(store):
    assert await store.latest_revision() == 0
    assert await store.digest_of_latest() is None
    assert await store.revisions() == []
    with pytest.raises(KeyError):
        await store.catalogue(1)
    with pytest.raises(KeyError):
        await asyncio.to_thread(store.load, 1)


async def test_revisions_are_numbered_from_one_and_each_stays_as_it_was(store):
    for number in (1, 2, 3):
        assert (
            await store.save(named(f"city {number}"), "wang", number, "why", f"d{number}") == number
        )
    assert await store.latest_revision() == 3
    assert await store.digest_of_latest() == "d3"
    assert (await store.catalogue(1)).name.en == "city 1"
    assert await store.revisions() == [
        Revision(number, number, "wang", "why", f"d{number}", 0) for number in (3, 2, 1)
    ]


async def test_saves_at_the_same_time_get_numbers_of_their_own(store):
    saves = [store.save(named(f"city {n}"), "wang", n, "", f"d{n}") for n in range(8)]
    assert sorted(await asyncio.gather(*saves)) == list(range(1, 9))


async def test_the_newest_few_stay_in_memory_and_the_others_are_read(store, engine):
    count = revisions.KEPT_IN_MEMORY + 2
    for number in range(1, count + 1):
        await store.save(named(f"city {number}"), "wang", 1, "", "d")
    assert await store.catalogue(count) is await store.catalogue(count)
    assert await store.catalogue(count) is await asyncio.to_thread(store.load, count)
    for number in range(1, count + 1):
        assert (await asyncio.to_thread(store.load, number)).name.en == f"city {number}"


@pytest.mark.parametrize(
    "attribute", [math.nan, math.inf, dt.date(2024, 5, 1), (1, 2), "\ud800", {1: 2}, 1j]
)
async def test_a_catalogue_that_would_read_back_otherwise_is_refused(store, attribute):
    facility = Facility("f", "bridge", Text("桥", "bridge"), "north", attributes={"a": attribute})
    with pytest.raises(ValueError, match="cannot be stored"):
        await store.save(Catalogue(0, facilities=(facility,)), "wang", 1, "", "d")
    assert await store.latest_revision() == 0
