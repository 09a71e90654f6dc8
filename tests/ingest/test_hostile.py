"""Whatever the bytes: nothing escapes a decoder or the assembler, and the books balance."""

import random
import struct
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounting import Fate, Unit
from domain.catalogue import Catalogue, Channel, Gateway, Text
from domain.journal import Frame
from domain.readings import FLAG_FUTURE
from domain.time import TIME_NS_MAX
from ingest import step
from ingest.assemble import Assembler
from ingest.wire import DECODERS

T_NS = 1_700_000_000_000_000_000
MUTATIONS = 26_000
NAME = Text("g", "g")
CATALOGUE = Catalogue(
    1,
    gateways=(Gateway("gw", "north", NAME, "f", zone="Asia/Shanghai"),),
    channels=tuple(
        Channel(f"f/{name}", "f", NAME, "q", 1.0, gateway="gw", sent_as=name)
        for name in ("D1", "acc", "door")
    ),
)
TYPED = b"\xa4\x61n\x63acc\x62t0\x1b" + struct.pack(">Q", T_NS) + b"\x62dt\x19\x03\xe8\x61v"
GOLDEN = {
    "json": [
        b'{"ts":"2024-01-01T00:00:00.5+08:00","values":{"D1":1.5,"new":true,"door":-3e2}}',
        b'{"ts":1700000000123,"values":{"D1":1e999,"acc":null,"door":0}}',
        b'[{"ts":1700000000.25,"values":{"D1":1}},{"values":{"door":false}},{"ts":9e99,"values":{"a":1}}]',
        b'{"values":{"D1":123456789012345678901234567890,"\\u6865":NaN}}',
    ],
    "block": [
        TYPED + b"\xd8\x55\x50" + struct.pack("<4f", 1, -2, np.nan, 3),
        TYPED + b"\x86\x01\x20\xf5\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00\xf6\xf9\x3c\x00",
        b"\x82" + TYPED + b"\xd8\x41\x44\x00\x01\x00\x02" + TYPED + b"\xd8\x54\x44\x00\x3c\x00\x7c",
        TYPED + b"\xd8\x53\x50" + bytes(16),
    ],
    "senml": [
        b'[{"bn":"D","bt":1.7e9,"bu":"mm","bver":10,"n":"1","v":1.5},{"n":"1","t":-5,"v":1e999},{"n":"9","vb":true}]',
        b'[{"n":"acc","t":1700000000.123456789,"v":1,"u":"m/s2"},{"n":"door","vs":"open"},{"n":"x","s":7},7]',
        b'[{"bn":"acc","bv":0.1},{"v":0.7,"t":-1},{"bt":"x"},{"v":1},{"bt":0,"n":"_","v":2},{"vd":"aGk","v":1}]',
        # a name, a decimal fraction as time, a bigfloat as value; half floats; an endless array
        b"\x82\xa3\x00\x62D1\x06\xc4\x82\x28\x1b\x17\x97\x9c\xfe\x36\x2a\x00\x00\x02\xc5\x82\x20\x03\xa2\x00\x63acc\x02\xf9\x3c\x00",
        b"\x9f\xbf\x21\x64door\x22\xfb\x41\xd9\x55\x4f\xc0\x00\x00\x00\xff\xa1\x04\xf5\xa2\x06\x24\x02\xf9\x7e\x00\xff",
    ],
}
BRUSH = [
    b"", b"\x00", b"\xff", b"{", b"}", b"[", b"]", b'"', b",", b":", b"9" * 400, b"1e999", b"-", b"NaN",
    b"null", b"true", b"\\ud800", b"\\u0000", b"\xed\xa0\x80", b"\xc2", b"\xd8\x1c", b"\xd8\x1d\x00",
    b"\xd8\x57", b"\xd8\x50", b"\x1b" + b"\xff" * 8, b"\x3b" + b"\xff" * 8, b"\xfb\x7f\xf8" + bytes(6),
    b"\xf9\x7c\x00", b"\x9f", b"\xbf", b"\x5f", b"\x7f", b"\x9b" + b"\xff" * 8, b"\x81" * 300, b"[" * 3000,
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def all_entries_are_listed():
    """Every frame here has one received time: what is listed of a second must not be bounded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "LISTED_PER_S", 10**9)
        patch.setattr(step, "LISTED_PER_S_IN_ALL", 10**9)
        yield


def mutate(chance, payload):
    data = bytearray(payload)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0 if data:
                data[at % len(data)] = chance.randrange(256)
            case 1 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 2:
                del data[at : at + chance.choice((1, 2, 8, 1000))]
            case 3:
                data[at:at] = data[chance.randrange(len(data) + 1) :][: chance.randrange(40)]
            case _:
                data[at:at] = chance.choice(BRUSH)
    return bytes(data)


def check_balance(batch, ingested, decoded_readings, frame_count):
    """The books of a step: each frame and each reading has exactly one fate."""
    frames = readings = 0
    received = Counter()
    for account, count in ingested.accounts.items():
        assert count > 0
        if account.fate is Fate.RECEIVED:
            received[account.unit] += count
        elif account.unit is Unit.FRAMES:
            frames += count
        elif account.fate is not Fate.QUARANTINED:  # those are in the batch
            readings += count
    assert frames == frame_count == received[Unit.FRAMES]
    assert readings + len(batch) == received[Unit.READINGS]
    assert readings + len(batch) == decoded_readings
    future = np.count_nonzero(batch.flags & FLAG_FUTURE)
    quarantined = [n for a, n in ingested.accounts.items() if a.fate is Fate.QUARANTINED]
    assert sum(quarantined) == future
    assert np.isfinite(batch.value).all()
    assert ((batch.time_ns >= 0) & (batch.time_ns <= TIME_NS_MAX)).all()
    assert all(len(reject.excerpt) <= 256 for reject in ingested.rejects)
    refused = [
        n for a, n in ingested.accounts.items() if a.fate in (Fate.REJECTED, Fate.UNDECODABLE)
    ]
    entries = [r.count for r in ingested.rejects if r.fate in (Fate.REJECTED, Fate.UNDECODABLE)]
    assert sum(refused) == sum(entries)


def check_payload(assembler, payload_format, payload, seq):
    decoded = DECODERS[payload_format](payload, T_NS, None)
    frame = Frame(f"lifeline/v1/north/gw/data/{payload_format}", payload, T_NS)
    batch, ingested = assembler.step(seq, [frame])
    duplicate = any(account.fate is Fate.DUPLICATE for account in ingested.accounts)
    check_balance(batch, ingested, 0 if duplicate else decoded.reading_count, 1)
    assert np.all(np.diff(batch.time_ns) >= 0)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("payload_format", sorted(GOLDEN))
def test_no_mutation_of_a_golden_payload_escapes_and_the_books_balance(payload_format, seed):
    chance = random.Random(seed)
    assembler = Assembler(CATALOGUE)
    for seq in range(1, MUTATIONS + 1):
        payload = mutate(chance, chance.choice(GOLDEN[payload_format]))
        check_payload(assembler, payload_format, payload, seq)


@given(st.sampled_from(sorted(DECODERS)), st.binary(max_size=200))
def test_no_bytes_at_all_escape(payload_format, payload):
    check_payload(Assembler(CATALOGUE), payload_format, payload, 1)


def test_golden_payloads_are_golden():
    for payload_format, payloads in GOLDEN.items():
        assert payload_format in DECODERS
        for payload in payloads:
            assert DECODERS[payload_format](payload, T_NS, None).undecodable is None


@given(st.text(), st.binary(max_size=50), st.integers(0, TIME_NS_MAX), st.booleans())
def test_no_frame_of_any_topic_escapes(topic, payload, received_ns, redelivered):
    assembler = Assembler(CATALOGUE)
    for each in (topic, f"lifeline/v1/north/gw/{topic}", "lifeline/v1/n/gw/status"):
        batch, ingested = assembler.step(1, [Frame(each, payload, received_ns, redelivered)])
        check_balance(batch, ingested, 0, 1)
