import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.book import ENDED_ALARMS_MAX, HANDLED_COMMANDS_MAX, Book
from alerting.lifecycle import CHANNEL_REMOVED, IN_COMMISSIONING, LIMIT_REMOVED
from domain.alarm import TransitionKind as Kind
from domain.catalogue import Catalogue, Channel, Facility, Gateway, Limit, Text
from domain.grade import Condition, FaultKind, Grade, Side
from domain.journal import Command, Tick
from domain.readings import GradeChange

S = 1_000_000_000
DAY = 86_400 * S
NAME = Text("名", "name")
LIMITS = tuple(Limit(grade, side, 1.0) for grade in list(Grade)[1:] for side in Side)
WORSE = (Kind.RAISED, Kind.RISEN, Kind.REACTIVATED)


def channel(name, **options):
    options = {"limits": LIMITS, "gateway": "gw", "sent_as": name} | options
    return Channel(f"b/{name}", "b", NAME, "deflection", 10.0, **options)


def fault(name, kind):
    return channel(f"{name}:{kind}", gateway=None, fault=FaultKind(kind), fault_of=f"b/{name}")


PLAIN = channel("plain")
SILENT = fault("plain", "silent")
LATCHING = channel("latching", latching=True)
EASY = channel("easy", acknowledge_up_to=Grade.YELLOW)
MUTED = channel("easy", acknowledge_up_to=Grade.YELLOW, commissioning=True)
QUIET = channel("latching", latching=True, limits=LIMITS[::2])  # the high side only
OFFLINE = Channel(
    "gateway/gw:silent", "b", NAME, "silence", 10.0,
    gateway="gw", fault=FaultKind.SILENT, limits=LIMITS[::2],
)  # fmt: skip


def catalogue(revision, *channels):
    return Catalogue(
        revision,
        facilities=(Facility("b", "bridge", NAME, "north"),),
        gateways=(Gateway("gw", "north", NAME, "b", upload_interval_s=30.0),),
        channels=channels,
    )


CATALOGUES = [
    catalogue(1, PLAIN, SILENT, LATCHING, EASY, OFFLINE),
    catalogue(2, EASY, LATCHING, OFFLINE),
    catalogue(3, OFFLINE, MUTED, QUIET, PLAIN),
    catalogue(4, LATCHING, SILENT, PLAIN, MUTED),
]
CAUGHT_UP_NS = 100 * S  # 10 s of sampling, 30 s of uploading, a minute


def change(seq, target, grade, age_s=0.0, *, side=Side.HIGH, now_ns=None, within=CATALOGUES[0]):
    received_ns = seq * S if now_ns is None else now_ns
    return GradeChange(
        seq=seq,
        channel=within.channel_index[target.id],
        side=side,
        previous=Grade.NORMAL,
        grade=grade,
        time_ns=received_ns - round(age_s * S),
        received_ns=received_ns,
        value=100.0 + grade,
        limit=90.0 + grade,
    )


def order(seq, verb, alarm_id, now_ns=0, command_id=None, **arguments):
    arguments = {"alarm_id": alarm_id} | arguments
    command = Command(command_id or f"command {seq}", verb, arguments, "li", now_ns or seq * S)
    return seq, command


def look(now_ns):
    return Tick(now_ns, S, True)


def kinds(outcome):
    return [transition.kind for transition in outcome.transitions]


def reopened(book, active):
    """Return a new book that went through a snapshot of plain values."""
    other = Book(active)
    other.restore(json.loads(json.dumps(book.snapshot())))
    return other


# ---- The whole book against its laws -------------------------------------------------------------


@dataclass
class World:
    """Plays a program of rows on a book, as the service would, and keeps all that comes out.

    ``cut`` says how many changes go into one call of `Book.apply`, whatever rows they are of;
    ``reopen`` takes the book through a snapshot before every call.
    """

    cut: int = 1
    reopen: bool = False
    seq: int = 0
    now_ns: int = 10 * DAY
    active: Catalogue = CATALOGUES[0]
    transitions: list = field(default_factory=list)
    notices: list = field(default_factory=list)
    results: list = field(default_factory=list)
    waiting: list = field(default_factory=list)
    grades: dict = field(default_factory=dict)
    newest: dict = field(default_factory=dict)

    def __post_init__(self):
        self.book = Book(self.active)

    def play(self, rows):
        for row in rows:
            self.seq += 1
            self.now_ns += row[1] * S
            getattr(self, row[0])(*row[2:])
        self.flush()
        return self

    def keep(self, outcome):
        self.transitions += outcome.transitions
        self.notices += outcome.notices
        if self.reopen:
            self.book = reopened(self.book, self.active)

    def flush(self, keep_back=0):
        while len(self.waiting) > keep_back:
            part, self.waiting = self.waiting[: self.cut], self.waiting[self.cut :]
            self.keep(self.book.apply(part))

    def frame(self, grades):
        for position, side, grade, behind_s in grades:
            target = self.active.channels[position % len(self.active.channels)]
            sides = {limit.side for limit in target.limits}
            age_s = 0.0 if target.fault else behind_s
            time_ns = self.now_ns - round(age_s * S)
            self.newest[target.id] = max(time_ns, self.newest.get(target.id, 0))
            key = target.id, side
            if side in sides and self.grades.get(key, Grade.NORMAL) != grade:
                self.grades[key] = grade
                self.waiting.append(
                    change(
                        self.seq, target, grade, age_s,
                        side=side, now_ns=self.now_ns, within=self.active,
                    )
                )  # fmt: skip
        self.flush(keep_back=self.cut - 1)

    def tick(self):
        self.flush()
        newest = self.newest
        self.keep(self.book.tick(self.seq, look(self.now_ns), lambda name: newest.get(name, 0)))

    def command(self, verb, position, repeat):
        self.flush()
        alarms = list(dict.fromkeys(entry.alarm.id for entry in self.transitions))
        alarm_id = alarms[position % len(alarms)] if alarms else "none"
        command_id = f"command {self.seq // 4 if repeat else self.seq}"
        _, command = order(self.seq, verb, alarm_id, self.now_ns, command_id)
        outcome, result = self.book.command(self.seq, command)
        self.results.append(result)
        self.keep(outcome)

    def revise(self, position):
        self.flush()
        self.active = CATALOGUES[position]
        outcome = self.book.change_catalogue(self.seq, self.active, self.now_ns)
        self.keep(outcome)
        kept = {(entry.id, limit.side) for entry in self.active.channels for limit in entry.limits}
        self.grades = {key: grade for key, grade in self.grades.items() if key in kept}

    def rest(self):
        """Let everything return, and people finish what there is to finish."""
        self.play([("revise", 1, 0)])
        for position in range(len(self.active.channels)):
            for side in Side:
                self.play([("frame", 1, [(position, side, Grade.NORMAL, 0.0)])])
        for verb in ("reset", "acknowledge"):
            for alarm in self.book.open_alarms():
                self.seq += 1
                outcome, _ = self.book.command(*order(self.seq, verb, alarm.id, self.now_ns))
                self.keep(outcome)


secs = st.integers(0, 60)
grading = st.tuples(
    st.integers(0, 4),
    st.sampled_from(Side),
    st.sampled_from([Grade.NORMAL, *Grade]),
    st.sampled_from([0.0, 0.0, 90.0, 200.0, 5_000.0]),
)
frames = st.tuples(st.just("frame"), secs, st.lists(grading, max_size=8))
ticks = st.tuples(st.just("tick"), st.sampled_from([1, 1, 100, 90_000]))
verbs = st.sampled_from(["acknowledge", "acknowledge", "reset", "dance"])
commands = st.tuples(st.just("command"), secs, verbs, st.integers(0, 20), st.booleans())
revisions = st.tuples(st.just("revise"), secs, st.integers(0, len(CATALOGUES) - 1))
programs = st.lists(st.one_of(frames, frames, ticks, commands, commands, revisions), max_size=40)


@given(programs, st.integers(2, 9))
def test_any_grouping_of_the_same_rows_gives_the_same_alarms_and_notices(rows, cut):
    one, other = World().play(rows), World(cut=cut).play(rows)
    assert one.transitions == other.transitions
    assert one.notices == other.notices
    assert one.results == other.results


@given(programs)
@settings(max_examples=50)
def test_a_snapshot_before_any_call_changes_nothing(rows):
    one, other = World().play(rows), World(reopen=True).play(rows)
    assert one.transitions == other.transitions
    assert one.notices == other.notices
    assert one.results == other.results
    assert one.book.open_alarms() == other.book.open_alarms()


@given(programs)
def test_the_transitions_alone_give_the_open_alarms_at_most_one_for_each_condition(rows):
    world, alarms = World().play(rows), {}
    for transition in world.transitions:
        alarm = transition.alarm
        before = alarms.get(alarm.id)
        assert (before is None) == (transition.kind is Kind.RAISED)
        assert transition.previous_grade is (before.grade if before else Grade.NORMAL)
        alarms[alarm.id] = alarm
        if alarm.ended:
            assert transition.kind is Kind.ENDED
            del alarms[alarm.id]
        places = [(entry.channel, entry.condition) for entry in alarms.values()]
        assert len(places) == len(set(places))
    assert list(alarms.values()) == world.book.open_alarms()


@given(programs)
def test_every_alarm_shows_the_grade_that_the_judgement_gives_now(rows):
    world = World().play(rows)
    expected = {}
    for (name, side), grade in world.grades.items():
        source = world.active.channel(name)
        watched = world.active.channel_index.get(source.alarm_channel)
        if watched is not None and not world.active.channels[watched].commissioning:
            key = source.alarm_channel, source.condition(side)
            expected[key] = max(grade, expected.get(key, Grade.NORMAL))
    active = {key: grade for key, grade in expected.items() if grade > Grade.NORMAL}
    shown = {(alarm.channel, alarm.condition): alarm for alarm in world.book.open_alarms()}
    assert {key: alarm.grade for key, alarm in shown.items() if alarm.active} == active


@given(programs)
def test_every_id_is_unique(rows):
    world = World().play(rows)
    for ids in (
        [transition.id for transition in world.transitions],
        [notice.id for notice in world.notices],
        [entry.alarm.id for entry in world.transitions if entry.kind is Kind.RAISED],
        [(entry.seq, entry.alarm.channel, entry.ordinal) for entry in world.transitions],
    ):
        assert len(ids) == len(set(ids))


@given(programs)
def test_an_alarm_ends_by_itself_only_when_normal_acknowledged_and_reset(rows):
    for transition in World().play(rows).transitions:
        if transition.kind is Kind.ENDED:
            alarm = transition.alarm
            by_law = transition.reason == "normal and acknowledged"
            finished = alarm.acknowledged and not alarm.awaiting_reset
            assert finished or not by_law
            assert alarm.cleared_at_ns is not None or not by_law


@given(programs)
def test_every_raise_comes_to_exactly_one_end(rows):
    world = World().play(rows)
    world.rest()
    assert world.book.open_alarms() == []
    raised = [entry.alarm.id for entry in world.transitions if entry.kind is Kind.RAISED]
    ended = [entry.alarm.id for entry in world.transitions if entry.kind is Kind.ENDED]
    assert sorted(raised) == sorted(ended)


@given(programs)
def test_after_a_day_everybody_knows_of_every_active_alarm_and_of_each_return_they_wait_for(rows):
    world = World().play(rows)
    world.play([("tick", 86_400), ("tick", 1)])
    told = {notice.alarm.id: notice for notice in world.notices}
    last = {entry.alarm.id: entry.alarm for entry in world.transitions}
    for alarm in last.values():
        if alarm.active:
            assert told[alarm.id].alarm.active
            assert told[alarm.id].alarm.grade >= alarm.grade
        else:
            assert alarm.id not in told or not told[alarm.id].alarm.active
    assert world.book.snapshot()["notices"]["deferred"] == []


@given(programs)
def test_nobody_is_told_of_the_return_of_what_they_were_never_told_of(rows):
    active = set()
    for notice in World().play(rows).notices:
        if notice.alarm.active:
            active.add(notice.alarm.id)
        else:
            assert notice.alarm.id in active
            active.remove(notice.alarm.id)


# ---- Notices of old data -------------------------------------------------------------------------


@pytest.fixture
def book():
    return Book(CATALOGUES[0])


def at(newest_s):
    return lambda _: newest_s * S


def test_fresh_changes_are_told_at_once_but_falls_are_not(book):
    told = [
        len(book.apply([change(seq, PLAIN, grade, 100.0)]).notices)
        for seq, grade in enumerate((Grade.BLUE, Grade.RED, Grade.YELLOW, Grade.NORMAL), 1_000)
    ]
    assert told == [1, 1, 0, 1]
    assert book.tick(2_000, look(2_000 * S), at(2_000)).notices == []


def test_acknowledging_and_the_end_that_follows_are_not_told(book):
    book.apply([change(1, PLAIN, Grade.RED)])
    (alarm,) = book.open_alarms()
    outcome, _ = book.command(*order(2, "acknowledge", alarm.id))
    assert outcome.notices == []
    outcome = book.apply([change(3, PLAIN, Grade.NORMAL)])
    assert kinds(outcome) == [Kind.RETURNED, Kind.ENDED]
    assert [notice.transition_id for notice in outcome.notices] == [outcome.transitions[0].id]


def test_a_backlog_whose_alarm_has_returned_is_never_told(book):
    raised = book.apply([change(9_000, PLAIN, Grade.RED, 7_000.0)])
    returned = book.apply([change(9_000, PLAIN, Grade.NORMAL, 6_000.0)])
    assert raised.transitions[0].alarm.delayed
    assert raised.notices == returned.notices == []
    assert book.tick(9_001, look(9_001 * S), at(9_001)).notices == []


def test_what_still_stands_is_told_once_when_the_channel_is_caught_up(book):
    book.apply([change(9_000, PLAIN, Grade.YELLOW, 7_000.0)])
    book.apply([change(9_000, PLAIN, Grade.RED, 6_000.0)])
    outcome = book.apply([change(9_000, PLAIN, Grade.ORANGE, 5_000.0)])
    assert book.tick(9_001, look(9_001 * S), at(9_001 - 101)).notices == []
    (notice,) = book.tick(9_002, look(9_002 * S), at(9_002 - 100)).notices
    assert (notice.seq, notice.alarm) == (9_002, outcome.transitions[-1].alarm)
    assert book.tick(9_003, look(9_003 * S), at(9_003)).notices == []


def test_after_a_day_it_is_told_though_the_channel_never_caught_up(book):
    now_s = 9_000
    book.apply([change(now_s, PLAIN, Grade.YELLOW, 7_000.0)])
    now_s += 86_399
    assert book.tick(now_s, look(now_s * S), at(0)).notices == []
    now_s += 1
    assert len(book.tick(now_s, look(now_s * S), at(0)).notices) == 1


def test_the_day_runs_from_what_was_deferred_first(book):
    later_s = 9_000 + 86_000
    book.apply([change(9_000, PLAIN, Grade.YELLOW, 7_000.0)])
    book.apply([change(later_s, PLAIN, Grade.RED, 7_000.0)])
    (notice,) = book.tick(later_s + 400, look((later_s + 400) * S), at(0)).notices
    assert notice.alarm.grade is Grade.RED


def test_a_fresh_rise_is_told_at_once_and_nothing_is_left_to_tell(book):
    book.apply([change(9_000, PLAIN, Grade.YELLOW, 7_000.0)])
    (notice,) = book.apply([change(9_001, PLAIN, Grade.RED)]).notices
    assert not notice.alarm.delayed
    assert book.tick(9_002, look(9_002 * S), at(9_002)).notices == []


def test_a_return_found_in_a_backlog_is_told_to_those_who_know_of_the_alarm(book):
    book.apply([change(1_000, PLAIN, Grade.RED)])
    assert book.apply([change(9_000, PLAIN, Grade.NORMAL, 7_000.0)]).notices == []
    (notice,) = book.tick(9_001, look(9_001 * S), at(9_001)).notices
    assert not notice.alarm.active


def test_a_return_that_a_backlog_takes_back_is_told_as_the_alarm_that_stands(book):
    book.apply([change(1_000, PLAIN, Grade.RED)])
    book.apply([change(9_000, PLAIN, Grade.NORMAL, 7_000.0)])
    book.apply([change(9_000, PLAIN, Grade.YELLOW, 6_000.0)])
    (notice,) = book.tick(9_001, look(9_001 * S), at(9_001)).notices
    assert (notice.alarm.active, notice.alarm.grade) == (True, Grade.YELLOW)


def test_a_fault_is_caught_up_when_the_channel_it_watches_is(book):
    book.apply([change(9_000, SILENT, Grade.RED, 7_000.0)])
    newest = {PLAIN.id: 9_000 * S}
    tick = look(9_001 * S)
    assert len(book.tick(9_001, tick, lambda name: newest.get(name, 0)).notices) == 1


# ---- Whose alarm it is ---------------------------------------------------------------------------


def test_a_fault_is_an_alarm_of_the_channel_it_watches_beside_those_of_its_limits(book):
    book.apply([change(1, SILENT, Grade.BLUE), change(1, PLAIN, Grade.RED)])
    book.apply([change(2, PLAIN, Grade.RED, side=Side.LOW), change(2, OFFLINE, Grade.BLUE)])
    found = [(alarm.channel, alarm.condition.value) for alarm in book.open_alarms()]
    assert found == [
        ("b/plain", "silent"), ("b/plain", "high"), ("b/plain", "low"),
        ("gateway/gw:silent", "silent"),
    ]  # fmt: skip
    alarm = book.open_alarms()[0]
    assert (alarm.facility, alarm.facility_kind, alarm.revision) == ("b", "bridge", 1)


def test_two_alarms_of_one_condition_that_begin_in_one_row_have_ids_of_their_own(book):
    grades = (Grade.BLUE, Grade.NORMAL, Grade.BLUE, Grade.NORMAL)
    outcome = book.apply([change(7, EASY, grade) for grade in grades])
    assert kinds(outcome) == 2 * [Kind.RAISED, Kind.RETURNED, Kind.ENDED]
    assert [transition.ordinal for transition in outcome.transitions] == list(range(6))
    assert len({transition.alarm.id for transition in outcome.transitions}) == 2


def test_ordinals_begin_anew_with_each_row_and_for_each_channel(book):
    rows = [(7, PLAIN, Grade.BLUE), (7, PLAIN, Grade.RED), (7, EASY, Grade.RED)]
    rows += [(8, PLAIN, Grade.YELLOW)]
    outcome = book.apply([change(*row) for row in rows])
    assert [transition.ordinal for transition in outcome.transitions] == [0, 1, 0, 0]


def test_open_alarms_come_in_the_order_of_their_raise_after_a_snapshot_too():
    book = Book(CATALOGUES[2])
    book.apply([change(1, MUTED, Grade.RED, within=CATALOGUES[2])])
    book.apply([change(2, PLAIN, Grade.RED, within=CATALOGUES[2])])
    book.change_catalogue(3, CATALOGUES[0], 3 * S)
    assert [alarm.channel for alarm in book.open_alarms()] == [PLAIN.id, EASY.id]
    assert reopened(book, CATALOGUES[0]).open_alarms() == book.open_alarms()


# ---- Commands ------------------------------------------------------------------------------------


def test_a_command_is_carried_out_by_its_author_at_its_time(book):
    book.apply([change(1, PLAIN, Grade.RED)])
    (alarm,) = book.open_alarms()
    outcome, result = book.command(*order(2, "acknowledge", alarm.id, 99, comment="seen"))
    (transition,) = outcome.transitions
    assert (transition.author, transition.reason) == ("li", "seen")
    assert transition.time_ns == transition.recorded_ns == 99
    assert (result.status, result.problem, result.alarm) == (200, "", transition.alarm)
    assert book.open_alarms() == [transition.alarm]


def test_a_command_that_cannot_be_carried_out_says_why(book):
    book.apply([change(1, PLAIN, Grade.RED)])
    (alarm,) = book.open_alarms()
    for row, status in [
        (order(2, "acknowledge", "nobody"), 404),
        (order(3, "dance", alarm.id), 400),
        (order(4, "acknowledge", None), 400),
        (order(5, "reset", alarm.id), 409),
    ]:
        outcome, result = book.command(*row)
        assert (result.status, outcome.transitions) == (status, [])
        assert result.problem
    assert result.alarm == alarm


def test_an_ended_alarm_refuses_and_shows_how_it_ended(book):
    grades = (Grade.BLUE, Grade.NORMAL)
    outcome = book.apply([change(7, EASY, grade) for grade in grades])
    ended = outcome.transitions[-1].alarm
    for seq, verb in ((8, "acknowledge"), (9, "reset")):
        _, result = book.command(*order(seq, verb, ended.id))
        assert (result.status, result.alarm) == (409, ended)


def test_the_same_command_again_gives_the_same_result_and_does_nothing(book):
    book.apply([change(1, PLAIN, Grade.RED)])
    (alarm,) = book.open_alarms()
    _, first = book.command(*order(2, "acknowledge", alarm.id, command_id="once"))
    book.apply([change(3, PLAIN, Grade.NORMAL)])
    outcome, second = book.command(*order(4, "acknowledge", alarm.id, command_id="once"))
    assert second == first
    assert (outcome.transitions, second.status) == ([], 200)


def test_what_the_book_remembers_of_the_past_is_bounded(book):
    for seq in range(1, ENDED_ALARMS_MAX + 10):
        book.apply([change(seq, EASY, Grade.BLUE), change(seq, EASY, Grade.NORMAL)])
    for seq in range(5_000, 5_000 + HANDLED_COMMANDS_MAX + 10):
        book.command(*order(seq, "acknowledge", "nobody"))
    snapshot = book.snapshot()
    assert len(snapshot["ended"]) == ENDED_ALARMS_MAX
    assert len(snapshot["handled"]) == HANDLED_COMMANDS_MAX
    assert snapshot["places"] == []


# ---- Revisions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "side", "channels", "reason"),
    [
        (PLAIN, Side.HIGH, (SILENT, EASY), CHANNEL_REMOVED),
        (SILENT, Side.HIGH, (PLAIN,), LIMIT_REMOVED),
        (SILENT, Side.HIGH, (), CHANNEL_REMOVED),
        (LATCHING, Side.LOW, (QUIET,), LIMIT_REMOVED),
        (EASY, Side.HIGH, (MUTED,), IN_COMMISSIONING),
    ],
)
def test_an_alarm_that_nothing_judges_any_longer_ends_with_its_reason(
    book, target, side, channels, reason
):
    book.apply([change(1, target, Grade.RED, side=side)])
    outcome = book.change_catalogue(2, catalogue(2, *channels), 77)
    (transition,) = outcome.transitions
    assert (transition.kind, transition.reason, transition.time_ns) == (Kind.ENDED, reason, 77)
    assert (transition.author, transition.previous_grade) == (None, Grade.RED)
    assert [notice.alarm for notice in outcome.notices] == [transition.alarm]
    assert book.open_alarms() == []


def test_a_revision_that_leaves_an_alarms_limits_leaves_the_alarm(book):
    book.apply([change(1, LATCHING, Grade.RED)])
    before = book.open_alarms()
    assert book.change_catalogue(2, catalogue(2, QUIET), 77).transitions == []
    assert book.open_alarms() == before


def test_nobody_is_told_of_the_end_of_an_alarm_they_were_never_told_of(book):
    book.apply([change(9_000, PLAIN, Grade.RED, 7_000.0)])
    assert book.change_catalogue(9_001, CATALOGUES[1], 9_001 * S).notices == []
    assert book.tick(9_002, look(9_002 * S), at(9_002)).notices == []


def test_a_channel_in_commissioning_raises_nothing_until_it_is_over():
    book = Book(CATALOGUES[2])
    muted = [change(1, MUTED, grade, within=CATALOGUES[2]) for grade in (Grade.BLUE, Grade.RED)]
    assert book.apply(muted).transitions == []
    outcome = book.change_catalogue(2, CATALOGUES[0], 77)
    (transition,) = outcome.transitions
    assert (transition.kind, transition.alarm.grade) == (Kind.RAISED, Grade.RED)
    assert (transition.time_ns, transition.alarm.value) == (77, 104.0)
    assert len(outcome.notices) == 1


def test_an_instrument_fault_is_not_raised_while_its_channel_is_in_commissioning():
    plain = channel("plain", commissioning=True)
    within = catalogue(1, plain, SILENT)
    book = Book(within)
    assert book.apply([change(1, SILENT, Grade.RED, within=within)]).transitions == []


def test_what_returned_during_commissioning_is_not_raised_after_it(book):
    book.apply([change(1, EASY, Grade.RED)])
    book.change_catalogue(2, CATALOGUES[2], 2 * S)
    book.apply([change(3, MUTED, Grade.NORMAL, within=CATALOGUES[2])])
    assert book.change_catalogue(4, CATALOGUES[0], 4 * S).transitions == []


def test_an_alarm_is_of_one_condition(book):
    outcome = book.apply([change(1, SILENT, Grade.RED)])
    assert outcome.transitions[0].alarm.condition is Condition.SILENT
    assert outcome.transitions[0].alarm.instrument
