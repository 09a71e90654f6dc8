"""Limit profiles in the evaluator: a change of limits by command, a function of the rows."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alarm import TransitionKind
from domain.catalogue import Catalogue, Channel, Facility, Gateway, Limit, Profile, Text
from domain.grade import Grade, Side
from domain.journal import CatalogueChange, Command, Frame, Rows, Tick
from domain.time import format_rfc3339
from service.evaluator import Evaluator
from service.snapshots import decode, encode

S = 1_000_000_000
START = 1_790_000_000 * S
NAME = Text("", "")
NORMAL = (Limit(Grade.YELLOW, Side.HIGH, 10.0), Limit(Grade.RED, Side.HIGH, 20.0))
FLOOD = (Limit(Grade.YELLOW, Side.HIGH, 5.0), Limit(Grade.RED, Side.HIGH, 8.0))
LOW_ONLY = (Limit(Grade.YELLOW, Side.LOW, -5.0),)


def city(revision=1, channels=(), profiles=("flood", "dry")):
    made = tuple(
        Channel(
            f"{facility}/a", facility, NAME, "q", 60.0, gateway="g", sent_as=facility[-1],
            limits=NORMAL, profile_limits={"flood": FLOOD, "dry": LOW_ONLY},
        )
        for facility in ("drainage/1", "drainage/2")
    )  # fmt: skip
    return Catalogue(
        revision,
        facilities=(
            Facility("drainage/1", "drainage", NAME, "north"),
            Facility("drainage/2", "drainage", NAME, "south"),
        ),
        gateways=(Gateway("g", "north", NAME, "drainage/1", upload_interval_s=60),),
        channels=channels or made,
        profiles=tuple(Profile(one, NAME) for one in profiles),
    )


class World:
    """An evaluator, rows in their order, and what came of them."""

    def __init__(self, *revisions):
        self.catalogues = {one.revision: one for one in revisions or (city(),)}
        self.evaluator = Evaluator(self.catalogues.__getitem__)
        self.records, self.transitions, self.results, self.changes = [], [], [], []
        self.row(CatalogueChange(1, START))

    def row(self, record):
        self.records.append(record)
        step = self.evaluator.step(Rows(len(self.records), [record]))
        self.transitions += step.transitions
        self.results += step.results
        self.changes += step.profiles
        return step

    def read(self, value, at_s, name="1"):
        time_ns = START + at_s * S
        body = {"ts": format_rfc3339(time_ns), "values": {name: value}}
        return self.row(Frame("lifeline/v1/north/g/data/json", json.dumps(body).encode(), time_ns))

    def profile(self, profile, at_s, scope=None, until_s=None):
        arguments = {"profile": profile, "scope": scope or {"all": True}, "reason": "rain"}
        if until_s is not None:
            arguments["until_ns"] = START + until_s * S
        number = len(self.records)
        self.row(Command(f"c{number}", "profile", arguments, "li", START + at_s * S))
        return self.results[-1]

    def kinds(self):
        return [(one.kind, one.alarm.grade, one.reason) for one in self.transitions]


def test_a_lower_limit_raises_at_the_next_reading_and_tells_its_profile():
    world = World()
    world.read(6, 1)
    assert world.profile("flood", 2).status == 200
    assert world.transitions == []
    world.read(6, 3)
    (raised,) = world.transitions
    assert (raised.kind, raised.alarm.limit) == (TransitionKind.RAISED, 5.0)
    assert raised.evidence.profile == "flood"
    assert raised.evidence.limits[0]["value"] == 5.0
    assert raised.reason == ""


def test_an_alarm_that_was_open_goes_on_under_its_id_without_a_double():
    world = World()
    world.read(11, 1)
    world.profile("flood", 2)
    assert len(world.transitions) == 1
    world.read(11, 3)
    world.profile("normal", 4)
    world.read(3, 5)
    assert len({one.alarm.id for one in world.transitions}) == 1
    assert world.kinds() == [
        (TransitionKind.RAISED, Grade.YELLOW, ""),
        (TransitionKind.RISEN, Grade.RED, ""),
        (TransitionKind.RETURNED, Grade.NORMAL, ""),
    ]


def test_a_condition_without_limits_in_the_profile_ends_with_that_reason():
    world = World()
    world.read(11, 1)
    world.profile("dry", 2)
    assert world.kinds()[1:] == [(TransitionKind.ENDED, Grade.NORMAL, "profile dry: rain")]
    world.profile("normal", 3)
    world.read(11, 4)
    assert world.transitions[-1].kind is TransitionKind.RAISED
    assert world.transitions[-1].alarm.id != world.transitions[0].alarm.id


def test_a_grade_that_the_profile_does_not_have_lets_go_with_that_reason():
    one = city().channels[0]
    worst = (Limit(Grade.YELLOW, Side.HIGH, 10.0),)
    world = World(city(channels=(replace(one, profile_limits={"flood": worst}),)))
    world.read(25, 1)
    world.profile("flood", 2)
    assert world.kinds() == [
        (TransitionKind.RAISED, Grade.RED, ""),
        (TransitionKind.FALLEN, Grade.YELLOW, "profile flood: rain"),
    ]


@pytest.mark.parametrize(
    ("scope", "facilities"),
    [
        ({"all": True}, ("drainage/1", "drainage/2")),
        ({"district": "south"}, ("drainage/2",)),
        ({"kind": "drainage"}, ("drainage/1", "drainage/2")),
        ({"facilities": ["drainage/2"]}, ("drainage/2",)),
    ],
)
def test_a_scope_says_where_and_only_there_is_it_in_force(scope, facilities):
    world = World()
    assert world.profile("flood", 1, scope).status == 200
    assert set(world.evaluator.profiles) == set(facilities)
    assert world.changes[-1].facilities == facilities
    world.read(6, 2, "1")
    world.read(6, 2, "2")
    assert {one.alarm.facility for one in world.transitions} == set(facilities)


@pytest.mark.parametrize(
    ("profile", "scope", "until_s", "status"),
    [
        ("none", {"all": True}, None, 404),
        ("flood", {"district": "west"}, None, 404),
        ("flood", {"facilities": ["drainage/9"]}, None, 404),
        ("flood", {"facilities": [["drainage/1"]]}, None, 422),
        ("flood", {"all": True, "kind": "drainage"}, None, 422),
        ("flood", {"joy": 1}, None, 422),
        ("flood", {"all": True}, 0, 422),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(profile, scope, until_s, status):
    world = World()
    assert world.profile(profile, 1, scope, until_s).status == status
    assert world.evaluator.profiles == {}
    assert world.changes == []


def test_it_ends_by_itself_at_the_first_tick_after_its_time():
    world = World()
    world.profile("dry", 1, until_s=10)
    world.read(-6, 2)
    world.row(Tick(START + 9 * S, S, broker_connected=True))
    assert set(world.evaluator.profiles) == {"drainage/1", "drainage/2"}
    step = world.row(Tick(START + 10 * S, S, broker_connected=True))
    assert world.evaluator.profiles == {}
    assert [one.profile for one in step.profiles] == ["normal"]
    assert step.profiles[0].author == ""
    assert step.urgent
    assert world.kinds()[-1][2] == "profile normal: its time is up"


def test_the_same_command_again_changes_nothing_more():
    world = World()
    world.profile("flood", 1)
    world.row(world.records[-1])
    assert [one.status for one in world.results] == [200, 200]
    assert len(world.changes) == 1


def test_a_revision_keeps_the_profiles_that_it_still_has():
    without = city(revision=3, profiles=("dry",))
    world = World(city(), city(revision=2), without)
    world.profile("flood", 1)
    world.row(CatalogueChange(2, START + 2 * S))
    assert world.evaluator.catalogue.channel("drainage/1/a").limits == FLOOD
    assert world.evaluator.base.channel("drainage/1/a").limits == NORMAL
    world.row(CatalogueChange(3, START + 3 * S))
    assert world.evaluator.profiles == {}
    assert world.evaluator.catalogue.channel("drainage/1/a").limits == NORMAL


def test_a_snapshot_from_before_there_were_profiles_is_read():
    world = World()
    world.read(11, 1)
    old = {k: v for k, v in world.evaluator.snapshot().items() if k != "profiles"}
    old["core"] = {k: v for k, v in old["core"].items() if k != "overload"}
    old["assembler"] = {k: v for k, v in old["assembler"].items() if k != "listed"}
    later = Evaluator(world.catalogues.__getitem__)
    later.restore(decode(encode({**old, "version": 1})))
    assert later.profiles == {}
    assert later.open_alarms() == world.evaluator.open_alarms()


def random_record(rng, at_s):
    now_ns = START + at_s * S
    kind = rng.random()
    if kind < 0.15:
        scope = rng.choice([{"all": True}, {"district": "south"}, {"facilities": ["drainage/1"]}])
        arguments = {"profile": rng.choice(("flood", "dry", "normal")), "scope": scope}
        if rng.random() < 0.5:
            arguments["until_ns"] = now_ns + rng.randint(1, 9) * S
        return Command(f"c{at_s}", "profile", arguments, "li", now_ns)
    if kind < 0.25:
        return CatalogueChange(rng.choice((1, 2, 3)), now_ns)
    if kind < 0.45:
        return Tick(now_ns, S, broker_connected=True)
    values = {rng.choice("12"): rng.choice((-6, 0, 6, 9, 11, 25))}
    body = json.dumps({"ts": format_rfc3339(now_ns), "values": values}).encode()
    return Frame("lifeline/v1/north/g/data/json", body, now_ns)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_replay_restart_and_preparation_in_the_middle_give_the_same(seed):
    rng = random.Random(seed)
    other = city(revision=2, channels=tuple(replace(c, latching=True) for c in city().channels))
    extra = replace(city().channels[0], id="drainage/1/b", sent_as="b")
    more = city(revision=3, channels=(extra, *city().channels))
    records = [CatalogueChange(1, START), *(random_record(rng, at_s) for at_s in range(1, 60))]
    plain = World(city(), other, more)
    for record in records[1:]:
        plain.row(record)
    cut = rng.randrange(1, len(records))
    live = Evaluator(plain.catalogues.__getitem__)
    first = live.step(Rows(1, records[:cut]))
    later = Evaluator(plain.catalogues.__getitem__)
    later.restore(decode(encode(live.snapshot())))
    later.prepare(rng.choice((1, 2, 3)))
    first.extend(later.step(Rows(cut + 1, records[cut:])))
    assert repr(first.transitions) == repr(plain.transitions)
    assert first.profiles == plain.changes
    assert repr(later.snapshot()["book"]) == repr(plain.evaluator.snapshot()["book"])
    assert later.profiles == plain.evaluator.profiles
    one_open = {(a.channel, a.condition) for a in later.open_alarms()}
    assert len(one_open) == len(later.open_alarms())
