"""RowEvaluator: one plan, evaluated on encrypted rows as they travel, by the kernel or by NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE
from cryptable_protocol.schemes.levelled.mask_stream import masks
from cryptable_protocol.schemes.levelled.parameters import PLACED_WORD_BITS, ROW_WORD_BITS
from cryptable_protocol.schemes.packing import Words, packed_bytes, unpack
from cryptable_protocol.schemes.ring_tensor import RingTensor

from cryptable_engine.schemes.levelled.evaluation.answer import answer_bytes
from cryptable_engine.schemes.levelled.evaluation.hiding import encryption_of_zero
from cryptable_engine.schemes.levelled.evaluation.numpy_evaluation import NumpyEvaluation
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import FloatArray, centre, torus
from cryptable_engine.schemes.levelled.plans.plan import Plan

if TYPE_CHECKING:
    from cryptable_kernel import Kernel, Ring


class RowEvaluator:
    """Evaluates one plan. Thread-safe: each thread has memory of its own, `plan.memory_bytes` and about a megabyte.

    The same operations are done for every row, whatever it holds.

    Args:
        plan: made ready.
        kernel: that evaluates; None for NumPy.
    """

    def __init__(self, plan: Plan, kernel: Kernel | None = None) -> None:
        self.plan = plan
        self._ring: Ring | None = None
        if kernel is None:
            self._evaluate = NumpyEvaluation(plan).ciphertext
        else:
            from cryptable_engine.schemes.levelled.evaluation.kernel_evaluation import KernelEvaluation, ring_of

            self._ring = ring_of(kernel)
            self._evaluate = KernelEvaluation(plan, self._ring).ciphertext

    def make_ready(self, data: memoryview) -> ServerKeys:
        """A client's evaluation keys; raises MalformedMessageError for another length."""
        return ServerKeys(data, self._ring)

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        """An answer's canonical bytes for a row's.

        Raises:
            MalformedMessageError: a row of another form than the plan's parameters fix.
        """
        parameters = self.plan.parameters
        tensor = RingTensor.from_bytes(row)
        parameters.check_input(tensor.to_message())
        if not isinstance(keys, ServerKeys) or keys.ring is not self._ring or tensor.seed is None:
            raise InternalError("keys made ready for another evaluator, or a row without a seed that was let through")
        ciphertext = self.ciphertext(self._ciphertexts(tensor.seed, tensor.polynomials), keys)
        return answer_bytes([ciphertext], parameters)

    def ciphertext(self, polynomials: FloatArray, keys: ServerKeys) -> FloatArray:
        """The answer's ciphertext, hidden, shape (2, N), on the torus.

        Args:
            polynomials: of the row, expanded ones first: shape (count, 2, N), mask and body, on the torus.
            keys: of the client.
        """
        answer = self._evaluate(polynomials, keys)
        answer += encryption_of_zero(keys)
        centre(answer, np.empty_like(answer))
        return answer

    def _ciphertexts(self, seed: bytes, data: bytes) -> FloatArray:
        """Masks and bodies of a row's polynomials, shape (count, 2, N), on the torus."""
        layout = self.plan.layout
        expanded = len(layout.runs)
        count = expanded + layout.placed_polynomials
        words: Words = np.empty((count, 2, RING_SIZE), np.uint64)
        words[:, 0] = masks(seed, 0, count)
        start = 0
        for index in range(count):
            bits = ROW_WORD_BITS if index < expanded else PLACED_WORD_BITS
            end = start + packed_bytes(RING_SIZE, bits)
            words[index, 1] = unpack(data[start:end], RING_SIZE, bits) << np.uint64(GRID_BITS - bits)
            start = end
        return torus(words)
