"""Inputs, circles, and the order of channels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.catalogue.arrange import arrange

DERIVED = "      - {{id: {}, quantity: deflection, feature: {{kind: difference, inputs: [{}]}}}}\n"


def derived(**inputs):
    return "".join(DERIVED.format(name, ", ".join(given)) for name, given in inputs.items())


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (derived(a=["deflection-midspn"]),
         ("city.yaml:29: a has the input `deflection-midspn`, which is no channel – "
         "did you mean `deflection-midspan`?")),
        (derived(a=["bridge/other/x"]),
         ("city.yaml:29: a has the input `bridge/other/x`, which is no channel – "
         "known: a, deflection-midspan, deflection-midspan/mean")),
        (derived(a=[]), "city.yaml:29: the feature of a needs `inputs`"),
        (derived(a=["a"]),
         "city.yaml:29: features go in a circle: bridge/riverside/a → bridge/riverside/a"),
        (derived(a=["b"], b=["deflection-midspan", "c"], c=["a"]),
         ("city.yaml:31: features go in a circle: bridge/riverside/c → bridge/riverside/a → "
         "bridge/riverside/b → bridge/riverside/c")),
        (("      - {id: t, quantity: temperature, gateway: gw-bridge, sent_as: T, "
         "sample_interval_s: 60, checks: {flat_s: 30}}\n"),
         "city.yaml:29: flat_s 30 of t is shorter than its sample interval, 60 s"),
    ],
)  # fmt: skip
def test_what_only_shows_between_channels_is_told(faults_of, example, more, fault):
    assert faults_of("", "", text=example + more) == [fault]


def test_an_input_is_looked_for_in_the_facility_first_then_everywhere(build, example):
    other = """\
  - id: tower
    kind: bridge
    name: Tower
    district: north
    channels:
      - {id: a, quantity: deflection, feature: {kind: rate, inputs: [bridge/riverside/deflection-midspan]}}
      - {id: b, quantity: deflection, feature: {kind: rate, inputs: [a]}}
"""
    catalogue = build(example + other)
    assert catalogue.channel("tower/a").feature.inputs == ("bridge/riverside/deflection-midspan",)
    assert catalogue.channel("tower/b").feature.inputs == ("tower/a",)


def test_a_derived_channel_has_its_interval_and_reporting_from_its_inputs(build, example):
    text = example.replace("latching: true", "on_change: true\n        commissioning: true")
    text = text.replace("silent: {limits: [{grade: orange, high: 5}]}, ", "")
    catalogue = build(text + derived(a=["deflection-midspan"], b=["deflection-midspan/mean"]))
    a, b = (catalogue.channel(f"bridge/riverside/{name}") for name in "ab")
    assert (a.sample_interval_s, a.on_change, a.commissioning) == (1.0, True, True)
    assert (b.sample_interval_s, b.on_change, b.commissioning) == (60.0, True, True)


@given(st.data())
def test_inputs_stand_before_what_is_derived_from_them(build, example, data):
    names = [f"d{i}" for i in range(6)]
    inputs = {}
    for i, name in enumerate(names):
        known = ["deflection-midspan", *names[:i]]
        inputs[name] = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
    shuffled = dict(data.draw(st.permutations(list(inputs.items()))))
    catalogue = build(example + derived(**shuffled))
    for index, channel in enumerate(catalogue.channels):
        for name in channel.feature.inputs if channel.feature else ():
            assert catalogue.channel_index[name] < index
    assert arrange(catalogue.channels) == catalogue.channels


def test_channels_stand_measured_derived_faults_gateways(build, example):
    catalogue = build(example)
    groups = [
        (one.fault is not None) + (one.fault is not None and one.fault_of is None)
        if one.feature is None or one.fault is not None
        else 0.5
        for one in catalogue.channels
    ]
    assert groups == sorted(groups)
