"""Vectors of linear models of the scheme levelled: specifications to accept and to refuse, and figures of rows.

The figures are worked out here from protos/SPEC-LEVELLED.md in Python's integers, with nothing of the packages.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

from cryptable_protocol.messages import client_spec

from vectors import levelled, samples
from vectors.vector import Accepted, Rejected, canonical, changed, put

RING = 2048
MODULI = (1021, 1023, 1024)
WINDOWS, PLACES = 7, ((0, 0), (1, 2), (3, 6))
ROW = (5, 40_000, 1)
WORD_BITS, MAXIMUM = 19, 1 << 29


def spec() -> client_spec.ClientSpec:
    """Two scores of three integers of 16 bits."""
    message = client_spec.ClientSpec(
        model_name="dose",
        features=[samples.affine(name, 0.0, 1.0, 1 << 16) for name in ("age", "weight", "stage")],
        decoder=client_spec.Decoder(
            link=client_spec.Decoder.SOFTMAX,
            offset=[-200, 100],
            step=0.125,
            integers=client_spec.IntegerLabels(values=[0, 1]),
            base=[0.0, 0.5],
        ),
        p_error=2.0**-128,
    )
    message.levelled.CopyFrom(
        client_spec.LevelledParameters(
            keyset=2,
            inputs=3,
            moduli=MODULI,
            outputs=2,
            maximum=MAXIMUM,
            answer_word_bits=WORD_BITS,
            linear=client_spec.LinearRow(input_bits=16, word_bits=36, outputs_per_part=2),
        )
    )
    return message


def _interleaved(message: client_spec.ClientSpec) -> None:
    message.levelled.linear.interleaved = True


def accepted() -> list[Accepted]:
    """Messages to accept."""
    data, other = canonical(spec()), changed(spec(), _interleaved)
    return [
        Accepted(
            "client_spec",
            "levelled_linear",
            "a linear model, whose weights are hidden",
            data,
            {
                "digest": hashlib.sha256(data).hexdigest(),
                "keyset_name": hashlib.sha256(b"cryptable levelled keyset 2").hexdigest(),
                "feature_names": ["age", "weight", "stage"],
                "evaluation_keys_bytes": 13_328,
                "encodes": [{"row": [5.0, 40_000.0, 1.0], "elements": list(ROW)}],
                "decodes": [{"values": [208, 200], "scores": [1.0, 38.0]}],
            },
        ),
        Accepted(
            "client_spec",
            "levelled_linear_interleaved",
            "the same, its moduli interleaved",
            other,
            {
                "digest": hashlib.sha256(other).hexdigest(),
                "keyset_name": hashlib.sha256(b"cryptable levelled keyset 2").hexdigest(),
                "feature_names": ["age", "weight", "stage"],
                "evaluation_keys_bytes": 13_328,
                "encodes": [{"row": [5.0, 40_000.0, 1.0], "elements": list(ROW)}],
                "decodes": [{"values": [208, 200], "scores": [1.0, 38.0]}],
            },
        ),
    ]


def rejected() -> list[Rejected]:
    """Messages to refuse."""

    def of(**fields: object) -> Callable[[client_spec.ClientSpec], object]:
        return lambda message: put(message.levelled, **fields)

    def row(**fields: object) -> Callable[[client_spec.ClientSpec], object]:
        return lambda message: put(message.levelled.linear, **fields)

    def both(message: client_spec.ClientSpec) -> None:
        message.levelled.outputs = message.levelled.linear.outputs_per_part = 43

    def two(message: client_spec.ClientSpec) -> None:
        put(message.levelled, moduli=[(1 << 15) - 1, 1 << 15], answer_word_bits=24)
        put(message.levelled.linear, word_bits=47, interleaved=True)

    cases: dict[str, tuple[str, Callable[[client_spec.ClientSpec], object]]] = {
        "keyset": ("the keyset of other models", of(keyset=1)),
        "selectors": ("selectors, beside integers", of(selectors=[0])),
        "gadget": ("a gadget, which nothing is decomposed by", of(gadget_levels=2, gadget_base_log=8)),
        "inputs": ("4 inputs, of encoders that make 3", of(inputs=4)),
        "input_bits_none": ("integers of no bits", row(input_bits=0)),
        "input_bits_few": ("integers of 15 bits, of encoders that make 16", row(input_bits=15)),
        "input_bits_many": ("integers of 31 bits", row(input_bits=31)),
        "word_bits_few": ("a row in words of 23 bits", row(word_bits=23)),
        "word_bits_many": ("a row in words of 52 bits", row(word_bits=52)),
        "moduli_none": ("no moduli", of(moduli=[])),
        "moduli_share": ("moduli that share a factor", of(moduli=[1020, 1023, 1024])),
        "moduli_unsorted": ("moduli that do not increase", of(moduli=[1024, 1023, 1021])),
        "modulus_small": ("a modulus of 2", of(moduli=[2, 1021, 1023, 1025])),
        "modulus_large": ("a modulus above 2^17", of(moduli=[1021, (1 << 17) + 2], answer_word_bits=26)),
        "moduli_many": ("7 moduli", of(moduli=[29, 31, 37, 41, 43, 47, 53])),
        "maximum": ("a maximum that the moduli do not hold", of(maximum=1 << 30)),
        "parts_none": ("parts of no output", row(outputs_per_part=0)),
        "parts_many": ("2 outputs in parts of 3", row(outputs_per_part=3)),
        "slots": ("129 slots", both),
        "interleaved_two": ("two moduli interleaved", two),
        "words_misread": ("words so short that answers are misread", of(answer_word_bits=17)),
        "told": ("a row in words so short that answers tell weights", row(word_bits=30)),
    }
    return [
        Rejected("client_spec", f"levelled_linear_{name}", why, changed(spec(), change), "fields")
        for name, (why, change) in cases.items()
    ]


def figures() -> dict[str, Any]:
    """Where a row's residues and an answer's slots stand, for protos/vectors/levelled.json."""
    window, outputs = RING // WINDOWS, 2
    run = (window - RING % WINDOWS) // outputs
    messages = [
        [inputs * window + index, _nearest(Fraction(value % modulus, modulus) * (1 << 52))]
        for modulus, (_, inputs) in zip(MODULI, PLACES, strict=True)
        for index, value in enumerate(ROW)
    ]
    slots = [slots * window + output * run for slots, _ in PLACES for output in range(outputs)]
    room = (RING + 1 - outputs) // (6 * outputs + 1)
    full, more = room * outputs, room + outputs - 1
    starts = ((0, 1), (3 * full + more, 1), (full + more, outputs))
    interleaved = [
        [start + index * apart, _nearest(Fraction(value % modulus, modulus) * (1 << 52))]
        for modulus, (start, apart) in zip(MODULI, starts, strict=True)
        for index, value in enumerate(ROW)
    ]
    return {
        "client_spec": "accept/client_spec.levelled_linear.bin",
        "integers": list(ROW),
        # [coefficient, torus element].
        "messages": [sorted(messages)],
        "slots": slots,
        "interleaved": {
            "client_spec": "accept/client_spec.levelled_linear_interleaved.bin",
            "messages": [sorted(interleaved)],
            "slots": [0, room, 5 * full + more, 5 * full + more + room, 3 * full, 3 * full + 1],
        },
        # Under the secret of the other figures.
        "answers": [_read(levelled.secret(), slots, number) for number in range(3)],
    }


def _read(secret: list[int], slots: list[int], number: int) -> dict[str, Any]:
    """An answer of random bytes, and what it decrypts to: whatever is well-formed does."""
    size, modulus = RING * WORD_BITS // 8, math.prod(MODULI)
    data = Random(200 + number).randbytes(size + (len(slots) * WORD_BITS + 7) // 8)
    mask = levelled.unpacked(data[:size], RING, WORD_BITS)
    body = levelled.unpacked(data[size:], len(slots), WORD_BITS)
    values = [0, 0]
    for index, (word, slot) in enumerate(zip(body, slots, strict=True)):
        product = sum(mask[slot - power] * secret[power] for power in range(slot + 1)) - sum(
            mask[RING + slot - power] * secret[power] for power in range(slot + 1, RING)
        )
        residue, output = divmod(index, len(values))
        own = MODULI[residue]
        rest = modulus // own
        found = ((2 * ((word - product) % (1 << WORD_BITS)) * own + (1 << WORD_BITS)) >> (WORD_BITS + 1)) % own
        values[output] += found * rest * pow(rest, -1, own)
    return {"polynomials": data.hex(), "values": [min(value % modulus, MAXIMUM) for value in values]}


def _nearest(fraction: Fraction) -> int:
    return (2 * fraction.numerator + fraction.denominator) // (2 * fraction.denominator)
