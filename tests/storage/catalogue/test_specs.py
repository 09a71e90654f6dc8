"""What is said of limits, checks, faults, features and parameters that are wrong as written."""

import pytest

from domain.grade import Grade, Side
from storage.catalogue.document import Faults, parse_document
from storage.catalogue.section import Expression, Section
from storage.catalogue.specs import read_limits

SITE_LIMIT = 'grade: yellow, high: 120, deadband: 5, on_delay_s: 60, off_delay_s: 60, n: 3, m: 5, source: "site"'


def limit(new):
    return f"{{{new}}}"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("n: 3, m: 5", "n: 6, m: 5",
         "city.yaml:27: n (6) is more than m (5) – at least N of the last M readings"),
        ("n: 3, m: 5", "n: 3, m: 65",
         ("city.yaml:27: `m` of a limit of channel deflection-midspan/mean must be a whole number "
         "from 1 to 64, not 65")),
        ("n: 3, m: 5", "n: 0",
         ("city.yaml:27: `n` of a limit of channel deflection-midspan/mean must be a whole number "
         "from 1 to 64, not 0")),
        ("n: 3, m: 5", "n: 2.5",
         ("city.yaml:27: `n` of a limit of channel deflection-midspan/mean must be a whole number "
         "from 1 to 64, not 2.5")),
        ("on_delay_s: 60", "on_delay_s: -60",
         ("city.yaml:27: `on_delay_s` of a limit of channel deflection-midspan/mean must be at "
         "least 0, not -60")),
        ("off_delay_s: 60", "off_delay_s: -0.5",
         ("city.yaml:27: `off_delay_s` of a limit of channel deflection-midspan/mean must be at "
         "least 0, not -0.5")),
        ("deadband: 5, on", "deadband: -5, on",
         ("city.yaml:27: `deadband` of a limit of channel deflection-midspan/mean must be at least "
         "0")),
        ("high: 120", "high: .nan",
         ("city.yaml:27: `high` of a limit of channel deflection-midspan/mean must be a finite "
         "number, not nan")),
        ("high: 120", "high: 1e999",
         ("city.yaml:27: `high` of a limit of channel deflection-midspan/mean must be a finite "
         "number, not inf")),
        ("high: 120", "high: true",
         ("city.yaml:27: `high` of a limit of channel deflection-midspan/mean must be a number, "
         "not True")),
        ("high: 120", "high: 2 ** design",
         ("city.yaml:27: `high` of a limit of channel deflection-midspan/mean: `2 ** design` is "
         "not plain arithmetic (+ - * / parentheses min max)")),
        ("grade: yellow", "grade: yelow",
         "city.yaml:27: no grade `yelow` – did you mean `yellow`?"),
        ("grade: yellow", "grade: normal",
         "city.yaml:27: no grade `normal` – known: blue, orange, red, yellow"),
        ("grade: yellow, ", "",
         "city.yaml:27: a limit of channel deflection-midspan/mean needs `grade` – add `grade:`"),
        ("high: 120, ", "",
         "city.yaml:27: a limit of channel deflection-midspan/mean needs `high` or `low`"),
        ("high: 120", "hihg: 120",
         ("city.yaml:27: unknown key `hihg` in a limit of channel deflection-midspan/mean – "
         "did you mean `high`?")),
        ("grade: orange, high: 0.9", "grade: yellow, high: 0.9",
         ("city.yaml:28: a second yellow high limit for channel deflection-midspan/mean, the "
         "first in line 27 – keep one")),
        ("checks: {spike: 40}", "checks: {spik: 40}",
         ("city.yaml:19: unknown key `spik` in checks of channel deflection-midspan – "
         "did you mean `spike`?")),
        ("checks: {spike: 40}", "checks: {spike: [4]}",
         "city.yaml:19: `spike` of checks of channel deflection-midspan must be a number"),
        ("stuck: off", "stuk: off",
         ("city.yaml:20: unknown key `stuk` in faults of channel deflection-midspan – "
         "did you mean `stuck`?")),
        ("stuck: off", "stuck: 5",
         ("city.yaml:20: `stuck` of channel deflection-midspan must be on, off or a mapping – "
         "limits: […]")),
        ("grade: orange, high: 5}", "grade: orange, high: 5, gap: 1}",
         ("city.yaml:20: unknown key `gap` in a limit of silent of channel deflection-midspan – "
         "known: deadband, grade, high, low, m, n, off_delay_s, on_delay_s, source")),
        ("kind: rolling, ", "",
         "city.yaml:24: the feature of channel deflection-midspan/mean needs `kind` – add `kind:`"),
        ("window_s: 600", "window_s: .inf",
         ("city.yaml:24: `window_s` of the feature of channel deflection-midspan/mean must be a "
         "finite number, not inf")),
        ("window_s: 600", "window_s: '= 600 +'",
         ("city.yaml:24: `window_s` of the feature of channel deflection-midspan/mean: `600 +` is "
         "not plain arithmetic (+ - * / parentheses min max)")),
        ("inputs: [deflection-midspan]", "inputs: [7]",
         "city.yaml:24: an input of channel deflection-midspan/mean must be a channel's id"),
        ("sample_interval_s: 1\n", "sample_interval_s: 0\n",
         "city.yaml:17: `sample_interval_s` of channel deflection-midspan must be above 0, not 0"),
        ("sample_interval_s: 1\n", "sample_interval_s: soon\n",
         ("city.yaml:17: `sample_interval_s` of channel deflection-midspan must be a number, "
         "not soon")),
        ("parameters: {design: 150}", "parameters: {design: [150]}",
         "city.yaml:18: `design` of parameters of channel deflection-midspan must be a number"),
        ("parameters: {design: 150}", "parameters: 150",
         "city.yaml:18: `parameters` of channel deflection-midspan must be a mapping, not 150"),
    ],
)  # fmt: skip
def test_each_fault_is_told_where_it_stands(faults_of, old, new, fault):
    assert fault in faults_of(old, new)


def read(text):
    faults = Faults()
    branch = parse_document("f", text.encode(), faults)
    limits = read_limits(Section(branch, faults, "it", ("limits",)))
    faults.raise_if_any()
    return limits


def test_a_limit_with_both_sides_is_two_limits():
    high, low = read("limits: [{grade: red, high: 3, low: 1 - design, n: 2}]")
    assert (high.side, high.value, high.n, high.m) == (Side.HIGH, 3.0, 2, 2)
    assert low.side is Side.LOW
    assert isinstance(low.value, Expression)
    assert low.grade is Grade.RED


def test_no_limits_is_not_the_same_as_none_said():
    assert read("limits: []") == ()
    assert read("{}") is None
