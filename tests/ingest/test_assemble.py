from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounting import Account, Fate, Reason, Unit
from domain.catalogue import Catalogue, Channel, Gateway, Text
from domain.journal import Frame
from domain.readings import FLAG_FUTURE, FLAG_RECEIVED_TIME, Batch
from domain.time import NS_PER_S
from ingest import assemble
from ingest import step as step_module
from ingest.assemble import OTHER_GATEWAY, SIGHTED_NAMES_MAX, UNKNOWN_GATEWAYS_MAX, Assembler
from ingest.wire import block, json_values

S = 1_700_000_000
T_NS = S * NS_PER_S


def text(word):
    return Text(word, word)


def make_catalogue(**zones):
    gateways = tuple(
        Gateway(name, "north", text(name), "f", zone=zones.get(name, "UTC"))
        for name in ("gw", "gx")
    )
    channels = tuple(
        Channel(f"f/{gateway}/{name}", "f", text(name), "q", 1.0, gateway=gateway, sent_as=name)
        for gateway in ("gw", "gx")
        for name in ("a", "b", "c")
    )
    derived = Channel("f/derived", "f", text("d"), "q", 1.0)
    return Catalogue(1, gateways=gateways, channels=(derived, *channels))


CATALOGUE = make_catalogue()
A, B, C = (CATALOGUE.channel_index[f"f/gw/{name}"] for name in "abc")


def data(payload, *, gateway="gw", fmt="json", received_ns=T_NS, redelivered=False):
    if isinstance(payload, str):
        payload = payload.encode()
    topic = f"lifeline/v1/north/{gateway}/data/{fmt}"
    return Frame(topic, payload, received_ns, redelivered)


def status(word, gateway="gw"):
    return Frame(f"lifeline/v1/north/{gateway}/status", word, T_NS)


def step(*frames, catalogue=CATALOGUE, first_seq=1):
    return Assembler(catalogue).step(first_seq, frames)


def count(ingested, unit, fate, reason=Reason.NONE, gateway="gw"):
    return ingested.accounts[Account(gateway, unit, fate, reason)]


def frames_of(ingested, fate, reason=Reason.NONE, gateway="gw"):
    return count(ingested, Unit.FRAMES, fate, reason, gateway)


def readings_of(ingested, fate, reason=Reason.NONE, gateway="gw"):
    return count(ingested, Unit.READINGS, fate, reason, gateway)


def rows(batch):
    columns = (batch.seq, batch.channel, batch.time_ns, batch.value, batch.received_ns, batch.flags)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_readings_of_registered_channels_become_a_batch():
    batch, ingested = step(
        data(f'{{"ts":{S},"values":{{"a":1.5,"b":true}}}}'),
        data(block.encode("c", T_NS, 1000, np.float32([1, 2])), fmt="block", received_ns=T_NS + 1),
        data('{"values":{"a":3}}', gateway="gx", received_ns=T_NS + 2),
        first_seq=7,
    )
    ga = CATALOGUE.channel_index["f/gx/a"]
    assert rows(batch) == [
        (7, A, T_NS, 1.5, T_NS, 0),
        (7, B, T_NS, 1.0, T_NS, 0),
        (8, C, T_NS, 1.0, T_NS + 1, 0),
        (8, C, T_NS + 1000, 2.0, T_NS + 1, 0),
        (9, ga, T_NS + 2, 3.0, T_NS + 2, FLAG_RECEIVED_TIME),
    ]
    assert batch.heard == [0, 1]
    assert ingested.accounts == {
        Account("gw", Unit.FRAMES, Fate.RECEIVED): 2,
        Account("gx", Unit.FRAMES, Fate.RECEIVED): 1,
        Account("gw", Unit.FRAMES, Fate.DECODED): 2,
        Account("gx", Unit.FRAMES, Fate.DECODED): 1,
        Account("gw", Unit.READINGS, Fate.RECEIVED): 4,
        Account("gx", Unit.READINGS, Fate.RECEIVED): 1,
    }
    assert ingested.rejects == []
    assert ingested.sightings == []


def test_nothing_gives_an_empty_batch():
    batch, ingested = step()
    assert len(batch) == 0
    assert batch.channel.dtype == np.int32
    assert not ingested.accounts


def test_the_readings_of_a_frame_are_sorted_by_time_and_those_of_two_are_not():
    batch, _ = step(
        data(
            '[{"ts":5,"values":{"a":5}},{"ts":3,"values":{"a":3,"b":3}},{"ts":5,"values":{"b":6}}]'
        ),
        data('{"ts":1,"values":{"a":1}}'),
    )
    assert [(row[0], row[3]) for row in rows(batch)] == [(1, 3), (1, 3), (1, 5), (1, 6), (2, 1)]


def test_the_blocks_of_a_frame_are_sorted_together():
    payload = block.encode_many([("a", 10, 10, [1.0, 2.0, 3.0]), ("b", 15, 10, [4.0, 5.0])])
    batch, _ = step(data(payload, fmt="block"))
    assert batch.time_ns.tolist() == [10, 15, 20, 25, 30]
    assert batch.channel.tolist() == [A, B, A, B, A]
    assert batch.value.tolist() == [1, 4, 2, 5, 3]


def test_a_gateway_cannot_speak_for_anothers_channel():
    catalogue = Catalogue(
        1,
        gateways=CATALOGUE.gateways,
        channels=(Channel("f/x", "f", text("x"), "q", 1.0, gateway="gx", sent_as="x"),),
    )
    batch, ingested = step(data('{"values":{"x":1}}'), catalogue=catalogue)
    assert len(batch) == 0
    assert readings_of(ingested, Fate.UNREGISTERED) == 1


def test_times_without_zone_are_in_the_gateways_zone():
    catalogue = make_catalogue(gw="Asia/Shanghai")
    frame = data(
        '{"ts":"2024-01-01T08:00:00","values":{"a":1}}', received_ns=1_704_067_200 * NS_PER_S
    )
    batch, _ = step(frame, catalogue=catalogue)
    assert batch.time_ns.tolist() == [1_704_067_200 * NS_PER_S]


def test_a_zone_that_nobody_knows_is_refused_and_the_old_catalogue_stays():
    assembler = Assembler(CATALOGUE)
    with pytest.raises(ValueError, match="Asia/Atlantis"):
        assembler.change_catalogue(make_catalogue(gw="Asia/Atlantis"))
    assert len(assembler.step(1, [data('{"values":{"a":1}}')])[0]) == 1


def test_the_gateway_decides_whatever_the_district():
    frame = Frame("lifeline/v1/elsewhere/gw/data/json", b'{"values":{"a":1}}', T_NS)
    assert len(step(frame)[0]) == 1


def test_unregistered_names_are_counted_and_sighted():
    batch, ingested = step(
        data('{"ts":5,"values":{"a":1,"new":2}}', received_ns=T_NS),
        data('{"ts":6,"values":{"new":true}}', received_ns=T_NS + 9),
        data(block.encode("wave", 7, 1, [1.0, 4.0]), fmt="block"),
        data('{"values":{"a":1}}', gateway="stranger"),
    )
    assert len(batch) == 1
    assert readings_of(ingested, Fate.UNREGISTERED) == 4
    assert readings_of(ingested, Fate.UNREGISTERED, gateway="stranger") == 1
    new, wave, strange = ingested.sightings
    assert (new.gateway, new.district, new.channel_name, new.count) == ("gw", "north", "new", 2)
    assert (new.first_seen_ns, new.last_seen_ns) == (T_NS, T_NS + 9)
    assert (new.last_time_ns, new.last_value) == (6 * NS_PER_S, 1.0)
    assert (wave.channel_name, wave.count, wave.last_time_ns, wave.last_value) == (
        "wave",
        2,
        8,
        4.0,
    )
    assert strange.gateway == "stranger"
    assert batch.heard == [0]


def test_names_sighted_in_one_frame_are_bounded_but_all_are_counted():
    values = dict.fromkeys((f"n{i}" for i in range(SIGHTED_NAMES_MAX + 50)), 1.0)
    _, ingested = step(data(json_values.encode(values)))
    assert len(ingested.sightings) == SIGHTED_NAMES_MAX
    assert readings_of(ingested, Fate.UNREGISTERED) == SIGHTED_NAMES_MAX + 50


def test_unknown_gateways_are_counted_each_up_to_a_bound_and_together_beyond():
    frames = [data('{"values":{"x":1}}', gateway=f"g{i}") for i in range(UNKNOWN_GATEWAYS_MAX + 5)]
    assembler = Assembler(CATALOGUE)
    _, first = assembler.step(1, frames)
    restored = Assembler(CATALOGUE)
    restored.restore(assembler.snapshot())
    for each in (assembler, restored):
        _, again = each.step(9999, [data("{}", gateway="g7"), data("{}", gateway="later")])
        assert frames_of(again, Fate.UNDECODABLE, Reason.STRUCTURE, OTHER_GATEWAY) == 1
        assert frames_of(again, Fate.UNDECODABLE, Reason.STRUCTURE, "g7") == 1
    assert frames_of(first, Fate.DECODED, gateway=OTHER_GATEWAY) == 5
    each_counts = 4  # frames received and decoded, readings received and unregistered
    assert len(first.accounts) == each_counts * (UNKNOWN_GATEWAYS_MAX + 1)


@pytest.mark.parametrize(
    ("frame", "gateway", "reason"),
    [
        (Frame("lifeline/v1/north/gw/wrong", b"x", T_NS), "", Reason.TOPIC),
        (Frame("", b"", T_NS), "", Reason.TOPIC),
        (data("{}", fmt="xml"), "gw", Reason.FORMAT),
        (data("{"), "gw", Reason.SYNTAX),
        (data("{}"), "gw", Reason.STRUCTURE),
        (data(bytes((1 << 20) + 1)), "gw", Reason.OVERSIZE),
        (data(bytes((1 << 20) + 1), fmt="xml"), "gw", Reason.OVERSIZE),
        (status(b"asleep"), "gw", Reason.STRUCTURE),
        (status(b""), "gw", Reason.STRUCTURE),
    ],
)
def test_a_frame_that_cannot_be_decoded_is_counted_and_kept_with_the_reason(frame, gateway, reason):
    batch, ingested = step(frame, first_seq=5)
    assert len(batch) == 0
    assert ingested.accounts == {
        Account(gateway, Unit.FRAMES, Fate.RECEIVED): 1,
        Account(gateway, Unit.FRAMES, Fate.UNDECODABLE, reason): 1,
    }
    [reject] = ingested.rejects
    assert (reject.seq, reject.gateway, reject.unit, reject.fate, reject.reason, reject.count) == (
        5, gateway, Unit.FRAMES, Fate.UNDECODABLE, reason, 1,
    )  # fmt: skip
    assert reject.excerpt == frame.payload[:256]
    assert reject.detail


def test_a_bad_reading_is_rejected_and_the_frame_decoded():
    batch, ingested = step(data('{"values":{"a":1,"b":null,"new":null}}'))
    assert len(batch) == 1
    assert frames_of(ingested, Fate.DECODED) == 1
    assert readings_of(ingested, Fate.REJECTED, Reason.VALUE_TYPE) == 2
    assert [reject.channel_name for reject in ingested.rejects] == ["b", "new"]
    assert ingested.rejects[0].unit is Unit.READINGS


def test_the_same_frame_again_within_minutes_is_a_duplicate():
    frame = data('{"ts":5,"values":{"a":1}}')
    batch, ingested = step(frame, frame, data(frame.payload, gateway="gx"))
    assert len(batch) == 2
    assert frames_of(ingested, Fate.DECODED) == 1
    assert frames_of(ingested, Fate.DUPLICATE) == 1
    assert frames_of(ingested, Fate.DECODED, gateway="gx") == 1


def test_a_frame_without_times_may_say_the_same_each_second():
    batch, ingested = step(
        data('{"values":{"a":1}}', received_ns=T_NS),
        data('{"values":{"a":1}}', received_ns=T_NS + NS_PER_S),
        data('{"values":{"a":1}}', received_ns=T_NS + NS_PER_S, redelivered=True),
    )
    assert len(batch) == 2
    assert frames_of(ingested, Fate.DUPLICATE) == 1


def test_a_redelivered_frame_that_was_never_seen_is_taken():
    batch, _ = step(data('{"ts":5,"values":{"a":1}}', redelivered=True))
    assert len(batch) == 1


def test_a_redelivered_duplicate_is_no_sign_of_life():
    assembler = Assembler(CATALOGUE)
    frame = data('{"ts":5,"values":{"a":1}}')
    assert assembler.step(1, [frame])[0].heard == [0]
    assert assembler.step(2, [data(frame.payload, redelivered=True)])[0].heard == []
    assert assembler.step(3, [frame])[0].heard == [0]


def test_undecodable_frames_are_told_each_time():
    _, ingested = step(data("{"), data("{"), data("{", redelivered=True))
    assert frames_of(ingested, Fate.UNDECODABLE, Reason.SYNTAX) == 2
    assert frames_of(ingested, Fate.DUPLICATE) == 1


def test_status_frames_tell_who_is_online_and_are_never_duplicates():
    batch, ingested = step(
        status(b"online"),
        status(b"offline", "gx"),
        status(b"online"),
        status(b"online", "stranger"),
    )
    assert batch.status == [(0, True), (1, False), (0, True)]
    assert batch.heard == [0], "offline is the broker's word"
    assert frames_of(ingested, Fate.DECODED) == 2
    assert frames_of(ingested, Fate.DECODED, gateway="gx") == 1
    assert frames_of(ingested, Fate.DECODED, gateway="stranger") == 1


def test_readings_of_the_future_are_marked_and_quarantined():
    batch, ingested = step(
        data(f'{{"ts":{S + 300},"values":{{"a":1}}}}'),
        data(
            f'[{{"ts":{S + 301},"values":{{"a":1,"new":2,"b":null}}}},{{"ts":{S},"values":{{"a":5}}}}]'
        ),
        data(block.encode("c", T_NS + 299 * NS_PER_S, NS_PER_S, [1.0, 2.0, 3.0, 4.0]), fmt="block"),
        first_seq=11,
    )
    assert [(row[0], row[5]) for row in rows(batch)] == [
        (11, 0), (12, 0), (12, FLAG_FUTURE), (13, 0), (13, 0), (13, FLAG_FUTURE), (13, FLAG_FUTURE),
    ]  # fmt: skip
    assert readings_of(ingested, Fate.QUARANTINED, Reason.FUTURE) == 3
    assert readings_of(ingested, Fate.UNREGISTERED) == 1
    assert readings_of(ingested, Fate.REJECTED, Reason.VALUE_TYPE) == 1
    assert [(r.seq, r.reason, r.channel_name, r.count) for r in ingested.rejects] == [
        (12, Reason.VALUE_TYPE, "b", 1),
        (12, Reason.FUTURE, "a", 1),
        (13, Reason.FUTURE, "c", 2),
    ]
    assert ingested.rejects[1].fate is Fate.QUARANTINED
    assert ingested.rejects[1].gateway == "gw"


def test_entries_of_one_frame_are_bounded_and_stand_for_all():
    names = [f"c{i}" for i in range(40)]
    catalogue = Catalogue(
        1,
        gateways=CATALOGUE.gateways,
        channels=tuple(
            Channel(f"f/{n}", "f", text(n), "q", 1.0, gateway="gw", sent_as=n) for n in names
        ),
    )
    payload = json_values.encode(dict.fromkeys(names, 1.0), T_NS + 3600 * NS_PER_S)
    _, ingested = step(data(payload), catalogue=catalogue)
    assert len(ingested.rejects) == 16
    assert sum(reject.count for reject in ingested.rejects) == 40
    assert readings_of(ingested, Fate.QUARANTINED, Reason.FUTURE) == 40


def test_a_new_catalogue_counts_from_the_next_step_on():
    assembler = Assembler(Catalogue(1))
    frame = data('{"values":{"a":1}}')
    batch, before = assembler.step(1, [frame])
    assert len(batch) == 0
    assert readings_of(before, Fate.UNREGISTERED) == 1
    assembler.change_catalogue(CATALOGUE)
    assert assembler.step(2, [frame])[0].channel.tolist() == [A]


def test_topics_are_remembered_within_bounds(monkeypatch):
    monkeypatch.setattr(assemble, "_ROUTES_MAX", 3)
    assembler = Assembler(CATALOGUE)
    frames = [Frame(f"wrong/{i % 10}", b"", T_NS) for i in range(50)]
    _, ingested = assembler.step(1, frames)
    assert frames_of(ingested, Fate.UNDECODABLE, Reason.TOPIC, "") == 50


payloads = st.sampled_from(
    [
        ("json", b'{"ts":1700000000,"values":{"a":1}}'),
        ("json", b'{"ts":1700000001,"values":{"a":1,"b":null,"new":4}}'),
        ("json", b'[{"ts":1700009999,"values":{"a":1}},{"ts":1700000000,"values":{"b":2}}]'),
        ("json", b'{"values":{"b":1}}'),
        ("json", b"{"),
        ("xml", b"<a/>"),
        ("block", block.encode("c", T_NS, NS_PER_S, [1.0, np.nan, 3.0])),
        ("block", block.encode_many([("c", T_NS, 10, [1.0, 2.0]), ("a", T_NS + 5, 10, [3.0])])),
        ("block", block.encode("wave", T_NS, NS_PER_S, [1.0])),
    ]
)
some_frames = st.lists(
    st.one_of(
        st.builds(
            lambda payload, gateway, second, redelivered: data(
                payload[1],
                fmt=payload[0],
                gateway=gateway,
                received_ns=T_NS + second * NS_PER_S,
                redelivered=redelivered,
            ),
            payloads,
            st.sampled_from(["gw", "gx", "stranger"]),
            st.integers(0, 1300),
            st.booleans(),
        ),
        st.builds(
            status, st.sampled_from([b"online", b"offline", b"?"]), st.sampled_from(["gw", "gx"])
        ),
        st.just(Frame("lifeline/v1", b"", T_NS)),
    ),
    max_size=30,
)


def merge(parts):
    """Put the results of several steps together as their consumers do."""
    batches = [batch for batch, _ in parts]
    merged = rows(
        Batch(
            *(
                np.concatenate([getattr(batch, name) for batch in batches])
                for name in ("seq", "channel", "time_ns", "value", "received_ns", "flags")
            )
        )
    )
    heard = list(dict.fromkeys(gateway for batch in batches for gateway in batch.heard))
    said = [word for batch in batches for word in batch.status]
    accounts = Counter()
    sightings = {}
    for _, ingested in parts:
        accounts.update(ingested.accounts)
        for seen in ingested.sightings:
            key = (seen.gateway, seen.channel_name)
            number, first_ns = sightings.get(key, (0, seen.first_seen_ns))[:2]
            sightings[key] = (
                number + seen.count, first_ns, seen.last_seen_ns, seen.last_time_ns, seen.last_value,
            )  # fmt: skip
    rejects = [reject for _, ingested in parts for reject in ingested.rejects]
    return merged, heard, said, accounts, sightings, rejects


@settings(max_examples=150)
@given(some_frames, st.data())
def test_any_grouping_of_the_same_frames_gives_the_same_result(frames, draw):
    cuts = sorted(draw.draw(st.sets(st.integers(0, len(frames)), max_size=6)) | {0, len(frames)})
    restart = draw.draw(st.sampled_from(cuts))
    whole = merge([Assembler(CATALOGUE).step(100, frames)])
    assembler = Assembler(CATALOGUE)
    parts = [assembler.step(1, [])]
    for start, end in pairwise(cuts):
        if start == restart:
            snapshot = assembler.snapshot()
            assembler = Assembler(CATALOGUE)
            assembler.restore(snapshot)
        parts.append(assembler.step(100 + start, frames[start:end]))
    assert merge(parts) == whole


def nonsense(seconds, number, gateway="gw"):
    return data(f"?{number}", gateway=gateway, received_ns=T_NS + seconds * NS_PER_S)


def test_a_flood_of_nonsense_is_counted_whole_and_listed_by_the_second(monkeypatch):
    monkeypatch.setattr(step_module, "LISTED_PER_S", 5)
    frames = [nonsense(n // 50, n) for n in range(100)] + [nonsense(1, 0, "gx")]
    _, ingested = step(*frames)
    assert count(ingested, Unit.FRAMES, Fate.UNDECODABLE, Reason.SYNTAX) == 100
    assert Counter((r.gateway, r.received_ns) for r in ingested.rejects) == {
        ("gw", T_NS): 5,
        ("gw", T_NS + NS_PER_S): 5,
        ("gx", T_NS + NS_PER_S): 1,
    }


def test_what_is_listed_in_all_of_a_second_is_bounded_too(monkeypatch):
    monkeypatch.setattr(step_module, "LISTED_PER_S_IN_ALL", 7)
    _, ingested = step(*[nonsense(0, 0, f"gw-{n}") for n in range(20)])
    assert len(ingested.rejects) == 7


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 8))
@settings(max_examples=30)
def test_what_is_listed_does_not_depend_on_the_grouping_nor_on_a_restart(cuts, restart):
    frames = [nonsense(n // 90, n) for n in range(sum(cuts))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_module, "LISTED_PER_S", 20)
        _, whole = step(*frames)
        assembler, listed, at = Assembler(CATALOGUE), [], 0
        for number, size in enumerate(cuts):
            if number == restart:
                before, assembler = assembler, Assembler(CATALOGUE)
                assembler.restore(before.snapshot())
            listed += assembler.step(at + 1, frames[at : at + size])[1].rejects
            at += size
        assert listed == whole.rejects


def test_refused_frames_are_counted_under_the_names_of_the_books():
    assembler = Assembler(CATALOGUE)
    assert assembler.counted_as("gw") == "gw"
    assert assembler.counted_as("") == ""
    names = {assembler.counted_as(f"unknown-{n}") for n in range(UNKNOWN_GATEWAYS_MAX + 5)}
    assert len(names) == UNKNOWN_GATEWAYS_MAX + 1
    assert OTHER_GATEWAY in names
