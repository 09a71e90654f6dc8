"""A channel's state survives a revision: laws over random revisions in the middle of random rows."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import passage
from analytics.core import Core
from analytics.layout import CHANNEL_STATE
from domain.catalogue import Checks, Feature, Text
from domain.grade import Grade, Side
from tests.analytics.worlds import (
    NAME,
    START,
    S,
    assert_same,
    brief,
    catalogue,
    fault,
    feed,
    high,
    low,
    make_world,
    measured,
    random_catalogue,
    random_cuts,
    random_limits,
    random_rows,
    run,
)

SEEDS = st.integers(0, 10_000)
EXAMPLES = 12


def with_other_limits(rng, of, revision=2):
    channels = [
        replace(one, limits=random_limits(rng, 0.05 if "noise" in one.id else 1.0))
        if rng.random() < 0.4
        else one
        for one in of.channels
    ]
    return replace(of, revision=revision, channels=tuple(channels))


def whole_state(core):
    """All that the core remembers, but for the places of logs and what features' texts are."""
    snapshot = core.snapshot()
    return {name: snapshot[name] for name in ("ids", "signatures", "revision")}, {
        "channels": {
            name: snapshot["channels"][name].tolist()
            for name in CHANNEL_STATE
            if name != "fault_live"  # may be told of one more than there is, without effect
        },
        "limits": snapshot["limits"].tolist(),
        "silence": repr(snapshot["silence"]),
        "features": repr(snapshot["features"]),
    }


def change(core, of, seq=100_000):
    return core.change_catalogue(seq, of, START + 1_000 * S)


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=SEEDS)
def test_limits_changed_in_place_are_those_of_a_house_built_whole(seed):
    rng = random.Random(seed)
    of, rows = make_world(seed, 120)
    after = with_other_limits(rng, of)
    amended, whole = Core(of), Core(of)
    assert_same(run(amended, rows[:60]), run(whole, rows[:60]))
    one = change(amended, after)
    keep = passage.changed_limits
    passage.changed_limits = lambda _before, _after: None
    try:
        other = change(whole, after)
    finally:
        passage.changed_limits = keep
    assert repr(one) == repr(other)
    assert whole_state(amended)[0] == whole_state(whole)[0]
    assert repr(whole_state(amended)[1]["channels"]) == repr(whole_state(whole)[1]["channels"])
    assert repr(whole_state(amended)[1]["limits"]) == repr(whole_state(whole)[1]["limits"])
    assert_same(run(amended, rows[60:]), run(whole, rows[60:]))


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=SEEDS)
def test_a_revision_that_changes_only_words_and_places_changes_no_judgement(seed):
    rng = random.Random(seed)
    of, rows = make_world(seed, 120)
    channels = [replace(one, name=Text("新", "new"), latching=True) for one in of.channels]
    after = replace(of, revision=2, channels=tuple(channels))
    plain, changed = run(Core(of), rows), Core(of)
    cuts = random_cuts(rng, len(rows))

    def revise(core):
        assert change(core, after) == []
        return core

    assert_same(without_evidence(plain), without_evidence(run(changed, rows, cuts, revise)))


def without_evidence(ran):
    return [replace(one, evidence=None) for one in ran[0]], *ran[1:]


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=SEEDS)
def test_a_restart_around_a_revision_gives_the_same_and_so_does_a_preparation(seed):
    rng = random.Random(seed)
    of, rows = make_world(seed, 120)
    after = random_revision(rng, of)
    half = len(rows) // 2
    live, again = Core(of), Core(of)
    run(live, rows[:half])
    run(again, rows[:half])
    restored = Core(of)
    restored.restore(again.snapshot())
    prepared = restored.prepare(after)
    assert repr(change(live, after)) == repr(
        restored.change_catalogue(100_000, after, START + 1_000 * S, prepared)
    )
    later = Core(after)
    later.restore(restored.snapshot())
    # A restored one goes on where it stood, evidence included.
    assert repr(run(live, rows_for(rng, after, seed))[0]) == repr(
        run(later, rows_for(rng, after, seed))[0]
    )


def rows_for(_rng, of, seed):
    return random_rows(random.Random(seed + 1), of, 60)


def random_revision(rng, of):
    """Limits, delays, checks, gateways and names changed; channels gone, new, become derived."""
    gone = {one.id for one in of.channels if one.id.startswith("d") and rng.random() < 0.3}
    inputs = {name for one in of.channels if one.feature for name in one.feature.inputs}
    channels = []
    for one in of.channels:
        if (one.id in gone and one.id not in inputs) or one.fault_of in gone - inputs:
            continue
        if one.fault is None or rng.random() > 0.1:
            channels.append(random_change(rng, one))
    channels.append(measured("new", limits=(high(1),)))
    if not inputs & {"m3"} and not any(one.fault_of == "m3" for one in of.channels):
        channels = [one for one in channels if one.id != "m3"]
        made = Feature("scale", ("m0",), {"factor": 2, "offset": 0})
        channels.append(replace(measured("m3"), gateway=None, sent_as=None, feature=made))
    rng.shuffle(channels)
    return replace(of, revision=2, channels=tuple(channels))


def random_change(rng, one):
    limits = random_limits(rng) if rng.random() < 0.3 else one.limits
    if rng.random() < 0.3:
        limits = tuple(replace(limit, on_delay_s=rng.choice((0, 3))) for limit in limits)
    if one.sent_as is None or rng.random() > 0.2:
        return replace(one, limits=limits)
    moved = "h" if one.gateway == "g" else "g"
    return replace(one, limits=limits, gateway=moved, sent_as=f"{one.id}-new")


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=SEEDS)
def test_after_any_revision_grades_are_those_of_limits_that_were_held_before(seed):
    rng = random.Random(seed)
    of, rows = make_world(seed, 120)
    after = random_revision(rng, of)
    core = Core(of)
    run(core, rows)
    before, held = core.latest(list(of.channel_ids)), held_limits(core)
    changes = change(core, after)
    now = core.latest(list(after.channel_ids))
    assert held_limits(core) <= held
    for one in after.channels:
        assert now[one.id].grade <= before[one.id].grade if one.id in before else True
    told = {(after.channels[c.channel].id, c.side) for c in changes}
    assert len(told) == len(changes)
    for name, latest in now.items():
        if name in before and latest.grade != before[name].grade:
            assert {(name, Side.HIGH), (name, Side.LOW)} & told


def held_limits(core):
    house = core._house
    found = set()
    for index, one in enumerate(house.catalogue.channels):
        first = int(house.tables.channels["limit_first"][index])
        for limit in house.tables.limits[first : first + len(one.limits)]:
            if limit["held"]:
                found.add((one.id, int(limit["grade"]), int(limit["low"])))
    return found


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=SEEDS)
def test_a_revision_touches_no_channel_that_it_leaves_alone(seed):
    """But for the evidence, which begins anew, and fault channels that another feeds."""
    rng = random.Random(seed)
    of, rows = make_world(seed, 120)
    other = replace(measured("other"), limits=(high(2), low(-2, Grade.BLUE)))
    before = replace(of, channels=(*of.channels, other))
    after = replace(
        before,
        revision=2,
        channels=(*of.channels, replace(other, limits=(high(1, on_delay_s=3),)), measured("more")),
    )
    cuts = {rng.randrange(len(rows))}

    def revise(core):
        change(core, after)
        return core

    plain, revised = run(Core(before), rows), run(Core(before), rows, cuts, revise)
    assert repr(without_evidence(plain)[0]) == repr(without_evidence(revised)[0])
    assert plain[1:3] == revised[1:3]


def test_a_lower_limit_raises_at_the_next_reading_and_a_higher_one_lets_go_at_the_next():
    core = Core(catalogue(measured("a", limits=(high(10),))))
    feed(core, [(0, 8)])
    assert change(core, catalogue(measured("a", limits=(high(5),)), revision=2)) == []
    assert brief(feed(core, [(1, 8)]).changes) == [(1.0, "HIGH", "normal", "red", 5.0)]
    assert change(core, catalogue(measured("a", limits=(high(9),)), revision=3)) == []
    assert brief(feed(core, [(2, 8)]).changes) == [(2.0, "HIGH", "red", "normal", 9.0)]


def test_a_delay_changed_while_it_runs_counts_from_where_the_run_began():
    core = Core(catalogue(measured("a", limits=(high(10, on_delay_s=60),))))
    feed(core, [(0, 11), (1, 11), (2, 11)])
    shorter = catalogue(measured("a", limits=(high(10, on_delay_s=3),)), revision=2)
    assert change(core, shorter) == []
    assert brief(feed(core, [(3, 11)]).changes) == [(3.0, "HIGH", "normal", "red", 10.0)]


def test_a_channel_taken_out_and_put_back_begins_at_rest():
    with_it = catalogue(measured("a", limits=(high(10),)), measured("b"))
    core = Core(with_it)
    feed(core, [(0, 11)])
    change(core, catalogue(measured("b"), revision=2))
    change(core, replace(with_it, revision=3))
    assert core.latest(["a"])["a"].grade is Grade.NORMAL
    assert core.newest_ns("a") == 0


def test_a_fault_limit_taken_away_lets_go_and_back_again_is_judged_anew():
    parent = measured("a", checks=Checks(fail_high=10))
    with_limit = catalogue(parent, fault("a", "range", high(1)))
    core = Core(with_limit)
    assert [c.grade for c in feed(core, [(0, 11)]).changes] == [Grade.RED]
    gone = change(core, catalogue(parent, fault("a", "range"), revision=2))
    assert [(c.previous, c.grade) for c in gone] == [(Grade.RED, Grade.NORMAL)]
    assert feed(core, [(1, 11)]).changes == []
    assert change(core, replace(with_limit, revision=3)) == []
    assert [c.grade for c in feed(core, [(2, 11)]).changes] == [Grade.RED]


def test_names_and_units_may_change_under_a_held_limit():
    of = catalogue(measured("a", limits=(high(10),)))
    core = Core(of)
    feed(core, [(0, 11)])
    renamed = replace(of.channels[0], name=NAME, quantity="other", sent_as="b")
    assert change(core, replace(of, revision=2, channels=(renamed,))) == []
    assert core.latest(["a"])["a"].grade is Grade.RED


def test_a_random_catalogue_is_prepared_only_where_more_than_limits_changes():
    rng = random.Random(3)
    of = random_catalogue(rng)
    core = Core(of)
    assert core.prepare(with_other_limits(rng, of)) is None
    assert core.prepare(replace(of, revision=2, channels=(*of.channels, measured("x")))) is not None
