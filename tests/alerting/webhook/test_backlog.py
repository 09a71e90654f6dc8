"""Which notice is next: a pure state machine, so its laws are tested as such."""

from hypothesis import given
from hypothesis import strategies as st

from alerting.webhook.backlog import RETRY_S_MAX, Backlog
from domain.grade import Grade


def backlog(*entries, cursor=0):
    """A backlog of (number, alarm, grade)."""
    made = Backlog(cursor)
    for number, alarm, grade in entries:
        made.add(number, alarm, grade)
    return made


def run(made, works, attempts_max=500):
    """Try until all are through; return the numbers (delivered, given up) in order."""
    delivered, given_up = [], []
    for _ in range(attempts_max):
        entry = made.next()
        if entry is None:
            return delivered, given_up
        if works(entry.number):
            given_up += [one.number for one in made.delivered(entry)]
            delivered.append(entry.number)
        else:
            given_up += [one.number for one in made.failed(entry, reached=True)]
    return delivered, given_up


BLUE, RED = Grade.BLUE, Grade.RED


def test_notices_go_in_their_order_and_the_cursor_follows():
    made = backlog((1, "a", BLUE), (2, "b", RED), (3, "a", BLUE))
    cursors = []
    while entry := made.next():
        made.delivered(entry)
        cursors.append(made.cursor)
    assert cursors == [1, 2, 3]


def test_rows_that_are_not_for_the_endpoint_move_the_cursor():
    made = backlog((2, "a", BLUE))
    made.skip_to(9)
    assert made.cursor == 1
    made.delivered(made.next())
    assert made.cursor == 9


def test_a_notice_that_fails_alone_is_given_up_and_the_others_get_through_in_order():
    made = backlog(*[(number, f"alarm {number}", BLUE) for number in range(1, 10)])
    assert run(made, lambda number: number != 3) == ([1, 2, 4, 5, 6, 7, 8, 9], [3])
    assert made.cursor == 9


def test_a_refused_notice_is_given_up_sooner():
    made = backlog((1, "a", BLUE), (2, "b", BLUE), (3, "c", BLUE))
    first = made.next()
    assert made.failed(first, reached=True, refused=True) == []
    second = made.next()
    assert second.number == 2
    assert made.delivered(second) == []
    assert made.next() is first  # another got through: it is asked once more
    assert made.failed(first, reached=True, refused=True) == [first]
    assert made.next().number == 3


def test_nothing_is_given_up_while_nothing_gets_through():
    made = backlog(*[(number, f"alarm {number}", BLUE) for number in range(1, 30)])
    for _ in range(1000):
        assert made.failed(made.next(), reached=True) == []
    assert (len(made), made.cursor) == (29, 0)
    delivered, given_up = run(made, lambda _: True)
    assert sorted(delivered) == list(range(1, 30))
    assert given_up == []


def test_a_lone_notice_is_tried_for_ever():
    made = backlog((1, "a", RED))
    for _ in range(200):
        assert made.failed(made.next(), reached=True, refused=True) == []
    assert made.next().number == 1


def test_an_endpoint_that_cannot_be_reached_costs_no_order():
    made = backlog((1, "a", BLUE), (2, "b", BLUE))
    for _ in range(50):
        assert made.next().number == 1
        made.failed(made.next(), reached=False)
    assert run(made, lambda _: True) == ([1, 2], [])


def test_after_an_outage_the_worst_goes_first_and_of_each_alarm_the_newest_only():
    blues = [(number, f"alarm {number % 10}", BLUE) for number in range(1, 1001)]
    made = backlog(*blues, (1001, "red", RED))
    made.catch_up()
    assert (len(made), made.superseded) == (11, 990)
    first = made.next()
    assert (first.number, first.superseded) == (1001, 0)
    made.delivered(first)
    assert made.cursor == 990
    entry = made.next()
    assert (entry.number, entry.superseded) == (991, 99)
    made.add(1002, "new", Grade.ORANGE)  # while catching up
    made.add(1003, "alarm 2", RED)
    delivered, _ = run(made, lambda _: True)
    assert delivered == [1003, 1002, 991, 993, 994, 995, 996, 997, 998, 999, 1000]
    assert made.cursor == 1003
    assert not made.catching_up


def test_an_older_state_of_an_alarm_is_never_sent_after_a_newer_one():
    made = backlog((1, "a", BLUE), (2, "a", RED), (3, "b", BLUE))
    for _ in range(3):
        made.failed(made.next(), reached=True)
    assert (made.next().number, made.behind(made.next())) == (2, 1)
    assert run(made, lambda number: number != 1) == ([2, 3], [])
    assert (made.superseded, made.cursor) == (1, 3)


def test_pauses_grow_to_five_minutes_and_heed_the_endpoint():
    made = backlog((1, "a", BLUE))
    pauses = []
    for _ in range(12):
        made.failed(made.next(), reached=False)
        pauses.append(made.pause_s(0.5))
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == RETRY_S_MAX
    assert made.pause_s(1.0) <= RETRY_S_MAX
    assert backlog().pause_s(0.5, 30.0) == 0.0
    fresh = backlog((1, "a", BLUE))
    fresh.failed(fresh.next(), reached=True)
    assert fresh.pause_s(0.0, 30.0) == 30.0


@given(
    entries=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(Grade)), min_size=1, max_size=12),
    broken=st.sets(st.integers(1, 12), max_size=3),
    outage=st.integers(0, 30),
    catches_up=st.booleans(),
)
def test_every_notice_has_one_fate_and_each_alarm_goes_forward(entries, broken, outage, catches_up):
    made = backlog(
        *[(number, f"alarm {alarm}", grade) for number, (alarm, grade) in enumerate(entries, 1)]
    )
    alarm_of = {number: alarm for number, (alarm, _) in enumerate(entries, 1)}
    for _ in range(outage):
        assert made.failed(made.next(), reached=True) == []
    if catches_up:
        made.catch_up()
    delivered, given_up = run(made, lambda number: number not in broken)
    left = [entry.number for entry in made._in_order()]
    assert len(set(delivered + given_up + left)) == len(delivered + given_up + left)
    assert len(delivered + given_up + left) + made.superseded == len(entries)
    assert set(given_up) <= broken
    if not broken:
        assert left == []
    for alarm in set(alarm_of.values()):
        mine = [number for number in delivered if alarm_of[number] == alarm]
        assert mine == sorted(mine)
    assert made.cursor == (min(left) - 1 if left else len(entries))
