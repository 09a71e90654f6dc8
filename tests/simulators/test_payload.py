"""Payloads against goldens written by hand from the formats' description and RFC 8746."""

import numpy as np
import pytest

from simulators.payload import TimeForm, encode_block, encode_json

MOMENT_NS = 1_700_000_000_250_000_000  # 2023-11-14T22:13:20.250Z


def test_one_time_step_is_one_object():
    assert encode_json([(MOMENT_NS, {"D1": 12.5, "door": 1})]) == (
        b'{"ts":1700000000250,"values":{"D1":12.5,"door":1}}'
    )


def test_several_time_steps_are_a_list():
    steps = [(0, {"a": 1.0}), (1_000_000_000, {"a": -2.0, "b": 0.25})]
    assert encode_json(steps) == (
        b'[{"ts":0,"values":{"a":1.0}},{"ts":1000,"values":{"a":-2.0,"b":0.25}}]'
    )


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (TimeForm.MILLISECONDS, b"1700000000250"),
        (TimeForm.SECONDS, b"1700000000.25"),
        (TimeForm.RFC3339, b'"2023-11-14T22:13:20.250Z"'),
        (TimeForm.LOCAL, b'"2023-11-15T06:13:20.250"'),
    ],
)
def test_each_form_of_time_is_written_as_its_gateways_do(form, written):
    assert encode_json([(MOMENT_NS, {"x": 1})], form) == b'{"ts":%s,"values":{"x":1}}' % written


def test_a_block_is_a_cbor_map_with_a_little_endian_float32_array():
    golden = bytes.fromhex(
        "a4"  # a map of 4
        "616e 624131"  # "n": "A1"
        "627430 1b17979cfe362a0000"  # "t0": 1_700_000_000 s in ns, 64 bits
        "626474 1a00989680"  # "dt": 10_000_000, 32 bits
        "6176 d855 48 0000803f 000000c0"  # "v": tag 85, 8 bytes: 1.0, -2.0
    )
    values = np.array([1.0, -2.0], np.float32)
    assert encode_block("A1", 1_700_000_000_000_000_000, 10_000_000, values) == golden
