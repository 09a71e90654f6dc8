"""The catalogue's way in: imported where it changed, adopted into, activated through the journal."""

import asyncio
from dataclasses import replace

import pytest

from api.ports import AdoptRequest, Refused
from api.ports_catalogue import FaultyDocuments
from domain.catalogue import Catalogue, Text
from domain.journal import CatalogueChange
from service import importing
from service.catalogues import Catalogues
from service.importing import digest_of, feature_faults, import_offline
from service.settings import ROOT, Settings
from storage.catalogue.document import CatalogueError
from storage.catalogue.revisions import CatalogueStore, OutdatedError
from storage.state import StateEngine
from tests.service.running import SMALL_CITY

TEMPLATES = ROOT / "config" / "templates"


class Journal:
    """Rows appended, and who judges by them: a revision is active as soon as its row is."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        self.records: list[CatalogueChange] = []
        self.active = Catalogue(revision=0)
        self.refuses = 0

    @property
    def base(self):
        return self.active

    def prepare(self, revision):
        if revision == self.refuses:
            raise ValueError("channels go round in a circle")

    def open_alarms(self):
        return []

    async def append(self, records):
        self.records += records
        self.active = await asyncio.to_thread(self._store.load, records[-1].revision)
        return len(self.records)


class Inbox:
    def __init__(self) -> None:
        self.forgotten = []

    async def forget_unregistered(self, gateway, name):
        self.forgotten.append((gateway, name))


@pytest.fixture
async def state(tmp_path):
    engine = await StateEngine.open(f"sqlite:///{tmp_path / 'state.db'}")
    yield engine
    await engine.close()


@pytest.fixture
def city(tmp_path):
    path = tmp_path / "city.yaml"
    path.write_text(SMALL_CITY, encoding="utf-8")
    return path


@pytest.fixture
def house(state, city):
    store = CatalogueStore(state)
    journal, inbox = Journal(store), Inbox()
    settings = Settings(catalogue=[city], templates=TEMPLATES)
    catalogues = Catalogues(settings, store, state, journal, inbox, lambda: 17, journal)
    return catalogues, journal, inbox


async def look_until_stable(catalogues):
    """Look as often as it takes for new contents to be taken: twice, and never at once."""
    await catalogues.look()
    await catalogues.look()


def request(**changes):
    fields = {
        "facility": "bridge/test",
        "channel": "depth",
        "name": Text("水深", "Depth"),
        "quantity": "water_depth",
        "sample_interval_s": 60.0,
        "author": "li",
    }
    return AdoptRequest(**{**fields, **changes})


async def test_files_are_imported_once_and_again_when_they_change(house, city):
    catalogues, journal, _inbox = house
    await catalogues.start()
    await catalogues.start()
    assert journal.records == [CatalogueChange(1, 17)]
    city.write_text(SMALL_CITY.replace("Testville", "Testtown"), encoding="utf-8")
    await catalogues.start()
    assert [row.revision for row in journal.records] == [1, 2]
    assert journal.active.name.en == "Testtown"


BAD = ["facilities: [", SMALL_CITY.replace("kind: gas", "kind: joy")]


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_file_stops_the_start_of_a_service_without_any_revision(house, city, bad):
    catalogues, _journal, _inbox = house
    city.write_text(bad, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"city\.yaml:\d+: "):
        await catalogues.start()


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_file_leaves_the_last_good_revision_and_is_told(house, city, bad):
    catalogues, journal, _inbox = house
    await catalogues.start()
    city.write_text(bad, encoding="utf-8")
    await catalogues.start()
    assert journal.active.revision == 1
    assert "city.yaml:" in catalogues.problem()
    assert "going on with revision 1" in catalogues.problem()
    city.write_text(SMALL_CITY, encoding="utf-8")
    await look_until_stable(catalogues)
    assert catalogues.problem() == ""
    assert journal.active.revision == 1, "it is what was imported"


async def test_a_file_that_is_gone_is_told_by_name(house, city):
    catalogues, _journal, _inbox = house
    city.unlink()
    with pytest.raises(CatalogueError, match=r"city\.yaml:1: cannot be read"):
        await catalogues.start()


async def test_a_file_is_taken_only_once_it_stands_still(house, city):
    catalogues, journal, _inbox = house
    await catalogues.start()
    city.write_text(SMALL_CITY.replace("Testville", "Half"), encoding="utf-8")
    await catalogues.look()
    city.write_text(SMALL_CITY.replace("Testville", "Whole"), encoding="utf-8")
    await catalogues.look()
    assert journal.active.name.en == "Testville"
    await catalogues.look()
    assert journal.active.name.en == "Whole"
    assert journal.active.revision == 2


async def test_a_revision_of_another_process_is_activated(house, state, city, tmp_path):
    catalogues, journal, _inbox = house
    await catalogues.start()
    other = tmp_path / "other.yaml"
    other.write_text(SMALL_CITY.replace("Testville", "Elsewhere"), encoding="utf-8")
    offline = Settings(
        catalogue=[other], templates=TEMPLATES, state_url=f"sqlite:///{tmp_path / 'state.db'}"
    )
    assert await import_offline(offline) == 2
    await look_until_stable(catalogues)
    await look_until_stable(catalogues)
    assert journal.active.name.en == "Elsewhere", "our own file has not changed"
    assert journal.active.revision == 2
    city.write_text(SMALL_CITY.replace("Testville", "Mine again"), encoding="utf-8")
    await look_until_stable(catalogues)
    assert journal.active.name.en == "Mine again"


async def test_a_revision_that_cannot_be_judged_by_never_comes_into_the_journal(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    journal.refuses = 2
    with pytest.raises(Refused, match="round in a circle"):
        await catalogues.submit(SMALL_CITY.encode(), "li", "")
    await catalogues.look()
    assert [row.revision for row in journal.records] == [1]
    assert "round in a circle" in catalogues.problem()


async def test_a_document_makes_a_revision_and_files_unchanged_leave_it(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    document = SMALL_CITY.replace("Testville", "By the interface").encode()
    assert await catalogues.submit(document, "li", "for the works") == 2
    await look_until_stable(catalogues)
    await catalogues.start()
    assert journal.active.name.en == "By the interface"
    newest = (await catalogues.revisions(None, 1))[0]
    assert (newest.revision, newest.author, newest.note) == (2, "li", "for the works")
    assert newest.channels == len(journal.active.channels)


async def test_a_faulty_document_is_told_whole_and_changes_nothing(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    bad = SMALL_CITY.replace("kind: gas", "kind: joy").replace("quantity: methane", "quantity: x")
    with pytest.raises(FaultyDocuments) as told:
        await catalogues.submit(bad.encode(), "li", "")
    assert {fault.line > 1 for fault in told.value.faults} == {True}
    assert journal.active.revision == 1


async def test_the_preview_tells_what_would_change(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    other = SMALL_CITY.replace("{grade: yellow, high: 20,", "{grade: yellow, high: 25,")
    found = await catalogues.preview(other.encode())
    assert [one.channel for one in found.limits_changed] == ["gas/test/methane"]
    assert (found.limits_changed[0].before[0].value, found.limits_changed[0].after[0].value) == (
        20,
        25,
    )
    assert not found.channels_added
    assert not found.channels_removed
    assert journal.active.revision == 1


async def test_going_back_makes_a_new_revision_of_the_old_contents(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    first = journal.active
    await catalogues.submit(SMALL_CITY.replace("Testville", "Other").encode(), "li", "")
    assert await catalogues.activate_again(1, "wang") == 3
    assert replace(journal.active, revision=1) == first
    assert not (await catalogues.compare(3, 1)).limits_changed
    with pytest.raises(KeyError):
        await catalogues.activate_again(9, "wang")


async def test_commissioning_survives_the_files_until_they_say_otherwise(house, city):
    catalogues, journal, _inbox = house
    await catalogues.start()
    channel = "bridge/test/deflection"
    assert await catalogues.commission([channel], on=True, author="li") == 2
    assert journal.active.channel(channel).commissioning
    assert journal.active.channel(f"{channel}:silent").commissioning
    city.write_text(SMALL_CITY.replace("Testville", "Testtown"), encoding="utf-8")
    await look_until_stable(catalogues)
    assert journal.active.name.en == "Testtown"
    assert journal.active.channel(channel).commissioning
    said = SMALL_CITY.replace(
        "      - id: deflection\n", "      - id: deflection\n        commissioning: true\n"
    )
    city.write_text(said, encoding="utf-8")
    await look_until_stable(catalogues)
    city.write_text(SMALL_CITY, encoding="utf-8")
    await look_until_stable(catalogues)
    assert journal.active.channel(channel).commissioning, "the word is of files that say no"
    await catalogues.commission([channel], on=False, author="li")
    assert not journal.active.channel(channel).commissioning


async def test_a_save_of_another_process_meanwhile_is_not_lost(house, state):
    catalogues, journal, _inbox = house
    await catalogues.start()
    store = CatalogueStore(state)
    latest = store.latest_revision
    base = await store.catalogue(1)
    changed = replace(base, name=Text("别处", "Elsewhere"))
    await store.save(changed, "other", 1, "", "d")
    assert await latest() == 2
    await catalogues.commission(["bridge/test/deflection"], on=True, author="li")
    assert journal.active.name.en == "Elsewhere"
    with pytest.raises(OutdatedError):
        await store.save(changed, "other", 1, "", "d", follows=2)


async def test_a_large_site_is_built_in_another_process(house, monkeypatch):
    catalogues, journal, _inbox = house
    monkeypatch.setattr(importing, "IN_THREAD_BYTES_MAX", 10)
    await catalogues.start()
    assert journal.active.name.en == "Testville"
    with pytest.raises(FaultyDocuments, match="joy"):
        await catalogues.submit(BAD[1].encode(), "li", "")


async def test_an_adopted_name_is_a_channel_of_the_next_revision(house):
    catalogues, journal, inbox = house
    await catalogues.start()
    channel = await catalogues.adopt("gw-bridge", "Depth", request())
    assert channel.id == "bridge/test/depth"
    assert journal.active.channel(channel.id) == channel
    assert journal.active.revision == 2
    assert inbox.forgotten == [("gw-bridge", "Depth")]


async def test_the_gateway_of_an_adopted_name_may_be_new(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    await catalogues.adopt("newcomer", "Depth", request())
    assert "newcomer" in journal.active.gateway_index
    assert "gateway/newcomer:silent" in journal.active.channel_index


async def test_what_was_adopted_survives_an_import_of_the_files(house, city):
    catalogues, journal, _inbox = house
    await catalogues.start()
    before = await catalogues.adopt("gw-bridge", "Depth", request())
    city.write_text(SMALL_CITY.replace("Testville", "Testtown"), encoding="utf-8")
    await catalogues.start()
    assert journal.active.channel(before.id) == before
    assert journal.active.name.en == "Testtown"


async def test_adopting_makes_the_files_no_newer(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    await catalogues.adopt("gw-bridge", "Depth", request())
    await catalogues.start()
    assert journal.active.revision == 2


@pytest.mark.parametrize(
    "changes", [{"quantity": "joy"}, {"quantity": "deflection"}, {"channel": "deflection"}]
)
async def test_what_cannot_be_adopted_is_refused_with_the_reason(house, changes):
    """No such quantity; one that needs a design value; an id that is taken."""
    catalogues, journal, inbox = house
    await catalogues.start()
    with pytest.raises(Refused) as told:
        await catalogues.adopt("gw-bridge", "Depth", request(**changes))
    assert told.value.status == 422
    assert str(told.value)
    assert journal.active.revision == 1
    assert inbox.forgotten == []


async def test_adoptions_at_the_same_time_all_take_effect(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    await asyncio.gather(
        *(
            catalogues.adopt("gw-bridge", f"Depth {n}", request(channel=f"depth-{n}"))
            for n in range(5)
        )
    )
    assert journal.active.revision == 6
    assert all(f"bridge/test/depth-{n}" in journal.active.channel_index for n in range(5))


async def test_a_quantity_nobody_uses_yet_can_be_adopted(house):
    catalogues, journal, _inbox = house
    await catalogues.start()
    assert "temperature" in journal.active.quantity_by_id
    assert "fault_code" not in journal.active.quantity_by_id, "no lift stands here"
    await catalogues.adopt("gw-bridge", "T", request(quantity="temperature"))


def test_the_digest_depends_on_the_files_and_the_templates(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("a", encoding="utf-8")
    second.write_text("b", encoding="utf-8")
    whole = digest_of([first, second], tmp_path / "none")
    assert digest_of([first, second], tmp_path / "none") == whole
    assert digest_of([second, first], tmp_path / "none") != whole
    assert digest_of([first], tmp_path / "none") != whole
    assert digest_of([first, second], TEMPLATES) != whole
    second.unlink()
    assert digest_of([first, second], tmp_path / "none") is None


def test_feature_faults_come_from_the_feature_itself():
    assert feature_faults("rolling", {"window_s": -1}, 1)
    assert not feature_faults("rate", {"window_s": 60.0}, 1)
