"""The contract's example, whole; the same for every order; and any document whatever."""

import re
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.catalogue import Catalogue, Checks, Feature, Limit, Text
from domain.grade import Grade, Side
from storage.catalogue import CatalogueError, load_catalogue

MEAN = "bridge/riverside/deflection-midspan/mean"


def test_the_contracts_example_is_read_as_it_says(example_file, templates_folder):
    catalogue = load_catalogue([example_file], templates_folder)
    assert catalogue.revision == 0
    assert catalogue.name == Text("演示城", "Demonstration city")
    assert [kind.id for kind in catalogue.kinds] == ["bridge"]
    (gateway,) = catalogue.gateways
    assert (gateway.id, gateway.district, gateway.zone) == ("gw-bridge", "north", "Asia/Shanghai")
    assert gateway.upload_interval_s == 10.0
    (facility,) = catalogue.facilities
    assert (facility.longitude_deg, facility.latitude_deg) == (121.47, 31.23)
    assert facility.attributes == {"span_m": 180}
    assert catalogue.channel_ids == (
        "bridge/riverside/deflection-midspan",
        MEAN,
        "bridge/riverside/deflection-midspan:range",
        "bridge/riverside/deflection-midspan:silent",
        "bridge/riverside/deflection-midspan:clock",
        "bridge/riverside/deflection-midspan:noise",
        "gateway/gw-bridge:silent",
        "gateway/gw-bridge:overload",
    )
    assert catalogue.sent_index == {("gw-bridge", "D1"): 0}


def test_a_measured_channel_has_its_templates_limits_in_numbers(build, example):
    channel = build(example).channels[0]
    assert channel.limits == (
        Limit(Grade.YELLOW, Side.HIGH, 120.0, 7.5, off_delay_s=60.0),
        Limit(Grade.ORANGE, Side.HIGH, 150.0, 7.5, off_delay_s=60.0),
        Limit(Grade.RED, Side.HIGH, pytest.approx(165.0), 7.5, off_delay_s=60.0),
    )
    assert channel.checks == Checks(fail_low=-500.0, fail_high=500.0, spike=40.0, flat_s=1800.0)
    assert channel.latching
    assert channel.acknowledge_up_to is Grade.BLUE
    assert channel.source == (
        "template: 0.8 of the design value; template: the design value; "
        "template: 1.1 of the design value"
    )


def test_a_derived_channel_has_its_own_limits(build, example):
    channel = build(example).channel(MEAN)
    assert channel.feature == Feature(
        "rolling",
        ("bridge/riverside/deflection-midspan",),
        {"window_s": 600, "step_s": 60, "statistic": "mean"},
    )
    assert channel.limits == (
        Limit(Grade.YELLOW, Side.HIGH, 120.0, 5.0, 60.0, 60.0, 3, 5),
        Limit(Grade.ORANGE, Side.HIGH, 162.0, 5.0),
        Limit(Grade.ORANGE, Side.LOW, -20.0, 5.0),
    )
    assert channel.source == "site; the site's catalogue"
    assert channel.sample_interval_s == 60.0


def test_what_the_features_themselves_refuse_is_told_at_their_channel(faults_of):
    def refuse(kind, parameters, inputs):
        return [f"{kind} of {inputs} refuses {sorted(parameters)}"]

    assert faults_of("n: 3, m: 5", "n: 3", feature_faults=refuse) == [
        (
            "city.yaml:23: the feature of deflection-midspan/mean: "
            "rolling of 1 refuses ['statistic', 'step_s', 'window_s']"
        )
    ]


def test_no_files_make_no_catalogue(templates):
    with pytest.raises(CatalogueError, match="no files given"):
        load_catalogue([], templates)


def test_a_file_that_is_missing_is_told_beside_the_other_faults(tmp_path, templates):
    bad = tmp_path / "bad.yaml"
    bad.write_text("nmae: x\n")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue([tmp_path / "none.yaml", bad], templates)
    assert [Path(fault.file).name for fault in caught.value.faults] == ["none.yaml", "bad.yaml"]


def test_the_same_documents_make_the_same_catalogue(build, example):
    assert build(example) == build(example)


def test_a_catalogue_of_thousands_of_channels_is_read_whole(build, example):
    channel = "      - {{id: d{0}, quantity: strain, gateway: gw-bridge, sent_as: S{0}, parameters: {{design: 100}}}}\n"
    catalogue = build(example + "".join(channel.format(i) for i in range(1000)))
    assert len(catalogue.channels) == 8 + 1000 * (2 + 4)


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=8),
    st.sampled_from(["off", "template", "= design", "design", "red", "bridge", "a/b", "/", "1e999"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)  # fmt: skip


def places(value, path=()):
    """Return the path of every key and item of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inner:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


def loads_or_is_refused(build, text):
    faults = ["city.yaml:1: none"]
    try:
        catalogue = build(text)
        assert msgspec.json.decode(msgspec.json.encode(catalogue), type=Catalogue) == catalogue
    except CatalogueError as error:
        faults = str(error).splitlines()
    assert faults
    assert all(re.match(r".+:\d+: .+|and \d+ more", fault) for fault in faults)


BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@BOUNDED
@given(st.data())
def test_a_document_with_any_part_changed_loads_or_is_refused(build, example, data):
    document = yaml.safe_load(example)
    for _ in range(data.draw(st.integers(1, 3))):
        *path, key = data.draw(st.sampled_from(list(places(document))))
        parent = document
        for step in path:
            parent = parent[step]
        match data.draw(st.sampled_from(["replace", "remove", "rename", "repeat"])):
            case "replace":
                parent[key] = data.draw(JUNK)
            case "remove":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[data.draw(st.text(max_size=5))] = parent.pop(key)
            case _ if isinstance(parent, list):
                parent.append(parent[key])
        if not list(places(document)):
            break
    loads_or_is_refused(build, yaml.dump(document, allow_unicode=True))


@BOUNDED
@given(st.data())
def test_a_document_with_any_bytes_changed_loads_or_is_refused(build, example, data):
    raw = bytearray(example.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(raw)))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3)
            | st.sampled_from([b"\n", b"\t", b"[", b"{", b"&a ", b"*a", b": "])
        )
    loads_or_is_refused(build, bytes(raw))


@BOUNDED
@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_whatever_are_refused(build, raw):
    loads_or_is_refused(build, raw)
