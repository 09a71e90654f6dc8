"""Limits of profiles in documents and templates: resolved, and held to their laws."""

import pytest

from domain.catalogue import Profile, Text
from storage.catalogue import CatalogueError

SITE = """\
profiles: [{id: flood, name: {zh: 汛期, en: Flood}}, {id: typhoon}]
gateways: [{id: gw, district: d, facility: f}]
quantities:
  depth:
    name: Depth
    unit: m
    limits: [{grade: red, high: 5}]
    profile_limits: {flood: [{grade: red, high: 0.5 * top}]}
facilities:
  - id: f
    kind: drainage
    name: F
    district: d
    attributes: {top: 6}
    channels:
      - {id: plain, quantity: depth, gateway: gw, sent_as: p, sample_interval_s: 1}
      - id: own
        quantity: depth
        gateway: gw
        sent_as: o
        sample_interval_s: 1
        checks: {fail_high: 10}
        limits: [{grade: red, high: 4}]
        profile_limits: {typhoon: [{grade: blue, high: 2}]}
      - {id: left, quantity: depth, gateway: gw, sent_as: l, sample_interval_s: 1, profile_limits: {flood: off}}
      - {id: none, quantity: depth, gateway: gw, sent_as: n, sample_interval_s: 1, profile_limits: {flood: []}}
"""


def values(channel, profile):
    return [limit.value for limit in channel.profile_limits[profile]]


def test_profiles_come_from_templates_and_channels(build):
    city = build(SITE)
    assert city.profiles == (
        Profile("flood", Text("汛期", "Flood")),
        Profile("typhoon", Text("typhoon", "typhoon")),
    )
    assert values(city.channel("f/plain"), "flood") == [3.0]
    own = city.channel("f/own")
    assert list(own.profile_limits) == ["typhoon"], "the template's go with its limits"
    assert city.channel("f/left").profile_limits == {}
    assert city.channel("f/none").profile_limits == {"flood": ()}


def test_the_limits_in_force_are_those_of_the_facilitys_profile(build):
    city = build(SITE)
    flood = city.with_profiles({"f": "flood"})
    shown = {
        one.id: [limit.value for limit in one.limits] for one in flood.channels if one.fault is None
    }
    assert shown == {"f/plain": [3.0], "f/own": [4.0], "f/left": [5.0], "f/none": []}
    assert flood.profile_of("f") == "flood"
    assert city.with_profiles({}) is city
    assert city.profile_of("f") == "normal"


def test_a_templates_profiles_that_the_site_does_not_list_are_left_out(build):
    site = SITE.replace("quantity: depth", "quantity: water_depth").replace(
        "    profile_limits: {flood: [{grade: red, high: 0.5 * top}]}\n", ""
    )
    assert build(site).channel("f/plain").profile_limits == {}
    listed = build(
        site.replace("id: typhoon", "id: flood-season").replace("{typhoon:", "{flood-season:")
    )
    assert values(listed.channel("f/plain"), "flood-season")[-1] == 0.25


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{typhoon: [", "{tyfoon: [", "no profile `tyfoon` – did you mean `typhoon`?"),
        ("0.5 * top", "0.5 * tip", "`tip`"),
        ("{grade: blue, high: 2}", "{grade: blue, high: 20}", "beyond fail_high 10"),
        ("{grade: blue, high: 2}", "{grade: blue, high: 2}, {grade: red, high: 1}", "lies below"),
        ("{flood: off}", "{flood: 3}", "must be a list of limits, or off"),
        ("{id: typhoon}", "{id: normal}", "the name of no profile"),
        ("{id: typhoon}", "{id: flood}", "stands elsewhere with another name"),
        ("{id: typhoon}", "{name: x}", "a profile needs `id`"),
    ],
)
def test_faults_are_told_where_they_stand(build, old, new, told):

    assert SITE.count(old) == 1
    with pytest.raises(CatalogueError) as error:
        build(SITE.replace(old, new))
    line = SITE[: SITE.index(old)].count("\n") + 1
    texts = [str(fault) for fault in error.value.faults]
    assert any(told in text for text in texts), texts
    assert any(abs(fault.line - line) <= 8 for fault in error.value.faults)
