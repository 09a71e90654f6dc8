from dataclasses import replace
from enum import IntEnum, StrEnum
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alarm import Alarm, TransitionKind
from domain.catalogue import Catalogue, Channel, Facility, Feature, Gateway, Quantity, Text
from domain.grade import Condition, FaultKind, Grade, Quality
from domain.texts import (
    CONDITION_TEXT,
    GRADE_TEXT,
    QUALITY_TEXT,
    TRANSITION_TEXT,
    alarm_text,
    format_pair,
    format_value,
)

BRIDGE = Facility("b", "bridge", Text("沿江大桥", "Riverside Bridge"), "north")
MIDSPAN = Text("主跨跨中挠度", "Deflection at midspan")
DEFLECTION = Quantity("deflection", Text("挠度", "deflection"), "mm", Text("mm", "mm"))
HUMIDITY = Quantity("humidity", Text("湿度", "humidity"), "%", Text("%", "%"))
CATALOGUE = Catalogue(
    1,
    quantities=(DEFLECTION, HUMIDITY),
    facilities=(BRIDGE,),
    gateways=(Gateway("gw", "north", Text("北岸网关", "North gateway"), "b"),),
    channels=(
        Channel("b/d", "b", MIDSPAN, "deflection", 1.0, gateway="gw", sent_as="D1"),
        Channel("b/h", "b", Text("箱内湿度", "Humidity"), "humidity", 1.0),
        Channel("b/door", "b", Text("门状态", "Door"), "", 1.0, feature=Feature("code", ("b/h",))),
        Channel(
            "gateway/gw:silent", "b", Text("", ""), "", 1.0, gateway="gw", fault=FaultKind.SILENT
        ),
    ),
)
HIGH = Alarm(
    "alarm", "b/d", "b", "bridge", Condition.HIGH, Grade.ORANGE, Grade.ORANGE, True, False,
    False, False, False, 1_700_000_000_000_000_000, None, None, None, None, 152.3, 150.0, False, 1,
)  # fmt: skip
SILENT = replace(HIGH, condition=Condition.SILENT, grade=Grade.YELLOW, value=3.0, limit=3.0)


def returned(alarm, value):
    return replace(
        alarm,
        active=False,
        grade=Grade.NORMAL,
        value=value,
        cleared_at_ns=alarm.raised_at_ns + 60_000_000_000,
    )


@pytest.mark.parametrize(
    ("alarm", "zh", "en"),
    [
        (
            HIGH,
            "沿江大桥 主跨跨中挠度 超上限 橙色预警：152.3 mm，限值 150 mm",
            "Riverside Bridge, Deflection at midspan: orange, 152.3 mm is over the limit of 150 mm",
        ),
        (
            replace(HIGH, condition=Condition.LOW, value=-152.3, limit=-150.0, delayed=True),
            "沿江大桥 主跨跨中挠度 超下限 橙色预警：-152.3 mm，限值 -150 mm（补传数据）",
            (
                "Riverside Bridge, Deflection at midspan: "
                "orange, -152.3 mm is under the limit of -150 mm (reported late)"
            ),
        ),
        (
            replace(HIGH, value=150.0),
            "沿江大桥 主跨跨中挠度 超上限 橙色预警：150 mm，达到限值",
            "Riverside Bridge, Deflection at midspan: orange, 150 mm is at the limit",
        ),
        (
            replace(HIGH, value=149.0),
            "沿江大桥 主跨跨中挠度 超上限 橙色预警：149 mm，限值 150 mm 尚未解除",
            (
                "Riverside Bridge, Deflection at midspan: "
                "orange, 149 mm, the limit of 150 mm is not released yet"
            ),
        ),
        (
            returned(HIGH, 140.0),
            "沿江大桥 主跨跨中挠度 已恢复正常（最高橙色）：140 mm，限值 150 mm",
            (
                "Riverside Bridge, Deflection at midspan: "
                "back to normal after orange, 140 mm, limit 150 mm"
            ),
        ),
        (
            replace(HIGH, active=False, grade=Grade.NORMAL, ended=True, ended_at_ns=1),
            "沿江大桥 主跨跨中挠度 橙色预警已撤销（未见恢复）：152.3 mm，限值 150 mm",
            (
                "Riverside Bridge, Deflection at midspan: "
                "closed after orange without a return to normal, 152.3 mm, limit 150 mm"
            ),
        ),
        (
            replace(HIGH, channel="b/h", value=91.0, limit=90.0),
            "沿江大桥 箱内湿度 超上限 橙色预警：91%，限值 90%",
            "Riverside Bridge, Humidity: orange, 91% is over the limit of 90%",
        ),
        (
            replace(HIGH, channel="b/gone", facility="gone"),
            "gone b/gone 超上限 橙色预警：152.3，限值 150",
            "gone, b/gone: orange, 152.3 is over the limit of 150",
        ),
        (
            replace(HIGH, channel="b/door", value=3.0, limit=3.0),
            "沿江大桥 门状态 橙色预警：设备上报状态",
            "Riverside Bridge, Door: orange, by the state it reports",
        ),
    ],
)
def test_a_condition_says_what_stands_against_which_limit(alarm, zh, en):
    assert alarm_text(alarm, CATALOGUE) == Text(zh, en)


@pytest.mark.parametrize(
    ("alarm", "zh", "en"),
    [
        (
            SILENT,
            "仪表故障（黄色）：信号中断，已缺 3 个上报周期",
            "instrument fault (yellow): silent, nothing heard for 3 expected intervals",
        ),
        (
            replace(SILENT, condition=Condition.RANGE, value=1.0),
            "仪表故障（黄色）：超量程，读数超出仪表量程",
            "instrument fault (yellow): out of range, a reading outside the instrument's range",
        ),
        (
            replace(SILENT, condition=Condition.STUCK, value=1.0),
            "仪表故障（黄色）：数值不变，读数长时间不变",
            "instrument fault (yellow): stuck, its readings do not change",
        ),
        (
            replace(SILENT, condition=Condition.NOISE, value=0.40625),
            "仪表故障（黄色）：噪声过大，最近 32 个读数中 41% 异常",
            "instrument fault (yellow): noise, 41% of the last 32 readings are implausible",
        ),
        (
            replace(SILENT, condition=Condition.CLOCK, value=1.0),
            "仪表故障（黄色）：时钟异常，读数时间不可信",
            "instrument fault (yellow): clock, the times of its readings cannot be trusted",
        ),
        (
            replace(SILENT, condition=Condition.CLOCK, value=4.0),
            "仪表故障（黄色）：时钟异常，读数时间不可信，被隔离的读数若属实为红色",
            (
                "instrument fault (yellow): clock, "
                "the times of its readings cannot be trusted; the refused ones, if true, are red"
            ),
        ),
        (
            returned(replace(SILENT, peak_grade=Grade.YELLOW), 0.0),
            "仪表故障已消除（最高黄色）：信号中断",
            "instrument fault is over after yellow: silent",
        ),
        (
            replace(SILENT, active=False, ended=True),
            "仪表故障已撤销（未见恢复）：信号中断",
            "instrument fault closed without its end being seen: silent",
        ),
    ],
)
def test_a_fault_says_what_is_wrong_with_the_instrument(alarm, zh, en):
    text = alarm_text(alarm, CATALOGUE)
    assert text.zh == f"沿江大桥 主跨跨中挠度 {zh}"
    assert text.en == f"Riverside Bridge, Deflection at midspan: {en}"


def test_a_silent_gateway_is_called_by_its_own_name():
    text = alarm_text(replace(SILENT, channel="gateway/gw:silent", value=1.0), CATALOGUE)
    assert text.zh.startswith("沿江大桥 北岸网关 仪表故障")
    assert text.en.startswith("Riverside Bridge, North gateway: instrument fault")
    assert text.en.endswith("1 expected interval")


@pytest.mark.parametrize(
    ("alarm", "zh", "en"),
    [
        (HIGH, "，自 2023-11-15 06:13:20 起", ", since 2023-11-15 06:13:20"),
        (returned(HIGH, 1.0), "，2023-11-15 06:14:20", ", at 2023-11-15 06:14:20"),
        (
            replace(HIGH, active=False, ended_at_ns=1_700_000_001_000_000_000),
            "，2023-11-15 06:13:21",
            ", at 2023-11-15 06:13:21",
        ),
    ],
)
def test_the_event_time_is_given_in_the_readers_zone_where_asked(alarm, zh, en):
    text = alarm_text(alarm, CATALOGUE, ZoneInfo("Asia/Shanghai"))
    assert text.zh.endswith(zh)
    assert text.en.endswith(en)


@pytest.mark.parametrize(
    ("words", "nouns"),
    [
        (GRADE_TEXT, Grade),
        (QUALITY_TEXT, Quality),
        (CONDITION_TEXT, Condition),
        (TRANSITION_TEXT, TransitionKind),
    ],
)
def test_every_noun_has_words_of_its_own_in_both_languages(
    words: dict, nouns: type[IntEnum | StrEnum]
):
    assert set(words) == set(nouns)
    for language in ("zh", "en"):
        texts = [getattr(text, language) for text in words.values()]
        assert all(texts)
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (999.96, "1000"),
        (9.99999999, "10"),
        (-0.05, "-0.05"),
        (1_234_567.8, "1234568"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1e-09"),
        (6.02e23, "6.02e+23"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_a_number_has_the_digits_that_people_can_use(value, text):
    assert format_value(value) == text


@given(st.floats(-1e300, 1e300))
def test_a_formatted_number_is_the_number_to_three_digits_at_least(value):
    assert abs(float(format_value(value)) - value) <= abs(value) * 1e-3


@given(st.floats(-1e9, 1e9), st.floats(0.001, 1e6))
def test_a_value_beyond_its_limit_never_reads_as_the_limit(limit, excess):
    value, at = format_pair(limit + excess, limit)
    assert float(value) > float(at)
