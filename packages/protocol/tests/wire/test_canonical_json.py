"""Canonical JSON against the examples of RFC 8785, and that every other byte string is refused."""

import json
import math
import random
import struct

import pytest
from cryptable_protocol import InvalidInputError, LimitExceededError, MalformedMessageError
from cryptable_protocol.wire.canonical_json import from_canonical_json, to_canonical_json

NUMBERS = {  # RFC 8785, appendix B: bits of a double, and what is written
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize("bits", NUMBERS)
def test_numbers_of_the_standard(bits):
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert to_canonical_json(value).decode() == NUMBERS[bits]
    assert float(NUMBERS[bits]) == value


def test_any_double_reads_as_itself():
    rng = random.Random(5)
    for _ in range(5000):
        (value,) = struct.unpack(">d", rng.randbytes(8))
        if math.isfinite(value):
            assert float(to_canonical_json(value)) == value


def test_members_are_sorted_by_utf_16_and_strings_escape_what_they_must():
    """RFC 8785, section 3.2.3: a Hebrew letter comes after a character beyond the basic plane."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = to_canonical_json(dict.fromkeys(names, 0))
    assert list(json.loads(written)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f"
    assert to_canonical_json(text).decode() == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 1 << 54, {1: 2}, {"a": object()}, "\ud800", [[[[[[[[[[]]]]]]]]]] * 1]
)
def test_what_has_no_form(value):
    if isinstance(value, list):
        for _ in range(30):
            value = [value]
    with pytest.raises(InvalidInputError, match="canonical JSON"):
        to_canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b"1.0",
        b"1e2",
        b"-0",
        b'"\\u0041"',
        b"[1]\n",
        b"NaN",
        b"Infinity",
        b"\xff",
        b"",
        b"[" * 100_000,
        b"1" * 5000,
        b'"\\ud800"',
    ],
)
def test_other_byte_strings_are_refused(data):
    with pytest.raises(MalformedMessageError, match="something: "):
        from_canonical_json(data, limit=1 << 20, what="something")


def test_a_limit_and_a_round_trip():
    value = {"a": [1, -2.5, True, None, "x"], "": {}}
    data = to_canonical_json(value)
    assert from_canonical_json(data, limit=len(data), what="it") == value
    with pytest.raises(LimitExceededError):
        from_canonical_json(data, limit=len(data) - 1, what="it")
