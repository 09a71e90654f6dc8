"""Which way a frame goes is not to be seen in what becomes of it."""

import random

import numpy as np
import pytest

from domain.catalogue import Catalogue, Channel, Gateway, Text
from domain.journal import Frame
from domain.time import NS_PER_S
from ingest import lane
from ingest.assemble import Assembler

T_NS = 1_790_000_000 * NS_PER_S
NOWHERE = Text("", "")
CATALOGUE = Catalogue(
    revision=1,
    gateways=tuple(Gateway(f"gw-{n}", "north", NOWHERE, "f", zone="Asia/Shanghai") for n in range(3)),
    channels=tuple(
        Channel(f"f/{n}/{name}", "f", NOWHERE, "q", 1.0, gateway=f"gw-{n}", sent_as=name)
        for n in range(3)
        for name in ("a", "b", "测点")
    ),
)  # fmt: skip

PAYLOADS = (
    '{{"ts":{s},"values":{{"a":{v}}}}}',
    '{{"ts":{s}.25,"values":{{"a":{v},"b":-{v}.5,"测点":true}}}}',
    '{{"values":{{"b":{v}}},"ts":"2026-09-21T13:13:20.{v}Z"}}',
    '{{"ts":"2026-09-21T13:13:20","values":{{"a":{v}}}}}',  # the gateway's zone
    '{{"ts":{s},"values":{{"a":{v},"new":1}}}}',
    '{{"values":{{"a":{v}}}}}',
    '[{{"ts":{s},"values":{{"a":{v}}}}},{{"ts":1,"values":{{"b":2}}}}]',
    '{{"ts":{late},"values":{{"a":1}}}}',
    '{{"ts":{future},"values":{{"a":1,"b":2}}}}',
    '{{"ts":{s},"values":{{"a":NaN}}}}',
    "{{",
)
TOPICS = (
    "lifeline/v1/north/gw-0/data/json",
    "lifeline/v1/north/gw-1/data/json",
    "lifeline/v1/south/gw-2/data/json",
    "lifeline/v1/north/gw-9/data/json",
    "lifeline/v1/north/gw-0/data/block",
    "lifeline/v1/north/gw-1/status",
    "elsewhere",
)


def frames(seed, count):
    """Frames of every kind; some come again, as the gateway's or as the broker's repetition."""
    chance, made = random.Random(seed), []
    plain = seed % 2
    for number in range(count):
        if made and chance.random() < 0.15:
            again = chance.choice(made)
            made.append(Frame(again.topic, again.payload, T_NS + number, chance.random() < 0.5))
            continue
        form = chance.choice(PAYLOADS[: 3 if plain else None])
        second = T_NS // NS_PER_S
        payload = form.format(
            s=second - chance.randrange(5),
            v=chance.randrange(1000),
            late=second - 10_000,
            future=second + 301 + chance.randrange(2),
        )
        topic = chance.choice(TOPICS[: 3 if plain else None])
        made.append(Frame(topic, payload.encode(), T_NS + number, False))
    return made


def assembled(sent, sizes):
    """All that is said of frames, taken in groups of these sizes."""
    assembler, seq, batches, books = Assembler(CATALOGUE), 1, [], []
    for size in sizes:
        batch, ingested = assembler.step(seq, sent[seq - 1 : seq - 1 + size])
        seq += size
        batches.append(batch)
        books.append(ingested)
    columns = {
        name: np.concatenate([getattr(batch, name) for batch in batches]).tobytes()
        for name in ("seq", "channel", "time_ns", "value", "received_ns", "flags")
    }
    told = [
        (sorted(book.accounts.items(), key=repr), book.rejects, book.sightings) for book in books
    ]
    heard = [(batch.heard, batch.status) for batch in batches]
    return columns, told, heard, assembler.snapshot()["window"]["hashes"]


@pytest.mark.parametrize("seed", range(24))
def test_the_short_way_and_the_long_way_agree_on_everything(seed, monkeypatch):
    sent = frames(seed, 240)
    sizes = [7, 60, 1, 100, 9, 63]
    short = assembled(sent, sizes)
    monkeypatch.setattr(lane, "FRAMES_MIN", 10**9)
    assert short == assembled(sent, sizes)


@pytest.mark.parametrize("seed", range(6))
def test_any_grouping_gives_the_same_readings(seed):
    sent = frames(seed, 200)
    whole = assembled(sent, [200])[0]
    assert assembled(sent, [3] * 66 + [2])[0] == whole
    assert assembled(sent, [50, 150])[0] == whole


def test_frames_that_are_few_or_large_go_the_long_way():
    reader = lane.Lane(CATALOGUE)
    small = Frame(TOPICS[0], b'{"ts":1790000000,"values":{"a":1}}', T_NS, False)
    large = Frame(TOPICS[0], small.payload + b" " * 5_000, T_NS, False)
    assert reader.read([small] * (lane.FRAMES_MIN - 1), [0] * (lane.FRAMES_MIN - 1)) is None
    mixed = [large, *[small] * lane.FRAMES_MIN, large]
    assert reader.read(mixed, [0] * len(mixed)).readings == [-1, *[1] * lane.FRAMES_MIN, -1]
