"""Makes a golden data directory: what a released version leaves behind, and what it does next.

Run once for a release, with the code of that release, and keep what it writes for ever::

    git worktree add --detach ../released <commit>
    cd ../released && PYTHONPATH=. python <here>/tests/service/upgrade/make_golden.py \
        0.1.0 <here>/tests/service/upgrade

It runs that version's service as a process of its own, on a data clock, so that everything is a
function of the messages: a first life that is stopped in order (its snapshot), with acknowledged
and ended alarms and an adopted channel; a second one that is killed with rows after the snapshot.
Then it packs the data directory, and lets the same version go on from it with further messages: what it
has in the end is what every later version must have that opens the packed directory and is sent the
same. ``<version>.tar.xz`` holds ``data/``, ``picture.json`` (in the end) and ``further.json``.

Only what that version has may be imported here. ``picture`` is used by the test, too.
"""

import asyncio
import io
import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from domain.grade import Grade
from domain.time import NS_PER_S
from storage.alarms import AlarmStore
from storage.archive.duck import DuckArchive
from storage.state import StateEngine
from tests.conftest import start_broker
from tests.service.harness import Service, subscribe_for, wait_until
from tests.service.load import GATEWAYS, make_load, write_site

START_NS = 1_790_000_040 * NS_PER_S  # a whole minute
STEPS = 120
FIRST, SECOND = 0.45, 0.8  # of the messages: what the first and the second life are sent
ADOPT = {
    "facility": "bridge/gw-a",
    "channel": "adopted",
    "name": {"zh": "收", "en": "Adopted"},
    "quantity": "level",
}
EVER = (-(2**62), 2**62)


def picture(data):
    """Return what a stopped service has: transitions, alarms, books, notices and readings."""
    facts = asyncio.run(_state(data))
    archive = DuckArchive.open(data / "archive")
    known = [row[0] for row in archive._connection.execute("SELECT id FROM channels").fetchall()]
    facts["readings"] = {}
    for channel in sorted(known):
        series = archive.read(channel, *EVER, 1_000_000)
        columns = series.time_ns.tolist(), series.value.tolist(), series.quality.tolist()
        facts["readings"][channel] = [list(reading) for reading in zip(*columns, strict=True)]
    archive.close()
    return facts


async def _state(data):
    engine = await StateEngine.open(f"sqlite:///{data / 'state.db'}")
    store = AlarmStore(engine)
    transitions = []
    while more := await store.transitions(len(transitions), 1000):
        transitions += more
    notices = [(row.notice.id, row.notice.seq) for row in await store.outbox("nobody", 1_000_000)]
    accounts = await store.accounts()
    facts = {
        "cursor": await store.cursor(),
        "transitions": [[number, *_transition(one)] for number, one in transitions],
        "alarms": {one.alarm.id: _alarm(one.alarm) for _, one in transitions},
        "accounts": sorted(
            [a.gateway, str(a.unit), str(a.fate), str(a.reason), count]
            for a, count in accounts.items()
            if count
        ),
        "notices": notices,
    }
    await engine.close()
    return facts


def _transition(one):
    return [
        one.id, one.seq, one.ordinal, str(one.kind), one.time_ns, one.recorded_ns,
        one.previous_grade.word, one.author, one.reason, one.alarm.id,
    ]  # fmt: skip


def _alarm(alarm):
    names = (
        "channel", "facility", "condition", "active", "acknowledged", "latching", "awaiting_reset",
        "ended", "raised_at_ns", "cleared_at_ns", "ended_at_ns", "acknowledged_at_ns",
        "acknowledged_by", "value", "limit", "delayed", "revision", "active_since_ns",
    )  # fmt: skip
    facts = {name: getattr(alarm, name) for name in names}
    return facts | {"grade": Grade(alarm.grade).word, "peak": Grade(alarm.peak_grade).word}


class Hand:
    """Publishes through one connection, so that the order is the order of the messages."""

    def __init__(self, port):
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "hand", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def send(self, messages):
        """Publish (topic, payload) pairs; return when the broker has them."""
        sent = [self._client.publish(topic, payload, qos=1) for topic, payload in messages]
        for info in sent:
            info.wait_for_publish(30)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def taken(service):
    """Return how many frames are in the service's books, and whether nothing is pending."""
    books = (service.ask("/api/v1/accounting") or {"items": []})["items"]
    frames = sum(book["frames"]["decoded"] + book["frames"]["undecodable"] for book in books)
    return frames, not any(book["readings"]["pending"] for book in books)


def wait_until_taken(service, count):
    wait_until(lambda: taken(service) == (count, True), lambda: taken(service))


def acknowledge(service, comment, **query):
    """Acknowledge the alarm raised first of those asked for."""
    items = service.ask("/api/v1/alarms", state="unacknowledged", limit=1000, **query)["items"]
    chosen = min(items, key=lambda item: (item["raised_at"], item["id"]))
    answer = service.tell(f"/api/v1/alarms/{chosen['id']}/acknowledge", {"comment": comment})
    assert answer[0] == 200, answer


def operate(service):
    """Acknowledge an alarm that stays, and one that is over; adopt a channel."""
    acknowledge(service, "stays", channel="bridge/gw-a/operated-01")
    returned = service.ask("/api/v1/alarms", state="unacknowledged", limit=1000)["items"]
    over = next(item["channel"] for item in reversed(returned) if not item["active"])
    acknowledge(service, "is over", channel=over)
    place = f"/api/v1/unregistered/{GATEWAYS[0]}/nobody/adopt"
    assert service.tell(place, ADOPT)[0] == 201, service.last_words()


def small_load():
    """Return (topic, payload) pairs: the kill test's, with the waves of one gateway only."""
    load = make_load(12, START_NS, STEPS)
    messages = [
        (message.topic, bytes(message.payload))
        for message in load.messages
        if message.gateway == GATEWAYS[0] or not message.topic.endswith("block")
    ]
    unknown = {"ts": load.messages[0].time_ns, "values": {"nobody": 1}}
    topic = f"lifeline/v1/north/{GATEWAYS[0]}/data/json"
    return [messages[0], (topic, json.dumps(unknown).encode()), *messages[1:]]


def pack(path, folder, files):
    """Write the archive: the data directory, and JSON documents beside it."""
    with tarfile.open(path, "w:xz", preset=9) as archive:
        archive.add(folder, "data")
        for name, document in files.items():
            body = json.dumps(document, ensure_ascii=False).encode()
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))


def make(version, target, work):
    """Run the lives and write the golden directory of ``version``."""
    broker = start_broker(work / "broker")
    subscribe_for(broker)
    site = write_site(work / "site")
    messages = small_load()
    first, second = round(FIRST * len(messages)), round(SECOND * len(messages))
    service = Service(work, broker.url, site, LIFELINE_CLOCK="data")
    hand = Hand(broker.port)
    try:
        service.start("tests.service.upgrade_small")
        service.wait_until_ready()
        hand.send(messages[:first])
        wait_until_taken(service, first)
        operate(service)
        assert service.stop() == 0, service.last_words()
        service._environment["LIFELINE_SNAPSHOT_INTERVAL_S"] = "3600"
        service.start("tests.service.upgrade_small")
        service.wait_until_ready()
        hand.send(messages[first:second])
        wait_until_taken(service, second)
        service.kill()
        shutil.copytree(service.data, work / "kept")
        del service._environment["LIFELINE_CATALOGUE"]
        service.start()
        service.wait_until_ready()
        hand.send(messages[second:])
        wait_until_taken(service, len(messages))
        acknowledge(service, "after", channel="bridge/gw-a/operated-02")
        assert service.stop() == 0, service.last_words()
    finally:
        service.clear_away()
        hand.close()
        broker.stop()
    further = [[topic, payload.decode("latin-1")] for topic, payload in messages[second:]]
    final = picture(service.data)
    files = {"picture.json": final, "further.json": {"taken": len(messages), "messages": further}}
    pack(target / f"{version}.tar.xz", work / "kept", files)


SMALL = '''"""The command line with small files, so that a slice is sealed and a segment closed."""

from functools import partial

from service.__main__ import main
from storage.archive.duck import DuckArchive
from storage.journal import SegmentJournal

if __name__ == "__main__":
    DuckArchive.open = partial(DuckArchive.open, slice_rows=3_000)
    SegmentJournal.open = partial(SegmentJournal.open, segment_bytes=30_000)
    main()
'''


if __name__ == "__main__":
    # ``serve`` runs in that version's checkout, and finds this module there.
    (Path.cwd() / "tests" / "service" / "upgrade_small.py").write_text(SMALL, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        make(sys.argv[1], Path(sys.argv[2]), Path(folder))
