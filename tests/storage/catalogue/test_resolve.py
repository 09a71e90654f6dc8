"""Laws of limits and checks once they are numbers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.grade import Grade, Side
from storage.catalogue.document import Faults, Place
from storage.catalogue.resolve import Scope, resolve_limits
from storage.catalogue.specs import LimitSpec
from storage.catalogue.templates import ParameterSpec


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("high: 0.9 * span_m", "high: 100",
         "city.yaml:28: the orange high limit 100 lies below the yellow one, 120"),
        ("high: 0.9 * span_m, low: -20, deadband: 5", "high: 130, deadband: 50",
         ("city.yaml:28: the orange high limit releases at 80, below 115 where the yellow one does "
         "– a smaller deadband")),
        ("low: -20", "low: 120",
         "city.yaml:28: the low limit 120 is not below the high limit 120"),
        ("low: -20", "low: 112",
         ("city.yaml:28: the deadbands of the high limit 120 and the low limit 112 overlap – "
         "smaller deadbands")),
        ("0.9 * span_m", "0.9 * spam_m",
         ("city.yaml:28: `spam_m` in `0.9 * spam_m` is neither a parameter nor a number among the "
         "attributes of bridge/riverside – did you mean `span_m`?")),
        ("0.9 * span_m", "span_m / (span_m - 180)",
         "city.yaml:28: `span_m / (span_m - 180)` divides by zero"),
        ("parameters: {design: 150}", "parameters: {}",
         ("city.yaml:12: deflection-midspan needs the parameter `design` – "
         "add `parameters: {design: …}`")),
        ("parameters: {design: 150}", "parameters: {desing: 150}",
         "city.yaml:12: deflection-midspan has no parameter `desing` – did you mean `design`?"),
        ("checks: {spike: 40}", "checks: {fail_low: 10, fail_high: 5}",
         "city.yaml:19: fail_low 10 is not below fail_high 5 in the checks of deflection-midspan"),
        ("checks: {spike: 40}", "checks: {suspect_high: 1000}",
         ("city.yaml:19: the suspect range reaches beyond the fail range in the checks of "
         "deflection-midspan")),
        ("checks: {spike: 40}", "checks: {spike: -1}",
         "city.yaml:19: spike -1 is below 0 in the checks of deflection-midspan"),
        ("checks: {spike: 40}", "checks: {flat_s: 0}",
         "city.yaml:19: flat_s 0 is not above 0 in the checks of deflection-midspan"),
        ("checks: {spike: 40}", "checks: {fail_high: 160}",
         ("city.yaml:12: the red high limit 165 of deflection-midspan lies beyond fail_high 160: "
         "no good reading could reach it")),
    ],
)  # fmt: skip
def test_each_contradiction_is_told_where_it_stands(faults_of, old, new, fault):
    assert fault in faults_of(old, new)


def test_what_a_templates_line_brings_out_is_told_at_the_channel(faults_of):
    (fault, *_) = faults_of("parameters: {design: 150}", "parameters: {design: -150}")
    assert fault.startswith("city.yaml:12: the deadband -7.5 is below 0 (from ")
    assert fault.endswith(")")


def test_a_parameter_may_be_worked_out_of_attributes(build, example):
    catalogue = build(example.replace("{design: 150}", '{design: "= span_m * 1000 / 600"}'))
    limits = catalogue.channel("bridge/riverside/deflection-midspan").limits
    assert [limit.value for limit in limits] == pytest.approx([240.0, 300.0, 330.0])


def scope(**values):
    declared = {"maybe": ParameterSpec(optional=True)}
    return Scope(Place("f", 1), "it", Faults(), values, {}, declared, "facility")


LIMITS = st.lists(
    st.builds(
        LimitSpec,
        st.builds(Place, st.just("f"), st.integers(1, 99)),
        st.sampled_from([Grade.BLUE, Grade.YELLOW, Grade.ORANGE, Grade.RED]),
        st.sampled_from(list(Side)),
        st.integers(-5, 5).map(float),
        st.integers(0, 3).map(float),
        st.just(0.0),
        st.just(0.0),
        st.just(1),
        st.just(1),
        st.just(""),
    ),
    max_size=8,
    unique_by=lambda spec: (spec.grade, spec.side),
).map(tuple)


@given(LIMITS)
def test_limits_that_pass_are_met_and_released_in_the_order_of_their_grades(specs):
    here = scope()
    limits = resolve_limits(specs, here)
    if len(here.faults):
        return
    highs = [limit for limit in limits if limit.side is Side.HIGH]
    lows = [limit for limit in limits if limit.side is Side.LOW]
    for tenth in range(-100, 101):
        value = tenth / 10
        exceeding = [limit.grade for limit in highs if value >= limit.value]
        assert exceeding == [limit.grade for limit in highs][: len(exceeding)]
        released = [limit.grade for limit in highs if value < limit.value - limit.deadband]
        assert not released or released == [one.grade for one in highs][-len(released) :]
        exceeding = [limit.grade for limit in lows if value <= limit.value]
        assert exceeding == [limit.grade for limit in lows][: len(exceeding)]
        assert not any(value >= high.value and value <= low.value for high in highs for low in lows)


@given(LIMITS)
def test_the_order_in_which_limits_are_written_means_nothing(specs):
    assert resolve_limits(specs, scope()) == resolve_limits(specs[::-1], scope())


def test_a_limit_that_needs_an_optional_parameter_is_left_out_without_it(build, example):
    weight = (
        "      - {id: pump, quantity: pump_current, gateway: gw-bridge, sent_as: P1}\n"
        "      - {id: pump-2, quantity: pump_current, gateway: gw-bridge, sent_as: P2,"
        " parameters: {rated: 100}}\n"
    )
    catalogue = build(example + weight)
    assert catalogue.channel("bridge/riverside/pump").limits == ()
    (limit,) = catalogue.channel("bridge/riverside/pump-2").limits
    assert limit.value == pytest.approx(115.0)
    assert replace(limit, value=0).grade is Grade.YELLOW
