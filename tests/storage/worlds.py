"""What the tests of the state database are made of: strategies, small builders, a dump of it all."""

import random
from collections import Counter

from hypothesis import strategies as st
from sqlalchemy import select

from domain.accounting import Account, Accounts, Fate, Reason, Reject, Sighting, Unit, in_parts
from domain.alarm import Alarm, Notice, Transition, TransitionKind
from domain.grade import Condition, Grade
from domain.readings import Evidence
from storage.alarms import Commit
from storage.tables import metadata, write_marks

times = st.integers(0, 2**63 - 1)
small = st.integers(0, 2**53)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.floats(allow_nan=False)
alarms = st.builds(
    Alarm,
    id=st.sampled_from([f"alarm-{index}" for index in range(4)]),
    channel=texts,
    facility=texts,
    facility_kind=texts,
    condition=st.sampled_from(Condition),
    grade=st.sampled_from(Grade),
    peak_grade=st.sampled_from(Grade),
    active=st.booleans(),
    acknowledged=st.booleans(),
    latching=st.booleans(),
    awaiting_reset=st.booleans(),
    ended=st.booleans(),
    raised_at_ns=times,
    cleared_at_ns=st.none() | times,
    ended_at_ns=st.none() | times,
    acknowledged_at_ns=st.none() | times,
    acknowledged_by=st.none() | texts,
    value=numbers,
    limit=numbers,
    delayed=st.booleans(),
    revision=small,
)
leaves = st.none() | st.booleans() | times | numbers | texts
plain_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
evidences = st.builds(
    Evidence,
    revision=small,
    first_seq=small,
    last_seq=small,
    state=st.dictionaries(texts, plain_values | st.binary(max_size=8), max_size=3),
    readings=st.lists(st.tuples(times, numbers, st.integers(1, 9)), max_size=4),
    limits=st.lists(st.dictionaries(texts, leaves, max_size=3), max_size=2),
)
transitions = st.builds(
    Transition,
    id=st.sampled_from([f"transition-{index}" for index in range(12)]),
    seq=small,
    ordinal=st.integers(0, 9),
    kind=st.sampled_from(TransitionKind),
    time_ns=times,
    recorded_ns=times,
    previous_grade=st.sampled_from(Grade),
    alarm=alarms,
    author=st.none() | texts,
    reason=texts,
    evidence=st.none() | evidences,
)
notices = st.builds(
    Notice,
    id=st.sampled_from([f"notice-{index}" for index in range(6)]),
    seq=small,
    transition_id=texts,
    alarm=alarms,
)
names = st.sampled_from(["gw-bridge", "gw-tunnel", "雨水一号"])
accounts = st.dictionaries(
    st.builds(
        Account,
        gateway=names,
        unit=st.sampled_from(Unit),
        fate=st.sampled_from(Fate),
        reason=st.sampled_from(Reason),
    ),
    st.integers(1, 1000),
    max_size=4,
).map(Counter)
rejects = st.builds(
    Reject,
    seq=small,
    gateway=names,
    topic=texts,
    received_ns=times,
    unit=st.sampled_from(Unit),
    fate=st.sampled_from(Fate),
    reason=st.sampled_from(Reason),
    detail=texts,
    channel_name=texts,
    excerpt=st.binary(max_size=16),
    count=st.integers(1, 9),
)
sightings = st.builds(
    Sighting,
    gateway=names,
    district=texts,
    channel_name=st.sampled_from(["D1", "D2", "水位"]),
    count=st.integers(1, 100),
    first_seen_ns=times,
    last_seen_ns=times,
    last_time_ns=times,
    last_value=numbers,
)
steps = st.lists(
    st.builds(
        lambda **parts: parts,
        transitions=st.lists(transitions, max_size=3),
        notices=st.lists(notices, max_size=2),
        accounts=accounts,
        rejects=st.lists(rejects, max_size=2),
        sightings=st.lists(sightings, max_size=2),
    ),
    max_size=6,
)


def alarm(alarm_id: str = "alarm-0", **changes) -> Alarm:
    return Alarm(
        **{
            "id": alarm_id,
            "channel": "bridge/riverside/deflection-midspan",
            "facility": "bridge/riverside",
            "facility_kind": "bridge",
            "condition": Condition.HIGH,
            "grade": Grade.YELLOW,
            "peak_grade": Grade.YELLOW,
            "active": True,
            "acknowledged": False,
            "latching": False,
            "awaiting_reset": False,
            "ended": False,
            "raised_at_ns": 1_000,
            "cleared_at_ns": None,
            "ended_at_ns": None,
            "acknowledged_at_ns": None,
            "acknowledged_by": None,
            "value": 121.5,
            "limit": 120.0,
            "delayed": False,
            "revision": 1,
            **changes,
        }
    )


def transition(transition_id: str, after: Alarm | None = None, **changes) -> Transition:
    return Transition(
        **{
            "id": transition_id,
            "seq": 1,
            "ordinal": 0,
            "kind": TransitionKind.RAISED,
            "time_ns": 1_000,
            "recorded_ns": 1_100,
            "previous_grade": Grade.NORMAL,
            "alarm": after or alarm(),
            **changes,
        }
    )


def notice(notice_id: str) -> Notice:
    return Notice(id=notice_id, seq=1, transition_id="transition-0", alarm=alarm())


def reject(seq: int, gateway: str = "gw-bridge", **changes) -> Reject:
    values = {
        "topic": f"lifeline/v1/north/{gateway}/data/json",
        "received_ns": seq,
        "unit": Unit.FRAMES,
        "fate": Fate.UNDECODABLE,
        "reason": Reason.SYNTAX,
        "detail": "not JSON",
    }
    return Reject(seq=seq, gateway=gateway, **{**values, **changes})


def sighting(name: str, seen_ns: int = 1_000, **changes) -> Sighting:
    values = {
        "gateway": "gw-bridge",
        "district": "north",
        "count": 1,
        "first_seen_ns": seen_ns,
        "last_seen_ns": seen_ns,
        "last_time_ns": seen_ns,
        "last_value": 1.5,
    }
    return Sighting(channel_name=name, **{**values, **changes})


def by_part(accounts: Accounts) -> dict[int, Accounts]:
    """Return the accounts of all parts of the books, for a commit that counts them all."""
    return dict(enumerate(in_parts(accounts)))


def joined(parts) -> Accounts:
    """Return the accounts of some parts as one."""
    return sum(parts.values(), Counter())


def commits_of(found_steps: list[dict]) -> list[Commit]:
    return [
        Commit(seq=10 * number, **{**step, "accounts": by_part(step["accounts"])})
        for number, step in enumerate(found_steps, 1)
    ]


def seeded_commit(seed: int, seq: int) -> Commit:
    """The commit that every process makes of the same seed and number."""
    chance = random.Random(f"{seed}/{seq}")
    changed = [
        transition(
            f"t-{seq}-{ordinal}",
            alarm(f"alarm-{chance.randrange(20)}", value=chance.random(), raised_at_ns=seq),
            seq=seq,
            ordinal=ordinal,
            evidence=Evidence(1, seq, seq, {}, [(seq, chance.random(), 1)] * 50, []),
        )
        for ordinal in range(chance.randrange(4))
    ]
    return Commit(
        seq=seq,
        transitions=changed,
        notices=[notice(f"n-{seq}")] if changed else [],
        accounts=by_part(
            Counter({Account("gw-bridge", Unit.READINGS, Fate.STORED): chance.randrange(9)})
        ),
        rejects=[reject(seq)] * chance.randrange(3),
        sightings=[sighting(f"D{chance.randrange(5)}", seq)],
    )


async def dump(engine) -> dict[str, list[tuple]]:
    """Every row of every table, in an order of its own; marks count writes, also those of nothing."""
    async with engine.read() as connection:
        return {
            table.name: sorted(
                map(tuple, (await connection.execute(select(table))).all()), key=repr
            )
            for table in metadata.sorted_tables
            if table is not write_marks
        }
