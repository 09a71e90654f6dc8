"""People's words on commissioning: what follows them, and how long they hold."""

from domain.catalogue import Catalogue, Channel, Feature, Text
from domain.grade import FaultKind
from storage.commissioning import CommissioningStore, Word, commission, keep_words, still_said

NAME = Text("", "")


def channel(name, *inputs, fault_of=None, commissioning=False):
    return Channel(
        name, "f", NAME, "q", 1.0,
        gateway=None if inputs or fault_of else "g", sent_as=None if inputs or fault_of else name,
        feature=Feature("scale", inputs) if inputs else None,
        fault=FaultKind.SILENT if fault_of else None, fault_of=fault_of,
        commissioning=commissioning,
    )  # fmt: skip


CITY = Catalogue(
    1,
    channels=(
        channel("a"), channel("b"), channel("own", "b", commissioning=True), channel("sum", "a", "b"),
        channel("far", "sum"), channel("a:silent", fault_of="a"), channel("far:silent", fault_of="far"),
    ),
)  # fmt: skip


def in_commissioning(catalogue):
    return {one.id for one in catalogue.channels if one.commissioning}


def test_what_is_derived_follows_and_so_do_the_faults():
    on = commission(CITY, {"a": True})
    assert in_commissioning(on) == {"a", "a:silent", "sum", "far", "far:silent", "own"}
    assert commission(on, {"a": False}).channels == CITY.channels


def test_with_one_of_two_inputs_still_in_commissioning_the_sum_stays():
    both = commission(CITY, {"a": True, "b": True})
    assert "sum" in in_commissioning(commission(both, {"a": False}))


def test_a_derived_channel_may_be_named_by_itself():
    assert in_commissioning(commission(CITY, {"sum": True})) == {"sum", "far", "far:silent", "own"}


def test_nothing_wanted_changes_nothing():
    assert commission(CITY, {}) is CITY


def test_a_word_holds_until_the_files_change_their_mind():
    assert still_said(CITY, [Word("a", True, False)]) == {"a": True}
    assert still_said(CITY, [Word("own", False, True)]) == {"own": False}
    assert still_said(CITY, [Word("a", False, True), Word("gone", True, False)]) == {}


async def test_words_are_kept_and_one_that_says_the_files_is_none(engine):
    store = CommissioningStore(engine)
    await engine.write(lambda it: keep_words(it, [Word("a", True, False), Word("b", True, False)]))
    await engine.write(lambda it: keep_words(it, [Word("a", False, False)]))
    assert await store.words() == [Word("b", True, False)]
