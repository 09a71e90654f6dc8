"""Columns of a catalogue: one object for equal values, refused where anything reads back otherwise."""

import datetime as dt
from dataclasses import replace

import pytest

from domain.catalogue import Catalogue, Channel, Checks, Feature, Limit, Text
from domain.grade import Grade, Side
from storage.catalogue import packing
from storage.catalogue.packing import decode_catalogue, encode_catalogue


def make(count, **parts):
    def limits():
        return (Limit(Grade.RED, Side.HIGH, 8.5),)

    return Catalogue(
        3,
        channels=tuple(
            Channel(
                f"c{n}", f"f{n % 7}", Text(f"第{n}", f"no {n}"), "strain", 1.0,
                checks=Checks(fail_low=float(n % 3)), limits=limits(),
                feature=Feature("rolling", (f"c{n - 1}",), {"window_s": 60}) if n % 2 else None,
                **parts,
            )
            for n in range(count)
        ),
    )  # fmt: skip


@pytest.mark.parametrize("line_values", [1, 7, 100, 10_000])
def test_lines_of_any_length_read_back_the_same(monkeypatch, line_values):
    monkeypatch.setattr(packing, "_LINE_VALUES", line_values)
    catalogue = make(100)
    assert decode_catalogue(encode_catalogue(catalogue)) == catalogue


def test_equal_values_are_one_object_after_reading():
    read = decode_catalogue(encode_catalogue(make(100)))
    assert len({id(channel.limits) for channel in read.channels}) == 1
    assert len({id(channel.checks) for channel in read.channels}) == 3
    assert len({id(channel.facility) for channel in read.channels}) == 7
    derived = [channel.feature for channel in read.channels if channel.feature]
    assert len({id(feature.parameters) for feature in derived}) == 1
    assert derived[0].inputs[0] is read.channels[0].id


def test_numbers_that_are_equal_and_written_otherwise_stay_what_they_are():
    parameters = [{"window_s": 1}, {"window_s": 1.0}, {"window_s": True}, {"window_s": -0.0}]
    channels = tuple(
        Channel(f"c{n}", "f", Text("", ""), "q", 1.0, feature=Feature("k", (), one))
        for n, one in enumerate(parameters)
    )
    read = decode_catalogue(encode_catalogue(Catalogue(1, channels=channels)))
    found = [repr(channel.feature.parameters["window_s"]) for channel in read.channels]
    assert found == ["1", "1.0", "True", "-0.0"]


def test_a_date_is_refused_where_an_equal_looking_text_was_before_it():
    first, second = make(2).channels
    said = Feature("k", (), {"since": "2026-01-02"})
    dated = Feature("k", (), {"since": dt.date(2026, 1, 2)})
    channels = (replace(first, feature=said), replace(second, feature=dated))
    with pytest.raises(ValueError, match="reads back otherwise"):
        encode_catalogue(Catalogue(1, channels=channels))


def test_a_column_of_another_version_is_left_out_and_a_missing_one_has_its_default(monkeypatch):
    columns = dict(packing._COLUMNS)
    del columns["checks"]
    monkeypatch.setattr(packing, "_COLUMNS", columns)
    before = encode_catalogue(make(9))
    monkeypatch.undo()
    found = decode_catalogue(before)
    assert [c.checks for c in found.channels] == [Checks()] * 9
    whole = encode_catalogue(make(9))
    monkeypatch.setattr(packing, "_COLUMNS", columns)
    assert decode_catalogue(whole) == found
