"""What holds for every feature, whoever adds the next: found in the registry, not listed."""

import itertools
import math
import pkgutil
import random

import numpy as np
import pytest

from analytics import features
from analytics.core import Core
from analytics.features import KINDS, PARAMETERS, validate
from analytics.features.bank import Bank
from tests.analytics.worlds import START, S, batch, catalogue, derived, measured

HELPERS = {"bank", "protocol"}
EVERY = sorted(KINDS)


def sensible(kind):
    """Parameters that suit readings a second apart, from the feature's own description."""
    by_unit = {"window_s": 8, "step_s": 2, "warmup_s": 2, "age_s_max": 10, "learn_s": 8}
    given = {}
    for parameter in PARAMETERS[kind]:
        if parameter.name in by_unit:
            given[parameter.name] = by_unit[parameter.name]
        elif parameter.kind == "grades":
            given[parameter.name] = {"1": "blue"}
        elif parameter.kind == "ranges":
            given[parameter.name] = [[-1e300, 1.0]] * KINDS[kind].INPUTS
        elif parameter.default is None:
            given[parameter.name] = parameter.choices[0] if parameter.choices else 1
    return given


def make_core(kind):
    inputs = ["a", "b"][: KINDS[kind].INPUTS]
    return Core(
        catalogue(measured("a"), measured("b"), derived("d", kind, *inputs, **sensible(kind)))
    )


def stream(seed, count=400):
    """Rows of two channels: jitter, gaps, late ones, failing ones, and very large values."""
    rng = random.Random(seed)
    now, rows = [START, START], []
    for seq in range(1, count + 1):
        index = rng.randint(0, 1)
        now[index] += rng.choice((1, S // 50, S, S, 2 * S, 40 * S))
        late = rng.choice((0, 0, 0, 0, 5 * S))
        value = rng.choice((0.0, 1.0, -1.5, 2.25, 1e12, 1e300, -1e308))
        rows.append((seq, index, now[index] - late, value, START, 0))
    return rows


def outputs(core, rows, sizes):
    found = []
    while rows:
        size = next(sizes)
        readings = core.step(batch(rows[:size])).readings
        rows = rows[size:]
        own = np.flatnonzero(readings.channel == 2)
        found += zip(readings.time_ns[own].tolist(), readings.value[own].tolist(), strict=True)
    return found


def endless(rng):
    while True:
        yield rng.choice((1, 2, 5, 60))


def test_every_file_of_the_family_is_registered():
    files = {module.name for module in pkgutil.iter_modules(features.__path__)}
    assert files - HELPERS == set(KINDS)


@pytest.mark.parametrize("kind", EVERY)
def test_outputs_are_finite_their_times_rise_and_grouping_changes_nothing(kind):
    for seed in range(5):
        rows = stream(seed)
        whole = outputs(make_core(kind), rows, iter([len(rows)]))
        assert len(whole) > 5
        assert all(math.isfinite(value) for _, value in whole)
        times = [time_ns for time_ns, _ in whole]
        assert all(one < other for one, other in itertools.pairwise(times))
        assert outputs(make_core(kind), rows, endless(random.Random(seed))) == whole


@pytest.mark.parametrize("kind", EVERY)
def test_an_output_never_lies_beyond_the_reading_that_makes_it(kind):
    core = make_core(kind)
    newest = 0
    for row in stream(3):
        readings = core.step(batch([row])).readings
        newest = max(newest, row[2])
        assert (readings.time_ns[1:] <= newest).all()
        assert len(readings) <= 2


@pytest.mark.parametrize("kind", EVERY)
def test_state_does_not_grow(kind):
    core = make_core(kind)
    bank: Bank = core._house.levels[0].banks[0]
    before = bank.records.nbytes + bank.cells.nbytes
    core.step(batch(stream(1, 2000)))
    assert bank.records.nbytes + bank.cells.nbytes == before


@pytest.mark.parametrize("kind", EVERY)
def test_failing_readings_make_nothing(kind):
    core = make_core(kind)
    for bound in ("fail_high", "calm_high"):
        core._house.tables.channels[bound] = 0
    rows = [(k, k % 2, START + k * S, 1.0, START + k * S, 0) for k in range(1, 100)]
    assert outputs(core, rows, endless(random.Random(1))) == []


@pytest.mark.parametrize("kind", EVERY)
def test_sensible_parameters_pass_and_nonsense_is_refused(kind):
    good = sensible(kind)
    assert validate(kind, good, KINDS[kind].INPUTS) == []
    assert validate(kind, good, 7)
    assert validate(kind, good | {"colour": 1})
    for parameter in PARAMETERS[kind]:
        for nonsense in (math.nan, math.inf, 10**400, "x", True, [1], {"x": "red"}, {"1": "?"}):
            faults = validate(kind, good | {parameter.name: nonsense})
            assert len(faults) == 1
            assert parameter.name in faults[0]
        if parameter.default is None and not parameter.optional:
            short = {name: value for name, value in good.items() if name != parameter.name}
            assert validate(kind, short)


@pytest.mark.parametrize("kind", EVERY)
def test_every_parameter_says_what_it_means(kind):
    for parameter in PARAMETERS[kind]:
        assert parameter.meaning
        assert (parameter.unit == "s") == ("_s" in parameter.name)


def test_an_unknown_kind_is_refused_by_name():
    assert validate("clairvoyance", {}) == [
        f"there is no feature 'clairvoyance'; there are {', '.join(EVERY)}"
    ]
