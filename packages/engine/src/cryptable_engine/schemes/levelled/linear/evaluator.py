"""LinearEvaluator: one product with a row, exact modulo 2^52, re-randomised and flooded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, PUBLIC_PAIR, RING_SIZE
from cryptable_protocol.schemes.levelled.mask_stream import masks
from cryptable_protocol.schemes.packing import Words, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor

from cryptable_engine.schemes.levelled.evaluation.answer import answer_bytes
from cryptable_engine.schemes.levelled.evaluation.hiding import encryption_of_zero, flood
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import (
    FloatArray,
    centre,
    fold,
    forward,
    inverse,
    torus,
    unfold,
)
from cryptable_engine.schemes.levelled.linear.plan import LinearPlan

_PIECE_BITS = GRID_BITS // 2
"""Transforms of doubles multiply pieces so small, by weights below 2^16, that rounding to integers makes the sum exact:
errors have a deviation below 2^-5. Rounding that is left in an answer would depend on the weights."""


class LinearEvaluator:
    """Evaluates one plan, in NumPy: it is a few transforms a row. Thread-safe.

    The same operations are done for every row, whatever it holds.
    """

    def __init__(self, plan: LinearPlan) -> None:
        self.plan = plan
        parameters = plan.parameters
        self._weights = forward(fold(plan.weights))
        self._slots = np.array(parameters.slot_places)
        self._deviations = np.sqrt(np.repeat(parameters.floods, parameters.outputs_per_part))

    def make_ready(self, data: memoryview) -> ServerKeys:
        """A client's public pair; raises MalformedMessageError for another length."""
        return ServerKeys(data, keyset=PUBLIC_PAIR)

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        """An answer's canonical bytes for a row's.

        Raises:
            MalformedMessageError: a row of another form than the plan's parameters fix.
        """
        parameters = self.plan.parameters
        tensor = RingTensor.from_bytes(row)
        parameters.check_input(tensor.to_message())
        if not isinstance(keys, ServerKeys) or tensor.seed is None:
            raise InternalError("keys made ready for another evaluator, or a row without a seed that was let through")
        return answer_bytes(self.ciphertexts(self._ciphertexts(tensor.seed, tensor.polynomials), keys), parameters)

    def ciphertexts(self, polynomials: Words, keys: ServerKeys) -> Iterator[FloatArray]:
        """Part by part, the answer's ciphertext, hidden, shape (2, N), on the torus.

        Args:
            polynomials: of the row: shape (count, 2, N), mask and body, integers modulo 2^52.
            keys: of the client.
        """
        for product, constant in zip(self.products(polynomials), self.plan.constant, strict=True):
            answer = torus(product)
            answer[1, self._slots] += constant + flood(self._deviations)
            answer += encryption_of_zero(keys)
            centre(answer, np.empty_like(answer))
            yield answer

    def products(self, polynomials: Words) -> Iterator[Words]:
        """For each part, the sum of the row's polynomials times those of the weights, modulo 2^52: shape (2, N)."""
        low = _balanced(polynomials)
        high = _balanced((polynomials - low.view(np.uint64)) >> np.uint64(_PIECE_BITS))
        pieces = forward(fold(np.stack([low, high]).astype(np.float64)))
        for weights in self._weights:
            total = np.einsum("ch,pcxh->pxh", weights, pieces)
            words = np.rint(unfold(inverse(total))).astype(np.int64).view(np.uint64)
            yield (words[0] + (words[1] << np.uint64(_PIECE_BITS))) & np.uint64((1 << GRID_BITS) - 1)

    def _ciphertexts(self, seed: bytes, data: bytes) -> Words:
        """Masks and bodies of a row's polynomials, shape (count, 2, N)."""
        bits, count = self.plan.parameters.row_word_bits, self.plan.parameters.layout.polynomials
        size = packed_bytes(RING_SIZE, bits)
        words: Words = np.empty((count, 2, RING_SIZE), np.uint64)
        words[:, 0] = masks(seed, 0, count)
        for index in range(count):
            part = data[index * size : (index + 1) * size]
            words[index, 1] = unpack(part, RING_SIZE, bits) << np.uint64(GRID_BITS - bits)
        return words


def _balanced(words: Words) -> npt.NDArray[np.int64]:
    """The lower 26 bits as −2^25 … 2^25 − 1."""
    half, mask = np.uint64(1 << (_PIECE_BITS - 1)), np.uint64((1 << _PIECE_BITS) - 1)
    found: npt.NDArray[np.int64] = ((words + half) & mask).view(np.int64) - np.int64(half)
    return found
