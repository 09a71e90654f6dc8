"""The deck's swing: its modes found again by scipy, its strength, and its seams."""

import numpy as np
import pytest
from scipy.signal import welch

from domain.time import NS_PER_S
from simulators.bridge import CONTINUOUS, Trouble, built
from simulators.bridge.vibration import PIECE, Mode, Swing, rung
from simulators.course import level

RATE_HZ = 50
MODES = (Mode(1.9, 0.01), Mode(4.4, 0.012, 0.6))
BEGIN_NS = 1_790_000_000 * NS_PER_S


def swing(strength=0.02, share=1.0):
    return Swing(3, MODES, RATE_HZ, level(strength), level(share), 0.0).course()


def samples(seconds, begin_ns=BEGIN_NS):
    return begin_ns + np.arange(seconds * RATE_HZ) * (NS_PER_S // RATE_HZ)


def peaks(values):
    frequency_hz, power = welch(values, RATE_HZ, nperseg=50 * RATE_HZ)
    bands = ((1.0, 3.0), (3.2, 5.5))
    return [
        frequency_hz[inside][np.argmax(power[inside])]
        for inside in ((frequency_hz > low) & (frequency_hz < high) for low, high in bands)
    ]


@pytest.mark.parametrize("share", [1.0, 0.9])
def test_scipy_finds_the_modes_where_they_were_put(share):
    found = peaks(swing(share=share)(samples(1_800)))
    assert found == pytest.approx([1.9 * share, 4.4 * share], rel=0.015)


def test_the_strength_is_the_rms_of_the_first_mode():
    values = Swing(3, MODES[:1], RATE_HZ, level(0.02), level(1.0), 0.0).course()(samples(3_600))
    assert values.std() == pytest.approx(0.02, rel=0.1)


def test_it_is_the_same_in_blocks_and_whole_also_over_a_seam():
    seam_ns = BEGIN_NS // (PIECE * NS_PER_S // RATE_HZ) * (PIECE * NS_PER_S // RATE_HZ)
    times = samples(20, seam_ns - 10 * NS_PER_S)
    course = swing()
    whole = course(times)
    blocks = [course(times[k : k + RATE_HZ]) for k in range(0, len(times), RATE_HZ)]
    assert np.concatenate(blocks).tolist() == whole.tolist()
    jumps = np.abs(np.diff(whole))
    assert jumps[10 * RATE_HZ - 1] <= jumps.max()


def test_an_impulse_rings_with_its_frequency_and_dies_with_its_damping():
    force = np.zeros(20_000)
    force[10_000] = 1.0
    mode = Mode(2.0, 0.01)
    answer = rung(force, mode, 2.0, RATE_HZ)[10_000:]
    assert not rung(force, mode, 2.0, RATE_HZ)[:10_000].any()
    first, later = np.abs(answer[:25]).max(), np.abs(answer[500:525]).max()
    assert later / first == pytest.approx(np.exp(-0.01 * 2 * np.pi * 2.0 * 10), rel=0.05)


def test_warmth_lowers_a_frequency_by_two_parts_in_a_thousand_for_ten_degrees():
    own = built("gw", 1, design=CONTINUOUS, trouble=Trouble(cold_k=level(-10.0)))
    calm = built("gw", 1, design=CONTINUOUS)
    moment = np.array([BEGIN_NS])
    ratio = own.frequency_share(moment)[0] / calm.frequency_share(moment)[0]
    assert ratio == pytest.approx(1.002, abs=2e-5)
