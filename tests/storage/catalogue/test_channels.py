"""What channels a channel stands for."""

import pytest

from domain.catalogue import Text
from domain.grade import FaultKind, Grade

DEFLECTION = "bridge/riverside/deflection-midspan"


def faults(catalogue, channel_id):
    return [one.fault.value for one in catalogue.channels if one.fault_of == channel_id]


def test_fault_channels_follow_from_what_can_be_found_out(build, example):
    assert faults(build(example), DEFLECTION) == ["range", "silent", "clock", "noise"]
    without = example.replace("checks: {spike: 40}", "checks: {fail_low: off, fail_high: off}")
    assert faults(build(without), DEFLECTION) == ["silent", "clock"]
    on_change = example.replace("latching: true", "on_change: true").replace(
        "faults: {silent: {limits: [{grade: orange, high: 5}]}, stuck: off}", "faults: {noise: off}"
    )
    assert faults(build(on_change), DEFLECTION) == ["range", "stuck", "clock"]


def test_a_fault_channel_is_named_and_graded(build, example):
    channel = build(example).channel(f"{DEFLECTION}:range")
    assert channel.name == Text("主跨跨中挠度 · 量程故障", "Deflection at midspan · out of range")
    assert channel.fault is FaultKind.RANGE
    assert (channel.gateway, channel.sent_as) == (None, None)
    assert channel.fault_of == DEFLECTION
    assert channel.feature is None
    (limit,) = channel.limits
    assert (limit.grade, limit.n, limit.m, limit.off_delay_s) == (Grade.YELLOW, 3, 5, 60.0)
    assert channel.source


def test_a_channel_may_grade_its_faults_otherwise(build, example):
    channel = build(example).channel(f"{DEFLECTION}:silent")
    assert [(limit.grade, limit.value) for limit in channel.limits] == [(Grade.ORANGE, 5.0)]
    assert channel.source == "the site's catalogue"


def test_a_gateways_silence_has_a_channel_of_its_own(build, example):
    channel = build(example).channel("gateway/gw-bridge:silent")
    assert (channel.fault_of, channel.gateway, channel.sent_as) == (None, "gw-bridge", None)
    assert channel.facility == "bridge/riverside"
    assert channel.sample_interval_s == 10.0
    assert channel.on_change
    off = example.replace("upload_interval_s: 10", "faults: {silent: off}")
    assert "gateway/gw-bridge:silent" not in build(off).channel_index


def test_a_gateway_that_names_no_interval_is_expected_as_often_as_its_channels(build, example):
    text = example.replace(", upload_interval_s: 10", "").replace(
        "sample_interval_s: 1\n", "sample_interval_s: 7\n"
    )
    assert build(text).channel("gateway/gw-bridge:silent").sample_interval_s == 7.0


def test_a_fault_that_cannot_be_found_out_is_not_to_be_graded(faults_of):
    text = "faults: {stuck: {limits: []}}\n        checks: {flat_s: off}"
    assert faults_of(
        "checks: {spike: 40}\n        faults: {silent: {limits: [{grade: orange, high: 5}]}, stuck: off}",
        text,
    ) == ["city.yaml:19: `stuck` of deflection-midspan needs checks: flat_s"]


STRAIN = """\
      - id: strain
        name: {zh: 应变, en: Strain}
        quantity: strain
        gateway: gw-bridge
        sent_as: S1
        parameters: {design: 100}
"""


def test_a_templates_features_become_channels_beside_their_channel(build, example):
    catalogue = build(example + STRAIN + "        commissioning: true\n        latching: true\n")
    mean = catalogue.channel("bridge/riverside/strain/mean")
    assert mean.name == Text("应变 · 10 分钟平均", "Strain · 10 min mean")
    assert mean.feature.inputs == ("bridge/riverside/strain",)
    assert mean.feature.parameters == {"window_s": 600, "step_s": 60, "statistic": "mean"}
    assert mean.sample_interval_s == 60.0
    assert mean.quantity == "strain"
    assert mean.limits == ()
    assert mean.commissioning
    assert mean.latching


@pytest.mark.parametrize("off", ["features: off", "features: {mean: off}"])
def test_a_channel_may_leave_its_templates_features_out(build, example, off):
    catalogue = build(example + STRAIN + f"        {off}\n")
    assert "bridge/riverside/strain/mean" not in catalogue.channel_index


def test_a_channel_may_grade_its_templates_features_otherwise(build, example):
    text = "        features: {mean: {limits: [{grade: red, high: 9 * design}]}}\n"
    (limit,) = build(example + STRAIN + text).channel("bridge/riverside/strain/mean").limits
    assert limit.value == 900.0


def test_a_feature_may_take_its_quantitys_own_limits(build, example):
    depth = "      - {id: depth, quantity: water_depth, gateway: gw-bridge, sent_as: W1}\n"
    rise = build(example + depth).channel("bridge/riverside/depth/rise")
    assert rise.quantity == "water_rise"
    assert rise.limits[0].value == pytest.approx(0.01)
    assert rise.name.en == "Water depth · rise"


def test_a_derived_channel_takes_its_quantitys_limits_only_when_told(build, example):
    derived = """\
      - id: corrected
        feature: {kind: scale, inputs: [deflection-midspan], factor: "= 2 * design"}
        quantity: deflection
        parameters: {design: 10}
"""
    plain = build(example + derived).channel("bridge/riverside/corrected")
    assert plain.limits == ()
    assert plain.feature.parameters == {"factor": 20.0}
    told = build(example + derived + "        limits: template\n        checks: template\n")
    channel = told.channel("bridge/riverside/corrected")
    assert [limit.value for limit in channel.limits] == pytest.approx([8.0, 10.0, 11.0])
    assert "bridge/riverside/corrected:range" in told.channel_index
