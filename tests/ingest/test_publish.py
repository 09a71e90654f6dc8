from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

from ingest.publish import Publish, parse_publish

# PUBLISH, QoS 1, DUP; topic "a/b", packet id 10, no properties, payload "hi".
GOLDEN_5 = bytes.fromhex("3a 0a 0003 612f62 000a 00 6869")
GOLDEN_3 = bytes.fromhex("3a 09 0003 612f62 000a 6869")


def test_a_packet_of_either_version_is_read():
    expected = Publish(b"a/b", b"hi", 10, True, 12)
    assert parse_publish(GOLDEN_5, 0, has_properties=True) == expected
    assert parse_publish(b"xx" + GOLDEN_3 + b"y", 2, has_properties=False) == Publish(
        b"a/b", b"hi", 10, True, 13
    )


def test_properties_are_skipped():
    packet = bytes.fromhex("30 0d 0003 612f62 05 02 0000003c 6869")  # message expiry interval
    assert parse_publish(packet, 0, has_properties=True) == Publish(b"a/b", b"hi", None, False, 15)


def test_a_packet_that_is_not_whole_or_no_publish_is_left_alone():
    for end in range(len(GOLDEN_5)):
        assert parse_publish(GOLDEN_5[:end], 0, has_properties=True) is None
    assert parse_publish(b"\xd0\x00", 0, has_properties=True) is None
    assert parse_publish(b"\x34" + GOLDEN_5[1:], 0, has_properties=True) is None


@given(
    st.sampled_from([0x30, 0x32, 0x3A]),
    st.binary(max_size=60),
    st.booleans(),
    st.binary(max_size=4),
)
def test_what_is_read_is_what_paho_reads(command, body, version_5, rest):
    version = MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311
    got = parse_publish(bytes([command, len(body)]) + body + rest, 0, has_properties=version_5)
    if got is None:
        return
    assert got.end == len(body) + 2
    try:
        expected = decode_publish(command, body, version)
    except MalformedPacket:
        return  # properties that make no sense are skipped, not understood
    assert (got.topic, got.payload) == (expected.topic, bytes(expected.payload))
    assert (got.packet_id or 0, got.duplicate) == (expected.mid, expected.dup)
