"""Answers as they travel: words of the mask, and of the body at the slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from cryptable_protocol.schemes.levelled.batch import RowsTogether
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.levelled.parameters import LevelledParameters
from cryptable_protocol.schemes.packing import pack
from cryptable_protocol.schemes.ring_tensor import RingTensor

from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray, centre
from cryptable_engine.schemes.trimming import trimming


def answer_bytes(ciphertexts: Iterable[FloatArray], parameters: LevelledParameters | LinearParameters) -> bytes:
    """Canonical bytes of an answer, given as its parts' ciphertexts on the torus, each of shape (2, N)."""
    bits = parameters.answer_word_bits
    packed = [_words(ciphertext, parameters.slot_places, bits) for ciphertext in ciphertexts]
    with trimming():
        return RingTensor(b"".join(packed)).to_bytes()


def answers_bytes(ciphertexts: Iterable[FloatArray], parameters: RowsTogether) -> bytes:
    """Canonical bytes of the answers to rows together, each of `parameters.rows_by_answer`, one after the other."""
    bits, slots, packed = parameters.row.answer_word_bits, parameters.row.slots, []
    for ciphertext, rows in zip(ciphertexts, parameters.rows_by_answer, strict=True):
        packed.append(_words(ciphertext, list(range(rows * slots)), bits))
    with trimming():
        return RingTensor(b"".join(packed), rows=parameters.rows, rows_per_answer=parameters.rows_per_answer).to_bytes()


def added_up(ciphertexts: Iterator[FloatArray], parameters: RowsTogether) -> Iterator[FloatArray]:
    """The answers, of shape (2, N) each, from each row's ciphertext: row i of an answer stands i · slots further on.

    Beside its slots a row's ciphertext has noise alone (docs/decisions/0060-packed-answers.md).
    """
    slots = parameters.row.slots
    for rows in parameters.rows_by_answer:
        total = next(ciphertexts)
        for index, other in enumerate(islice(ciphertexts, rows - 1), 1):
            shift = index * slots
            total[:, shift:] += other[:, : RING_SIZE - shift]
            total[:, :shift] -= other[:, RING_SIZE - shift :]
            centre(total, np.empty_like(total))
        yield total


def _words(ciphertext: FloatArray, places: list[int], bits: int) -> bytes:
    with trimming():  # not what makes the next part, where that is made when it is asked for
        words = (np.floor(ciphertext * 2.0**bits + 0.5).astype(np.int64) & ((1 << bits) - 1)).astype(np.uint64)
        return pack(words[0], bits) + pack(words[1, places], bits)
