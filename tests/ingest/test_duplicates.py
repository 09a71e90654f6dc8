from hypothesis import given
from hypothesis import strategies as st

from domain.time import NS_PER_S
from ingest.duplicates import WINDOW_S, DuplicateWindow

T_NS = 1_700_000_000 * NS_PER_S


def test_the_same_bytes_of_one_gateway_are_known_for_ten_minutes():
    window = DuplicateWindow()
    assert not window.saw(1, b"x", T_NS)
    assert window.saw(1, b"x", T_NS + WINDOW_S * NS_PER_S)
    assert window.saw(1, b"x", T_NS + 2 * WINDOW_S * NS_PER_S), "seen again moves up"
    assert not window.saw(1, b"x", T_NS + (3 * WINDOW_S + 1) * NS_PER_S)


def test_the_same_bytes_of_another_gateway_are_another_frame():
    window = DuplicateWindow()
    assert not window.saw(1, b"x", T_NS)
    assert not window.saw(2, b"x", T_NS)


def test_the_window_is_bounded_and_forgets_the_oldest():
    window = DuplicateWindow(hashes_max=3)
    for number in range(5):
        assert not window.saw(1, bytes([number]), T_NS + number * NS_PER_S)
    assert len(window) == 3
    assert not window.saw(1, bytes([0]), T_NS + 9 * NS_PER_S)
    assert window.saw(1, bytes([4]), T_NS + 9 * NS_PER_S)


frames = st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=1), st.integers(-900, 900)))


@given(frames, frames, st.integers(1, 5))
def test_a_restored_window_goes_on_as_if_nothing_had_been(before, after, hashes_max):
    window = DuplicateWindow(hashes_max=hashes_max)
    for seed, payload, second in before:
        window.saw(seed, payload, T_NS + second * NS_PER_S)
    restored = DuplicateWindow(hashes_max=hashes_max)
    restored.restore(window.snapshot())
    for seed, payload, second in after:
        received_ns = T_NS + second * NS_PER_S
        assert window.saw(seed, payload, received_ns) == restored.saw(seed, payload, received_ns)
        assert len(window) <= hashes_max
