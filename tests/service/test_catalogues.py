"""The catalogue's way in: imported where it changed, adopted into, activated through the journal."""

import asyncio

import pytest

from api.ports import AdoptRequest, Refused
from domain.catalogue import Catalogue, Text
from domain.journal import CatalogueChange
from service.catalogues import Catalogues, digest_of, feature_faults
from service.settings import ROOT, Settings
from storage.adoptions import AdoptionStore
from storage.catalogue.document import CatalogueError
from storage.catalogue.revisions import CatalogueStore
from storage.state import StateEngine
from tests.service.running import SMALL_CITY

TEMPLATES = ROOT / "config" / "templates"


class Journal:
    """Rows appended; a revision is active as soon as its row is."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        self.records: list[CatalogueChange] = []
        self.active = Catalogue(revision=0)

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
    catalogues = Catalogues(
        settings, store, AdoptionStore(state), journal, inbox, lambda: 17, lambda: journal.active
    )
    return catalogues, journal, inbox


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
    await catalogues.import_files()
    await catalogues.import_files()
    assert journal.records == [CatalogueChange(1, 17)]
    city.write_text(SMALL_CITY.replace("Testville", "Testtown"), encoding="utf-8")
    await catalogues.import_files()
    assert [row.revision for row in journal.records] == [1, 2]
    assert journal.active.name.en == "Testtown"


@pytest.mark.parametrize("bad", ["facilities: [", SMALL_CITY.replace("kind: gas", "kind: joy")])
async def test_bad_files_are_refused_and_nothing_changes(house, city, bad):
    catalogues, journal, _inbox = house
    await catalogues.import_files()
    city.write_text(bad, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"city\.yaml:\d+: "):
        await catalogues.import_files()
    assert journal.active.revision == 1


async def test_a_file_that_is_gone_is_refused_by_name(house, city):
    catalogues, _journal, _inbox = house
    city.unlink()
    with pytest.raises(CatalogueError, match=r"city\.yaml:1: cannot be read"):
        await catalogues.import_files()


async def test_an_adopted_name_is_a_channel_of_the_next_revision(house):
    catalogues, journal, inbox = house
    await catalogues.import_files()
    channel = await catalogues.adopt("gw-bridge", "Depth", request())
    assert channel.id == "bridge/test/depth"
    assert journal.active.channel(channel.id) == channel
    assert journal.active.revision == 2
    assert inbox.forgotten == [("gw-bridge", "Depth")]


async def test_the_gateway_of_an_adopted_name_may_be_new(house):
    catalogues, journal, _inbox = house
    await catalogues.import_files()
    await catalogues.adopt("newcomer", "Depth", request())
    assert "newcomer" in journal.active.gateway_index
    assert "gateway/newcomer:silent" in journal.active.channel_index


async def test_what_was_adopted_survives_an_import_of_the_files(house, city):
    catalogues, journal, _inbox = house
    await catalogues.import_files()
    before = await catalogues.adopt("gw-bridge", "Depth", request())
    city.write_text(SMALL_CITY.replace("Testville", "Testtown"), encoding="utf-8")
    await catalogues.import_files()
    assert journal.active.channel(before.id) == before
    assert journal.active.name.en == "Testtown"


async def test_adopting_makes_the_files_no_newer(house):
    catalogues, journal, _inbox = house
    await catalogues.import_files()
    await catalogues.adopt("gw-bridge", "Depth", request())
    await catalogues.import_files()
    assert journal.active.revision == 2


@pytest.mark.parametrize(
    "changes", [{"quantity": "joy"}, {"quantity": "deflection"}, {"channel": "deflection"}]
)
async def test_what_cannot_be_adopted_is_refused_with_the_reason(house, changes):
    """No such quantity; one that needs a design value; an id that is taken."""
    catalogues, journal, inbox = house
    await catalogues.import_files()
    with pytest.raises(Refused) as told:
        await catalogues.adopt("gw-bridge", "Depth", request(**changes))
    assert told.value.status == 422
    assert str(told.value)
    assert journal.active.revision == 1
    assert inbox.forgotten == []


async def test_adoptions_at_the_same_time_all_take_effect(house):
    catalogues, journal, _inbox = house
    await catalogues.import_files()
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
    await catalogues.import_files()
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
