"""Retention as written: resolved from channel, template or default, and refused with its line."""

import pytest

from domain.catalogue import Catalogue, Retention, Summary
from storage.catalogue.revisions import decode_catalogue, encode_catalogue

SITE = """\
quantities:
  swing:
    name: Swing
    unit: mm
    sample_interval_s: 0.01
    retention: {retention}
    features:
      - {suffix: mean, name: m, feature: {kind: rolling, window_s: 60, step_s: 6, statistic: mean}}
gateways:
  - {id: g, district: n, facility: bridge-0}
facilities:
  - id: bridge-0
    kind: bridge
    district: n
    name: x
    channels:
      - {id: own, quantity: swing, gateway: g, sent_as: a, retention: {raw_days: 7}}
      - {id: swing, quantity: swing, gateway: g, sent_as: b}
      - {id: warm, quantity: temperature, gateway: g, sent_as: c}
      - {id: shaken, quantity: acceleration, gateway: g, sent_as: d}
"""
MONTH = "{raw_days: 30, summary: {bucket_s: 600, days: 365}}"


def site(retention):
    return SITE.replace("{retention}", retention)


def test_a_channel_is_kept_as_it_says_else_as_its_quantity_else_as_the_templates_say(build):
    catalogue = build(site(MONTH))
    kept = {id_: catalogue.channel(f"bridge-0/{id_}").retention for id_ in ("own", "swing", "warm")}
    assert kept == {
        "own": Retention(7, Summary()),
        "swing": Retention(30, Summary(600, 365)),
        "warm": Retention(730, Summary(60, None)),
    }
    assert catalogue.channel("bridge-0/shaken").retention.raw_days == 30


def test_what_is_derived_from_a_waveform_is_kept_for_longer(build):
    catalogue = build(site(MONTH))
    assert catalogue.channel("bridge-0/swing/mean").retention.raw_days == 730
    assert catalogue.channel("bridge-0/shaken/rms").retention.raw_days == 730


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{raw_days: forever}", Retention(None, Summary())),
        ("{raw_days: 1.5, summary: off}", Retention(1.5, None)),
        ("{raw_days: 2, summary: {bucket_s: 60, days: forever}}", Retention(2, Summary(60, None))),
        ("{}", Retention()),
    ],
)
def test_forever_and_off_are_words(build, written, meant):
    assert build(site(written)).channel("bridge-0/swing").retention == meant


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{raw_days: 0}", "`raw_days`"),
        ("{raw_days: soon}", "`raw_days`"),
        ("{raw_day: 3}", "did you mean `raw_days`"),
        ("{raw_days: 3, summary: {bucket_s: 7}}", "no multiple of 7 s"),
        ("{raw_days: 3, summary: {bucket_s: 0}}", "whole number from 1"),
        ("{raw_days: 3, summary: {days: 2}}", "would go before the readings"),
        ("{raw_days: forever, summary: {days: 2}}", "would go before the readings"),
        ("30", "`retention`"),
    ],
)
def test_what_makes_no_sense_is_said_with_its_line(faults_of, written, said):
    faults = faults_of("", "", text=site(written))
    assert any(said in fault and "city.yaml:6" in fault for fault in faults), faults


def test_a_revision_of_before_there_was_retention_keeps_everything(build):
    catalogue = build(site(MONTH))
    document = encode_catalogue(catalogue)
    assert decode_catalogue(document) == catalogue
    older = b'{"revision":1,"channels":[{"id":"a","facility":"f","name":{"zh":"","en":""},'
    older += b'"quantity":"q","sample_interval_s":1}]}'
    found = decode_catalogue(older)
    assert isinstance(found, Catalogue)
    assert found.channels[0].retention == Retention(None, Summary())
