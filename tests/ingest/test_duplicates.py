from collections import OrderedDict, deque

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.time import NS_PER_S
from ingest.duplicates import WINDOW_S, DuplicateWindow

T_NS = 1_700_000_000 * NS_PER_S


def saw(window, seed, payload, received_ns):
    return window.saw([seed], [payload], [received_ns])[0]


def test_the_same_bytes_of_one_gateway_are_known_for_ten_minutes():
    window = DuplicateWindow()
    assert not saw(window, 1, b"x", T_NS)
    assert saw(window, 1, b"x", T_NS + WINDOW_S * NS_PER_S)
    assert saw(window, 1, b"x", T_NS + 2 * WINDOW_S * NS_PER_S), "seen again moves up"
    assert not saw(window, 1, b"x", T_NS + (3 * WINDOW_S + 1) * NS_PER_S)


def test_the_same_bytes_of_another_gateway_are_another_frame():
    window = DuplicateWindow()
    assert not saw(window, 1, b"x", T_NS)
    assert not saw(window, 2, b"x", T_NS)


def test_the_window_is_bounded_and_forgets_the_oldest():
    window = DuplicateWindow(hashes_max=3)
    for number in range(5):
        assert not saw(window, 1, bytes([number]), T_NS + number * NS_PER_S)
    assert len(window) == 3
    assert not saw(window, 1, bytes([0]), T_NS + 9 * NS_PER_S)
    assert saw(window, 1, bytes([4]), T_NS + 9 * NS_PER_S)


class Model:
    """The same in words: a queue of what came, and of each frame the place of its latest entry."""

    def __init__(self, hashes_max):
        self.hashes_max = hashes_max
        self.queue = deque()
        self.latest = {}
        self.entries = 0

    def saw(self, frame, second):
        place, seen_s = self.latest.get(frame, (None, None))
        if seen_s != second:
            self.latest[frame] = self.entries, second
            self.queue.append((self.entries, frame, second))
            self.entries += 1
            while self.queue[0][2] < second - WINDOW_S or len(self.queue) > self.hashes_max:
                place, old, old_s = self.queue.popleft()
                if self.latest.get(old) == (place, old_s):
                    del self.latest[old]
        return seen_s is not None and second - seen_s <= WINDOW_S


frames = st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=1), st.integers(-900, 900)))
few = st.lists(st.tuples(st.integers(0, 3), st.integers(-900, 900)), max_size=60)


@given(few, st.integers(1, 9), st.data())
@settings(max_examples=300)
def test_it_does_what_a_queue_and_a_dictionary_do_in_groups_of_any_size(sent, hashes_max, data):
    window, model = DuplicateWindow(hashes_max=hashes_max), Model(hashes_max)
    while sent:
        count = data.draw(st.integers(1, len(sent)))
        group, sent = sent[:count], sent[count:]
        payloads = [bytes([one]) for one, _ in group]
        times_ns = [T_NS + second * NS_PER_S for _, second in group]
        found = window.saw([7] * count, payloads, times_ns)
        assert found == [model.saw(one, T_NS // NS_PER_S + second) for one, second in group]
        assert len(window) == len(model.latest)


@given(frames, frames, st.integers(1, 5))
def test_a_restored_window_goes_on_as_if_nothing_had_been(before, after, hashes_max):
    window = DuplicateWindow(hashes_max=hashes_max)
    for seed, payload, second in before:
        saw(window, seed, payload, T_NS + second * NS_PER_S)
    restored = DuplicateWindow(hashes_max=hashes_max)
    saw(restored, 1, b"something else", T_NS)
    restored.restore(window.snapshot())
    for seed, payload, second in after:
        received_ns = T_NS + second * NS_PER_S
        assert saw(window, seed, payload, received_ns) == saw(restored, seed, payload, received_ns)
        assert len(window) == len(restored) <= hashes_max


def test_a_snapshot_of_before_there_was_a_table_is_taken_back():
    window, payloads = DuplicateWindow(), [b"a", b"b", b"a"]
    digests = OrderedDict((one, xxhash.xxh3_128_digest(one, 5)) for one in payloads)
    seconds = np.arange(3, dtype=np.int64) + T_NS // NS_PER_S
    window.restore({"hashes": b"".join(digests[one] for one in payloads), "seconds": seconds})
    assert len(window) == 2
    assert window.saw([5, 5, 5], [b"a", b"b", b"c"], [T_NS] * 3) == [True, True, False]
    with pytest.raises(ValueError, match="torn"):
        window.restore({"hashes": digests[b"a"], "seconds": seconds})


def test_many_frames_come_and_go_and_each_is_known_for_its_time():
    window, rng = DuplicateWindow(hashes_max=5_000), np.random.default_rng(3)
    model = Model(5_000)
    for step in range(60):
        sent = rng.integers(0, 9_000, 1_000).tolist()
        times_ns = [T_NS + step * 40 * NS_PER_S] * len(sent)
        found = window.saw([1] * len(sent), [b"%d" % one for one in sent], times_ns)
        assert found == [model.saw(one, times_ns[0] // NS_PER_S) for one in sent]
    assert len(window) == len(model.latest)
