"""Recordings: any plainly written file, read to the line, and errors that name file and line."""

import json
from itertools import islice
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from domain.time import parse_rfc3339
from simulators.recording import RecordingError, Truth, open_recording

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FOLDERS = sorted(path.parent for path in (ROOT / "recordings").glob("*/recording.yaml"))
HEAD = """\
name: {zh: 试验, en: Trial}
source: made here
district: north
catalogue: catalogue.yaml
files:
"""


@pytest.fixture
def record(tmp_path):
    """Write a recording of one file, and return it opened."""

    def write(file: str, text: str, encoding: str = "utf-8", name: str = "data.csv"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        described = f"  - {{path: {name}, {file}}}\n"
        (tmp_path / "recording.yaml").write_text(HEAD + described, encoding="utf-8")
        return open_recording(tmp_path, tmp_path)

    return write


COLUMNS = "columns: {a: {gateway: g1, sent_as: A}, b: {gateway: g1, sent_as: B}}"
RFC3339 = "time: {columns: [time], format: rfc3339}"


def read(recording) -> list[tuple[str, dict]]:
    """Return what is sent: (time, values)."""
    told = []
    for recorded in recording.messages():
        message = json.loads(recorded.message.payload)
        assert parse_rfc3339(message["ts"]) == recorded.message.time_ns
        assert recorded.reading_count == len(message["values"])
        told.append((message["ts"], message["values"]))
    return told


def test_every_line_from_the_first_to_the_last_is_sent(record):
    text = "time,a,b\n2020-01-01T00:00:00Z,1,2\n2020-01-01T00:00:01Z,3,4\n"
    assert read(record(f"{RFC3339}, {COLUMNS}", text)) == [
        ("2020-01-01T00:00:00Z", {"A": 1, "B": 2}),
        ("2020-01-01T00:00:01Z", {"A": 3, "B": 4}),
    ]


def test_missing_values_are_not_sent_and_no_line_of_nothing_is(record):
    text = "time,a,b\n2020-01-01T00:00:00Z,NULL,2\n2020-01-01T00:00:01Z,,-9999\n\n"
    recording = record(f'missing: ["NULL", "-9999"], {RFC3339}, {COLUMNS}', text)
    assert read(recording) == [("2020-01-01T00:00:00Z", {"B": 2})]


def test_a_line_cut_short_sends_what_it_has(record):
    recording = record(f"{RFC3339}, {COLUMNS}", "time,a,b\n2020-01-01T00:00:00Z,1\n")
    assert read(recording) == [("2020-01-01T00:00:00Z", {"A": 1})]


def test_a_decimal_comma_is_a_decimal_sign(record):
    text = "time\ta\tb\n2020-01-01T00:00:00Z\t1,5\t-0,25\n"
    recording = record(f'delimiter: "\\t", decimal: ",", {RFC3339}, {COLUMNS}', text)
    assert read(recording) == [("2020-01-01T00:00:00Z", {"A": 1.5, "B": -0.25})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "gb18030", "utf-16"])
def test_files_may_be_encoded_as_people_encode_them(record, encoding):
    text = "Längs,time,b\n1,2020-01-01T00:00:00Z,2\n"
    columns = 'columns: {"Längs": {gateway: g1, sent_as: A}}'
    recording = record(f"encoding: {encoding}, {RFC3339}, {columns}", text, encoding)
    assert read(recording) == [("2020-01-01T00:00:00Z", {"A": 1})]


def test_columns_go_by_number_where_they_have_no_name(record):
    columns = 'columns: {"1": {gateway: g1, sent_as: A}}'
    file = f"header_lines: 0, time: {{columns: [0], format: rfc3339}}, {columns}"
    assert read(record(file, "2020-01-01T00:00:00Z,7\n")) == [("2020-01-01T00:00:00Z", {"A": 7})]


def test_a_name_that_is_a_number_is_the_name(record):
    columns = 'columns: {"2906": {gateway: g1, sent_as: A}}'
    text = "time,2906\n2020-01-01T00:00:00Z,7\n"
    assert read(record(f"{RFC3339}, {columns}", text)) == [("2020-01-01T00:00:00Z", {"A": 7})]


def test_names_may_stand_in_any_line_of_the_header(record):
    text = "logger 5\nfirmware 3\n time , a , b \n2020-01-01T00:00:00Z,1,2\n"
    recording = record(f"header_lines: 3, names_line: 2, {RFC3339}, {COLUMNS}", text)
    assert read(recording) == [("2020-01-01T00:00:00Z", {"A": 1, "B": 2})]


@pytest.mark.parametrize(
    ("time", "cells", "wanted"),
    [
        ('columns: [t], format: "%d.%m.%Y %H:%M:%S"', "17.05.2020 08:30:00", "2020-05-17T08:30:00Z"),
        (
            'columns: [t], format: "%Y/%m/%d %H:%M", zone: Asia/Shanghai',
            "2020/05/17 08:30",
            "2020-05-17T00:30:00Z",
        ),
        (
            'columns: [t, u], format: "%Y-%m-%d %H.%M.%S.%f", zone: Europe/Berlin',
            "2020-05-17,08.30.00.250",
            "2020-05-17T06:30:00.250Z",
        ),
        ("columns: [t], format: rfc3339, zone: Asia/Shanghai", "2020-05-17T08:30:00", "2020-05-17T00:30:00Z"),
        ("columns: [t], format: rfc3339, zone: Asia/Shanghai", "2020-05-17T08:30:00Z", "2020-05-17T08:30:00Z"),
        (
            'columns: [t], format: seconds, since: "2020-05-17T08:30:00", zone: Europe/Berlin',
            "90.5",
            "2020-05-17T06:31:30.500Z",
        ),
    ],
)  # fmt: skip
def test_times_are_read_as_they_are_written(record, time, cells, wanted):
    columns = "columns: {a: {gateway: g1, sent_as: A}}"
    text = f"{'t,u' if ',' in cells else 't'},a\n{cells},1\n"
    assert read(record(f"time: {{{time}}}, {columns}", text)) == [(wanted, {"A": 1})]


def test_start_and_end_cut_a_piece_out_half_open(record):
    text = "time,a,b\n" + "".join(f"2020-01-01T00:00:0{s}Z,{s},{s}\n" for s in range(5))
    span = 'start: "2020-01-01T00:00:01Z", end: "2020-01-01T00:00:03Z"'
    recording = record(f"{span}, {RFC3339}, {COLUMNS}", text)
    assert [values["A"] for _, values in read(recording)] == [1, 2]


def test_several_files_and_gateways_are_sent_in_order_of_time(record, tmp_path):
    recording = record(f"{RFC3339}, {COLUMNS}", "time,a,b\n2020-01-01T00:00:01Z,1,2\n")
    (tmp_path / "other.csv").write_text(
        "time,a,b\n2020-01-01T00:00:00Z,3,4\n2020-01-01T00:00:02Z,5,6\n", encoding="utf-8"
    )
    described = (
        (tmp_path / "recording.yaml").read_text(encoding="utf-8")
        + f"  - {{path: other.csv, {RFC3339}, columns: {{a: {{gateway: g2, sent_as: A}}, "
        "b: {gateway: g3, sent_as: B}}}\n"
    )
    (tmp_path / "recording.yaml").write_text(described, encoding="utf-8")
    messages = [one.message for one in open_recording(tmp_path, tmp_path).messages()]
    assert [one.gateway for one in messages] == ["g2", "g3", "g1", "g2", "g3"]
    assert [one.time_ns for one in messages] == sorted(one.time_ns for one in messages)
    assert messages[0].topic == "lifeline/v1/north/g2/data/json"
    assert recording.name.en == "Trial"


LONG = 'named_by: [station, what], value: value, columns: {"S1 level": {gateway: g1, sent_as: L}, "S2 ": {gateway: g2, sent_as: F}}'  # fmt: skip


def test_a_long_file_names_the_channel_in_each_line(record):
    text = (
        "time,station,what,value\n"
        "2020-01-01T00:00:00Z,S1,level,1.5\n"
        "2020-01-01T00:00:00Z,S1,temperature,9\n"
        "2020-01-01T00:00:01Z,S2,,7\n"
        "2020-01-01T00:00:02Z,S1,level,-\n"
    )
    recording = record(f'{RFC3339}, missing: ["-"], {LONG}', text)
    assert read(recording) == [
        ("2020-01-01T00:00:00Z", {"L": 1.5}),
        ("2020-01-01T00:00:01Z", {"F": 7}),
    ]


def test_a_long_file_without_its_value_column_is_refused(record):
    recording = record(f"{RFC3339}, {LONG}", "time,station,what\n2020-01-01T00:00:00Z,S1,level\n")
    with pytest.raises(RecordingError, match="no column 'value'"):
        read(recording)


def test_columns_may_be_set_apart_by_any_white_space(record):
    text = "a header of words\n2020 \t 1 2   3.5\r\n\n 2020 1 3  4\n"
    time = 'time: {columns: [0, 1, 2], format: "%Y %m %d"}'
    columns = 'columns: {"3": {gateway: g1, sent_as: A}}'
    assert read(record(f"delimiter: whitespace, {time}, {columns}", text)) == [
        ("2020-01-02T00:00:00Z", {"A": 3.5}),
        ("2020-01-03T00:00:00Z", {"A": 4}),
    ]


def test_files_alike_are_read_one_after_the_other(record, tmp_path):
    recording = record(
        f"{RFC3339}, {COLUMNS}", "time,a,b\n2020-01-02T00:00:00Z,3,4\n", name="d2.csv"
    )
    (tmp_path / "d1.csv").write_text("time,a,b\n2020-01-01T00:00:00Z,1,2\n", encoding="utf-8")
    described = (tmp_path / "recording.yaml").read_text(encoding="utf-8")
    (tmp_path / "recording.yaml").write_text(described.replace("d2.csv", '"d*.csv"'), "utf-8")
    recording = open_recording(tmp_path, tmp_path)
    assert [values["A"] for _, values in read(recording)] == [1, 3]
    (tmp_path / "d1.csv").unlink()
    (tmp_path / "d2.csv").unlink()
    with pytest.raises(RecordingError, match=r"d\*\.csv: not there"):
        read(recording)


@given(
    st.lists(st.integers(0, 600), min_size=1, max_size=40),
    st.sampled_from([0.5, 1.0, 60.0, 90.0]),
)
def test_an_upload_holds_all_lines_of_its_time_and_none_is_newer_than_it(
    tmp_path_factory, at, width
):
    folder = tmp_path_factory.mktemp("upload")
    lines = [f"{second},{k}\n" for k, second in enumerate(at)]
    (folder / "data.csv").write_text("time,a\n" + "".join(lines), encoding="utf-8")
    time = 'time: {columns: [time], format: seconds, since: "2020-01-01T00:00:00Z"}'
    columns = "columns: {a: {gateway: g1, sent_as: A}}"
    described = f"  - {{path: data.csv, message_s: {width}, {time}, {columns}}}\n"
    (folder / "recording.yaml").write_text(HEAD + described, encoding="utf-8")
    values = []
    for recorded in open_recording(folder, folder).messages():
        payload = json.loads(recorded.message.payload)
        records = payload if isinstance(payload, list) else [payload]
        times = [parse_rfc3339(one["ts"]) for one in records]
        assert max(times) == recorded.message.time_ns
        assert max(times) - min(times) < width * 1e9
        assert recorded.reading_count == len(records)
        values += [one["values"]["A"] for one in records]
    assert values == list(range(len(at)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,a,b\n2020-01-01T00:00:00Z,1,2\nyesterday,1,2\n", r"data\.csv:3: .*yesterday"),
        ("time,a,b\n2020-01-01T00:00:00Z,1,high\n", r"data\.csv:2: .*high"),
        ("time,a\n2020-01-01T00:00:00Z,1\n", r"data\.csv: no column 'b'; there are time, a"),
        ("", r"data\.csv: no column 'time'"),
    ],
)
def test_what_cannot_be_read_is_told_with_file_and_line(record, text, words):
    with pytest.raises(RecordingError, match=words):
        read(record(f"{RFC3339}, {COLUMNS}", text))


def test_a_file_in_another_encoding_than_told_is_named(record):
    recording = record(f"{RFC3339}, {COLUMNS}", "time,a,b\nü,1,2\n", "latin-1")
    with pytest.raises(RecordingError, match=r"data\.csv: not utf-8"):
        read(recording)


@pytest.mark.parametrize(
    "file",
    [
        "time: {columns: [time], format: rfc3339, zone: Mars/Base}",
        'time: {columns: [time], format: seconds, since: "noon"}',
        f"{RFC3339}, encoding: klingon",
        f'{RFC3339}, start: "noon"',
    ],
)
def test_a_description_that_makes_no_sense_is_told_as_such(record, file):
    with pytest.raises(RecordingError, match=r"noon|Mars/Base|klingon"):
        read(record(f"{file}, {COLUMNS}", "time,a,b\n0,1,2\n"))


def test_data_that_is_not_there_is_named_with_the_remedy(record, tmp_path):
    recording = record(f"{RFC3339}, {COLUMNS}", "")
    (tmp_path / "data.csv").unlink()
    with pytest.raises(RecordingError, match=r"data\.csv: not there; .*--data"):
        read(recording)


@pytest.mark.parametrize(
    "text", ["files: [", "[]", "name: x", f"{HEAD}  - {{path: x}}\n", f"{HEAD}\nmore: 1\n"]
)
def test_a_bad_recording_file_is_named(tmp_path, text):
    (tmp_path / "recording.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecordingError, match=r"recording\.yaml: "):
        open_recording(tmp_path, tmp_path)


def test_a_folder_without_a_recording_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"recording\.yaml: .*No such file"):
        open_recording(tmp_path, tmp_path)


TRUTH_HEAD = "start,end,facility_or_channel,kind,note\n"


def test_the_truth_is_read(record, tmp_path):
    recording = record(f"{RFC3339}, {COLUMNS}", "")
    line = '2020-01-01T00:00:00Z,2020-01-01T01:00:00+00:00,bridge/x,fault,"dead, at once"\n'
    (tmp_path / "truth.csv").write_text(TRUTH_HEAD + line, encoding="utf-8")
    start_ns = parse_rfc3339("2020-01-01T00:00:00Z")
    wanted = Truth(start_ns, start_ns + 3600 * 10**9, "bridge/x", "fault", "dead, at once")
    assert recording.truths() == [wanted]


@pytest.mark.parametrize(
    "line", ["noon,noon,x,fault,\n", "2020-01-01T00:00:00Z,2020-01-01T00:00:00Z,x,joy,\n"]
)
def test_a_truth_that_makes_no_sense_is_told_with_file_and_line(record, tmp_path, line):
    recording = record(f"{RFC3339}, {COLUMNS}", "")
    (tmp_path / "truth.csv").write_text(TRUTH_HEAD + line, encoding="utf-8")
    with pytest.raises(RecordingError, match=r"truth\.csv:2: "):
        recording.truths()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_column_of_a_recording_is_a_channel_of_its_catalogue(folder):
    recording = open_recording(folder, folder)
    catalogue = yaml.safe_load(recording.catalogue_file.read_text(encoding="utf-8"))
    known = {
        (channel["gateway"], channel["sent_as"])
        for facility in catalogue["facilities"]
        for channel in facility["channels"]
        if "sent_as" in channel
    }
    sent = {
        (column.gateway, column.sent_as)
        for file in recording.document.files
        for column in file.columns.values()
    }
    assert sent == known


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_recording_begins(folder):
    if not DATA.is_dir():
        pytest.skip(f"NOT TESTED ON REAL DATA: {DATA} is not there")
    begun = list(islice(open_recording(folder, DATA).messages(), 20))
    assert len(begun) == 20
    assert all(recorded.reading_count for recorded in begun)
