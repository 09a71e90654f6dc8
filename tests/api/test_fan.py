"""The fan: one chunk to all who listen, each number once, and nobody held up by who does not take it."""

from hypothesis import given
from hypothesis import strategies as st

from api.fan import BEHIND_BYTES_MAX, DIRECT, Fan, Place, chunk, transport_of


class Wire:
    """A connection in memory."""

    def __init__(self):
        self.data, self.buffered, self.closing, self.aborted = b"", 0, False, False

    def write(self, data):
        self.data += data

    def is_closing(self):
        return self.closing

    def get_write_buffer_size(self):
        return self.buffered

    def abort(self):
        self.aborted = True

    def get_extra_info(self, name):
        return None

    def taken(self):
        """Return the payloads of the chunks written."""
        found, rest = b"", self.data
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = rest[: int(size, 16)], rest[int(size, 16) :]
            assert rest.startswith(b"\r\n")
            found, rest = found + body, rest[2:]
        return found


def joined(fan, cursor=None):
    cuts = []
    place = Place(Wire(), cursor, lambda: cuts.append(1))
    fan.join(place)
    return place, cuts


def events(numbers):
    return [(number, b"<%d>" % number) for number in numbers]


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=6),
    st.lists(st.integers(1, 5), max_size=8),
)
def test_everybody_gets_what_follows_their_cursor_once_and_in_order(cursors, sizes):
    fan = Fan()
    places = [joined(fan, cursor)[0] for cursor in cursors]
    last = 0
    for size in sizes:
        fan.write(events(range(last + 1, last + size + 1)))
        last += size
    for place, cursor in zip(places, cursors, strict=True):
        missing = range((cursor or 0) + 1, last + 1)
        assert place.transport.taken() == b"".join(text for _, text in events(missing))


def test_a_listener_that_takes_nothing_is_cut_and_the_others_are_not():
    fan = Fan()
    slow, cuts = joined(fan)
    quick, _ = joined(fan)
    slow.transport.buffered = BEHIND_BYTES_MAX + 1
    fan.write(events([1]))
    assert slow.transport.aborted
    assert slow.ended.is_set()
    assert cuts == [1]
    assert quick.transport.taken() == b"<1>"
    assert len(fan) == 1


def test_one_that_has_gone_is_let_go():
    fan = Fan()
    gone, cuts = joined(fan)
    gone.transport.closing = True
    fan.write(events([1]))
    assert (len(fan), gone.transport.data, cuts) == (0, b"", [])
    fan.leave(gone)


def test_closing_ends_every_stream():
    fan = Fan()
    places = [joined(fan)[0] for _ in range(3)]
    fan.close()
    assert all(place.ended.is_set() for place in places)


def test_a_chunk_is_what_http_says():
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_only_an_answer_in_chunks_is_written_to_directly():
    wire = Wire()
    scope = {"http_version": "1.1", "method": "GET", "extensions": {DIRECT: wire}}
    assert transport_of(scope) is wire
    assert transport_of({**scope, "http_version": "1.0"}) is None
    assert transport_of({**scope, "method": "HEAD"}) is None
    assert transport_of({"http_version": "1.1", "method": "GET"}) is None
