"""The dominant frequency of a waveform, against scipy and against what was put in."""

import numpy as np
import pytest
from scipy.signal import welch

from analytics.features import validate
from analytics.features.bank import Bank, Inputs
from tests.analytics.worlds import START, S, derived, measured

BAND = {"centre_hz": 1.0, "width_hz": 0.8}
RATE_HZ = 50


def bank(interval_s=1.0 / RATE_HZ, **parameters):
    given = {**BAND, "window_s": 120, "step_s": 60, **parameters}
    source = measured("a", sample_interval_s=interval_s)
    return Bank("frequency", [(derived("d", "frequency", "a", **given), [source])])


def advance(one, seconds, values, restarted=()):
    flags = np.zeros(len(values), np.uint8)
    flags[list(restarted)] = 1
    zeros = np.zeros(len(values))
    time_ns = START // (60 * S) * (60 * S) + np.round(np.asarray(seconds) * S).astype(np.int64)
    return one.advance(
        Inputs(
            zeros.astype(np.int32),
            zeros.astype(np.uint8),
            time_ns,
            np.asarray(values),
            flags,
            time_ns * 0,
        )
    )


def oscillator(frequency_hz, seconds, seed=1, damping=0.01):
    """A lightly damped mode under white noise, sampled at RATE_HZ."""
    turn = np.exp(complex(-damping, 1.0) * 2 * np.pi * frequency_hz / RATE_HZ)
    force = np.random.default_rng(seed).normal(0, 1, seconds * RATE_HZ)
    answer, found = 0j, []
    for own in force:
        answer = turn * answer + own
        found.append(answer.real)
    return np.array(found)


@pytest.mark.parametrize("frequency_hz", [0.7, 0.93, 1.0, 1.35])
def test_a_sine_is_found_beside_another_in_noise_and_on_an_offset(frequency_hz):
    seconds = np.arange(300 * RATE_HZ) / RATE_HZ
    rng = np.random.default_rng(3)
    values = 9.81 + np.sin(2 * np.pi * frequency_hz * seconds)
    values += 2.0 * np.sin(2 * np.pi * 3.1 * seconds) + rng.normal(0, 0.5, len(seconds))
    found = advance(bank(), seconds, values).value
    assert len(found) == 4
    assert found[1:] == pytest.approx(frequency_hz, rel=0.004)


@pytest.mark.parametrize("seed", range(4))
def test_a_mode_in_noise_is_found_where_welch_finds_it(seed):
    values = oscillator(0.93, 600, seed)
    seconds = np.arange(len(values)) / RATE_HZ
    found = advance(bank(window_s=540), seconds, values).value[-1]
    frequency_hz, power = welch(values, RATE_HZ, nperseg=40 * RATE_HZ)
    inside = (frequency_hz > 0.6) & (frequency_hz < 1.4)
    assert found == pytest.approx(frequency_hz[inside][np.argmax(power[inside])], abs=0.02)
    assert found == pytest.approx(0.93, rel=0.012)


def test_values_come_at_whole_steps_by_the_first_reading_behind_them():
    seconds = np.arange(200 * RATE_HZ) / RATE_HZ
    out = advance(bank(), seconds, np.sin(2 * np.pi * seconds))
    begin_ns = START // (60 * S) * (60 * S)
    assert ((out.time_ns - begin_ns) / S).tolist() == [60, 120, 180]
    assert (out.source / RATE_HZ).tolist() == [60, 120, 180]


def test_a_mode_that_left_the_band_gives_its_edge_and_not_silence():
    values = oscillator(0.45, 300)
    found = advance(bank(), np.arange(len(values)) / RATE_HZ, values).value
    assert found[1:] == pytest.approx(0.6, abs=0.03)


def test_a_gap_leaves_its_part_out_and_a_long_one_makes_nothing():
    seconds = np.arange(300 * RATE_HZ) / RATE_HZ
    values = np.sin(2 * np.pi * 0.9 * seconds)
    kept = (seconds < 100) | (seconds > 125)
    assert advance(bank(), seconds[kept], values[kept]).value[1:] == pytest.approx(0.9, rel=0.01)
    far = np.concatenate((seconds[: 10 * RATE_HZ], seconds[: 10 * RATE_HZ] + 40_000.0))
    assert advance(bank(), far, np.sin(2 * np.pi * 0.9 * far)).value.tolist() == []


def test_a_restart_forgets_what_was():
    seconds = np.arange(120 * RATE_HZ) / RATE_HZ
    one = bank()
    advance(one, seconds, np.sin(2 * np.pi * 0.8 * seconds))
    again = advance(one, seconds, np.sin(2 * np.pi * 1.2 * seconds), restarted=[0])
    assert again.value == pytest.approx(1.2, rel=0.01)


def test_a_band_must_lie_above_zero_and_its_state_is_bounded():
    good = {**BAND, "window_s": 600, "step_s": 60}
    assert validate("frequency", good) == []
    assert "above 0 Hz" in validate("frequency", good | {"width_hz": 2.5})[0]
    assert "at most 311" in validate("frequency", good | {"step_s": 1})[0]
