"""A recording through the whole service with ``--clock data``: its own time, and books that close."""

import pytest

from service.replay import publish_recording
from simulators.recording import open_recording
from tests.service.running import SMALL_CITY, Service, wait_for

RECORDING = """\
name: {zh: 试验, en: Trial}
source: made here
district: north
catalogue: catalogue.yaml
files:
  - path: day.csv
    time: {columns: [time], format: rfc3339}
    missing: ["-"]
    columns:
      deflection: {gateway: gw-bridge, sent_as: D1}
      methane: {gateway: gw-gas, sent_as: M1}
"""
ROWS = 60
CSV = "time,deflection,methane\n" + "".join(
    f"2020-05-17T08:{minute:02d}:00Z,{155 if 20 <= minute < 40 else 3},{minute if minute else '-'}\n"
    for minute in range(ROWS)
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording")
    for name, text in (
        ("recording.yaml", RECORDING),
        ("catalogue.yaml", SMALL_CITY),
        ("day.csv", CSV),
        ("truth.csv", "start,end,facility_or_channel,kind,note\n"),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    return open_recording(folder, folder)


async def test_a_recording_is_judged_in_its_own_time(recording, module_broker, tmp_path):
    service = Service(
        tmp_path, module_broker.url, [recording.catalogue_file], arguments=["--clock", "data"]
    ).start()
    sent = await publish_recording(recording, module_broker.url)
    assert (sent.frames, sent.readings) == (2 * ROWS - 1, 2 * ROWS - 1)

    def told(what: str, unit: str = "readings") -> int:
        return sum(book[unit][what] for book in service.items("/accounting"))

    wait_for(lambda: told("stored") == sent.readings, "every reading is stored")
    # Two gateways say online and offline; the last rows are counted though nothing follows them.
    wait_for(lambda: told("received", "frames") == sent.frames + 4, "every frame is counted")
    assert service.all_books_balance()
    alarm = service.wait_for_alarm("bridge/test/deflection", active=False)
    assert alarm["raised_at"] == "2020-05-17T08:20:00Z"
    assert alarm["cleared_at"] == "2020-05-17T08:40:00Z"
    assert not alarm["delayed"]
    assert service.get("/catalogue")["now"] == "2020-05-17T08:59:00Z"

    assert service.stop() == 0
    service.start()
    assert service.get("/catalogue")["now"] == "2020-05-17T08:59:00Z"
    acknowledged = service.post(f"/alarms/{alarm['id']}/acknowledge")
    assert acknowledged["acknowledged_at"] == "2020-05-17T08:59:00Z"
    assert service.close() == 0


async def test_a_recording_can_be_sent_at_a_multiple_of_lifes_speed(recording, module_broker):
    sent = await publish_recording(recording, module_broker.url, speed=7080.0)
    assert sent.frames == 2 * ROWS - 1
    assert sent.seconds >= 59 * 60 / 7080
