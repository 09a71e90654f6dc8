"""What a released version left behind opens with this one, which goes on as that one would have.

``tests/service/upgrade`` holds a data directory of each release, made by that release
(``make_golden.py`` says how), and what the same release had after being sent further messages.
"""

import asyncio
import json
import tarfile
from collections import defaultdict
from pathlib import Path

import pytest

from service.evaluator import Evaluator
from service.snapshots import SnapshotFolder
from storage.catalogue.revisions import CatalogueStore
from storage.journal import SegmentJournal
from storage.state import StateEngine
from tests.service.harness import Service, subscribe_for
from tests.service.load import write_site
from tests.service.upgrade.make_golden import Hand, acknowledge, picture, wait_until_taken

RELEASES = sorted((Path(__file__).parent / "upgrade").glob("*.tar.xz"))


@pytest.fixture(params=RELEASES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def release(request, tmp_path):
    """A copy of the release's data directory, with what is to be sent and to come of it."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def read(release, name):
    return json.loads((release / name).read_text(encoding="utf-8"))


def test_the_first_release_is_there():
    assert RELEASES[0].name == "0.1.0.tar.xz"


def test_a_service_goes_on_from_a_released_ones_data_exactly_as_that_one_did(
    release, private_broker
):
    broker = private_broker()
    subscribe_for(broker)
    service = Service(release, broker.url, write_site(release / "site"), LIFELINE_CLOCK="data")
    del service._environment["LIFELINE_CATALOGUE"]  # the revision is in the state database
    further, hand = read(release, "further.json"), Hand(broker.port)
    try:
        service.start()
        service.wait_until_ready()
        hand.send([(topic, payload.encode("latin-1")) for topic, payload in further["messages"]])
        wait_until_taken(service, further["taken"])
        acknowledge(service, "after", channel="bridge/gw-a/operated-02")
        assert service.stop() == 0, service.last_words()
    finally:
        service.clear_away()
        hand.close()
    assert service.log_of_level("error", "critical") == []
    assert as_json(picture(service.data)) == read(release, "picture.json")


def test_each_snapshot_of_a_released_version_leads_to_the_transitions_that_version_had(release):
    expected = defaultdict(list)
    for number, id_, seq, *_ in read(release, "picture.json")["transitions"]:
        expected[seq].append((number, id_))
    for seq, last_seq, transitions in asyncio.run(judged_again(release / "data")):
        wanted = [id_ for at in range(seq + 1, last_seq + 1) for _, id_ in expected[at]]
        assert transitions == wanted
        assert wanted


async def judged_again(data):
    engine = await StateEngine.open(f"sqlite:///{data / 'state.db'}")
    load = CatalogueStore(engine).load
    journal = await SegmentJournal.open(data / "journal")
    found = []
    for snapshot in SnapshotFolder(data / "snapshots").newest(journal.last_seq):
        evaluator = Evaluator(load)
        await asyncio.to_thread(evaluator.restore, snapshot)
        spans = journal.read_span(evaluator.seq, journal.last_seq)
        steps = [await asyncio.to_thread(evaluator.step, rows) for rows in spans]
        ids = [transition.id for step in steps for transition in step.transitions]
        found.append((int(snapshot["seq"]), journal.last_seq, ids))
    await journal.close()
    await engine.close()
    return found


def as_json(facts):
    return json.loads(json.dumps(facts))
