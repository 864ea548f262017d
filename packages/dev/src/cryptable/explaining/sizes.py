"""Bytes on the wire, exactly, by a model's parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import ClientSpec, EncryptedTensor
from cryptable_protocol.schemes.bootstrapped.trimming import answer_word_bits
from cryptable_protocol.schemes.levelled.keyset import SEED_BYTES
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.levelled.tensor import RingTensor


@dataclass(frozen=True)
class Bytes:
    """Sizes on the wire."""

    evaluation_keys: int
    input_row: int
    output_row: int


def bytes_of(spec: ClientSpec) -> Bytes:
    """Of evaluation keys, a row and an answer, framing included."""
    parameters = spec.parameters
    keys = parameters.keyset.evaluation_keys_bytes
    if isinstance(parameters, LevelledParameters):
        sent = RingTensor(bytes(parameters.row_bytes), bytes(SEED_BYTES))
        return Bytes(keys, len(sent.to_bytes()), len(RingTensor(bytes(parameters.answer_bytes)).to_bytes()))
    dimensions = spec.keyset.dimensions
    row = EncryptedTensor(np.zeros(spec.input.size, np.uint64), seed=bytes(16))
    words = np.zeros((spec.output.size, dimensions[spec.output.key] + 1), np.uint64)
    word_bits = answer_word_bits(spec.output.width, dimensions[spec.output.key], spec.p_error)
    answer = EncryptedTensor.from_ciphertexts(words).trimmed(word_bits)
    return Bytes(keys, len(row.to_bytes()), len(answer.to_bytes()))
