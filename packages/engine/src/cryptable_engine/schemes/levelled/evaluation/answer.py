"""Answers as they travel: words of the mask, and of the body at the slots."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.packing import pack
from cryptable_protocol.schemes.ring_tensor import RingTensor

from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray
from cryptable_engine.schemes.trimming import trimming


def answer_bytes(
    ciphertexts: Iterable[FloatArray], parameters: LevelledParameters | LinearParameters, *, rows: int = 0
) -> bytes:
    """Canonical bytes of an answer, given as its parts' ciphertexts on the torus, each of shape (2, N).

    Args:
        ciphertexts: the parts, or where `rows` travel together, the answers to them.
        parameters: of a row.
        rows: that travel together; 0 for one alone.
    """
    bits, packed = parameters.answer_word_bits, []
    for ciphertext in ciphertexts:
        with trimming():  # not what makes the next part, where that is made when it is asked for
            words = (np.floor(ciphertext * 2.0**bits + 0.5).astype(np.int64) & ((1 << bits) - 1)).astype(np.uint64)
            packed += [pack(words[0], bits), pack(words[1, parameters.slot_places], bits)]
    with trimming():
        return RingTensor(b"".join(packed), rows=rows).to_bytes()
