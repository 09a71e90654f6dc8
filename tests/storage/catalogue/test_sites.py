"""What is said of gateways, facilities and channels that are wrong as written."""

import pytest

from domain.catalogue import Text
from storage.catalogue import Adoption

ADOPTION = Adoption(
    "gw-new", "south", "X 9", "bridge/riverside", "deflection", "bridge/riverside/q2",
    Text("测点", "Point"), 5.0, {"design": 100}, "Asia/Shanghai",
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("gateways:", "gatways:",
         "city.yaml:2: unknown key `gatways` in the document – did you mean `gateways`?"),
        ("upload_interval_s: 10", "upload_interval: 10",
         ("city.yaml:3: unknown key `upload_interval` in a gateway – "
         "did you mean `upload_interval_s`?")),
        ("    district: north\n    location", "    distric: north\n    location",
         "city.yaml:8: unknown key `distric` in a facility – did you mean `district`?"),
        ("sample_interval_s: 1\n", "sample_intervals: 1\n",
         ("city.yaml:17: unknown key `sample_intervals` in a channel – "
         "did you mean `sample_interval_s`?")),
        ("id: gw-bridge", "id: GW",
         "city.yaml:3: `GW` is no id: 1 to 128 of a-z 0-9 . _ / -"),
        ("id: gw-bridge", "id: gw/bridge",
         "city.yaml:3: `gw/bridge` is one level of a topic: it may hold no /"),
        ("id: gw-bridge,", "",
         "city.yaml:3: a gateway needs `id` – add `id:`"),
        ("id: gw-bridge", "id: 7",
         "city.yaml:3: `id` of a gateway must be text, not 7 – write it in quotes"),
        ("id: gw-bridge", f"id: {'g' * 129}",
         f"city.yaml:3: `{'g' * 47}…` is no id: 1 to 128 of a-z 0-9 . _ / -"),
        ("- id: bridge/riverside", "- id: bridge//riverside",
         "city.yaml:5: `bridge//riverside` has an empty part, or . or .. for one"),
        ("- id: bridge/riverside", "- id: bridge/../riverside",
         "city.yaml:5: `bridge/../riverside` has an empty part, or . or .. for one"),
        ("- id: deflection-midspan\n", "- id: deflection:range\n",
         "city.yaml:12: `deflection:range` is no id: 1 to 128 of a-z 0-9 . _ / -"),
        ("- id: deflection-midspan\n", f"- id: {'d' * 120}\n",
         (f"city.yaml:12: `bridge/riverside/{'d' * 30}…` is no id: 1 to 128 of a-z 0-9 . _ / - – "
         "a shorter id")),
        ("zone: Asia/Shanghai", "zone: Asia/Shanghia",
         "city.yaml:3: no time zone `Asia/Shanghia` – such as Asia/Shanghai"),
        ("zone: Asia/Shanghai", "zone: ../../etc/passwd",
         "city.yaml:3: no time zone `../../etc/passwd` – such as Asia/Shanghai"),
        ("upload_interval_s: 10", "upload_interval_s: -1",
         "city.yaml:3: `upload_interval_s` of gateway gw-bridge must be at least 0, not -1"),
        ("facility: bridge/riverside", "facility: bridge/river",
         "city.yaml:3: no facility `bridge/river` – did you mean `bridge/riverside`?"),
        ("kind: bridge\n", "kind: brigde\n",
         "city.yaml:6: no kind of facility `brigde` – did you mean `bridge`?"),
        ("name: {zh: 沿江大桥, en: Riverside Bridge}", "name: {zh: 沿江大桥}",
         "city.yaml:7: `name` of facility bridge/riverside needs `en` – add `en:`"),
        ("name: {zh: 沿江大桥, en: Riverside Bridge}", "name: [a]",
         "city.yaml:7: `name` of facility bridge/riverside must be text, or {zh: …, en: …}"),
        ("    name: {zh: 沿江大桥, en: Riverside Bridge}\n", "",
         "city.yaml:5: facility bridge/riverside needs `name` – add `name:`"),
        ("location: [121.47, 31.23]", "location: [31.23, 121.47]",
         ("city.yaml:9: `location` of facility bridge/riverside must be [longitude, latitude] in "
         "degrees")),
        ("location: [121.47, 31.23]", "location: [.nan, 31]",
         ("city.yaml:9: `location` of facility bridge/riverside must be [longitude, latitude] in "
         "degrees")),
        ("attributes: {span_m: 180}", "attributes: {span_m: 180, more: [{deep: .inf}]}",
         "city.yaml:10: `more` of attributes of bridge/riverside must be a finite number"),
        ("attributes: {span_m: 180}", "attributes: 180",
         "city.yaml:10: `attributes` of facility bridge/riverside must be a mapping, not 180"),
        ("gateway: gw-bridge", "gateway: gw-bride",
         "city.yaml:12: no gateway `gw-bride` – did you mean `gw-bridge`?"),
        ("        gateway: gw-bridge\n", "",
         "city.yaml:12: channel deflection-midspan needs `gateway` – add `gateway:`"),
        ("sent_as: D1", f"sent_as: {'D' * 129}",
         "city.yaml:16: `sent_as` of channel deflection-midspan is longer than 128 characters"),
        ("sent_as: D1", "sent_as: 0101",
         ("city.yaml:16: `sent_as` of channel deflection-midspan must be text, not 101 – "
         "write it in quotes")),
        ("        sent_as: D1\n", "",
         "city.yaml:12: channel deflection-midspan needs `sent_as` – add `sent_as:`"),
        ("quantity: deflection\n        gateway", "quantity: deflexion\n        gateway",
         "city.yaml:12: no quantity for a bridge `deflexion` – did you mean `deflection`?"),
        ("latching: true", "latching: maybe",
         "city.yaml:21: `latching` of channel deflection-midspan must be true or false, not maybe"),
        ("acknowledge_up_to: blue", "acknowledge_up_to: green",
         "city.yaml:22: no grade `green` – known: blue, normal, orange, red, yellow"),
        ("        quantity: deflection\n        limits", "        sent_as: D2\n        quantity: deflection\n        limits",
         "city.yaml:25: channel deflection-midspan/mean is derived: it has no `sent_as`"),
        ("sent_as: D1", "sent_as: D1\n        limits: template",
         "city.yaml:17: channel deflection-midspan is measured: leave `limits` out"),
        ("sent_as: D1", "sent_as: D1\n        features: {mean: off}",
         "city.yaml:12: quantity deflection makes no feature `mean`"),
        ("    channels:\n", "    channels:\n      - 7\n",
         "city.yaml:12: each of `channels` must be a mapping"),
    ],
)  # fmt: skip
def test_each_fault_is_told_where_it_stands(faults_of, old, new, fault):
    assert fault in faults_of(old, new)


def test_everything_stands_once(faults_of, example):
    again = example.replace("\n", "\n\n")
    faults = faults_of("", "", again, text=example)
    assert faults == [
        "more.yaml:5: a second gateway gw-bridge, the first in city.yaml:3 – give it another id",
        (
            "more.yaml:9: a second facility bridge/riverside, the first in city.yaml:5 – "
            "give it another id"
        ),
        (
            "more.yaml:23: gateway gw-bridge sends `D1` for channel deflection-midspan in "
            "city.yaml:12 already – one channel for each name as sent"
        ),
        (
            "more.yaml:23: a second channel bridge/riverside/deflection-midspan, the first in "
            "city.yaml:12 – give it another id"
        ),
        (
            "more.yaml:45: a second channel bridge/riverside/deflection-midspan/mean, the first in "
            "city.yaml:23 – give it another id"
        ),
    ]


def test_a_name_as_sent_belongs_to_one_channel(faults_of):
    more = (
        "      - {id: other, quantity: deflection, gateway: gw-bridge, sent_as: D1,"
        " parameters: {design: 1}}\n      - id: deflection-midspan/mean\n"
    )
    assert faults_of("      - id: deflection-midspan/mean\n", more) == [
        (
            "city.yaml:23: gateway gw-bridge sends `D1` for channel deflection-midspan in "
            "city.yaml:12 already – one channel for each name as sent"
        )
    ]


def test_documents_may_refer_to_one_another_in_any_order(build, example):
    gateways, facilities = example.split("facilities:")
    catalogue = build("facilities:" + facilities, gateways)
    assert catalogue == build(example)


def test_two_names_of_the_city_are_one_too_many(faults_of, example):
    assert faults_of("", "", "name: Other\n", text=example) == [
        "more.yaml:1: another document gives another name – keep one"
    ]


def test_all_faults_of_all_documents_are_told_at_once(faults_of, example):
    broken = example.replace("kind: bridge\n", "kind: brigde\n").replace("n: 3, m: 5", "n: 6, m: 5")
    faults = faults_of("", "", "a: [1\n", "name: {zh: x}\n", text=broken)
    files = [fault.split(":")[0] for fault in faults]
    assert files.count("city.yaml") == 2
    assert files.count("more.yaml") == 1
    assert files.count("third.yaml") == 2


def test_an_adoption_is_written_and_read_again():
    assert Adoption.from_plain(ADOPTION.to_plain()) == ADOPTION


def test_an_adoption_gives_way_to_a_file_that_knows_its_name(build, example):
    known = Adoption(
        "gw-bridge", "north", "D1", "bridge/riverside", "deflection", "bridge/riverside/x",
        Text("x", "x"), 1.0, {"design": 1},
    )  # fmt: skip
    assert build(example, adoptions=[known]) == build(example)
