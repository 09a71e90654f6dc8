import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.catalogue.expression import ExpressionError, UnknownNameError, evaluate, parse

NAMES = {"design": 150.0, "crown": 0.6, "ground": 3.0, "zero": 0.0}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.8 * design", 120.0),
        ("-design", -150.0),
        ("+1", 1.0),
        ("(crown + ground) / 2", 1.8),
        ("max(ground - 0.5, 0.5 * (crown + ground))", 2.5),
        ("min(1, 2, -3e1)", -30.0),
        ("min(design)", 150.0),
        (" 7 ", 7.0),
        ("1 - -1", 2.0),
    ],
)
def test_arithmetic_has_its_value(text, value):
    assert evaluate(text, NAMES) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "", "design **2", "design // 2", "design % 2", "f(1)", "min()", "max(*design)", "min(key=1)",
        "a.b", "a[0]", "'x'", "lambda: 1", "1 if 1 else 2", "True", "None", "1j", "1or 2", "0x1f",
        "1_000", "design = 1", "design\n= 2", "(1", "1)", "__import__('os')", "(yield)", "a and b",
        "not a", "1 < 2", "min", "[1]", "{1}", "~1", "1" * 300, "(" * 100 + "1" + ")" * 100 + "(",
        "主跨", "1 2", "007", "min(1)(2)", "(1, 2)", "1,",
    ],
)  # fmt: skip
def test_anything_but_arithmetic_is_refused(text):
    with pytest.raises(ExpressionError):
        evaluate(text, {**NAMES, "a": 1.0, "b": 2.0})


@pytest.mark.parametrize("text", ["1 / zero", "1 / 0", "1e308 * 10", "9" * 250 + "*" + "9e99"])
def test_an_expression_without_a_finite_value_is_refused(text):
    with pytest.raises(ExpressionError, match=r"divides by zero|has no finite value"):
        evaluate(text, NAMES)


def test_a_name_without_a_value_is_named():
    with pytest.raises(UnknownNameError) as caught:
        evaluate("0.8 * desing", NAMES)
    assert caught.value.name == "desing"


@given(st.text(max_size=60) | st.text("0123456789.+-*/(), aemind", max_size=40))
def test_any_text_has_a_finite_value_or_is_refused(text):
    try:
        value = evaluate(text, {"a": 2.0, "mind": 3.0})
    except ExpressionError:
        return
    assert math.isfinite(value)


@given(st.recursive(
    st.floats(0.001, 1e6).map(repr) | st.just("a"),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=6,
))  # fmt: skip
def test_it_computes_what_python_computes(text):
    if len(text) <= 256:
        parse(text)
        assert evaluate(text, {"a": 2.0}) == eval(text, {"a": 2.0})
