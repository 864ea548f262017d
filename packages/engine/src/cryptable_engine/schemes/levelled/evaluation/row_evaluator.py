"""RowEvaluator: one plan, evaluated on encrypted rows as they travel, by the kernel or by NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from cryptable_protocol import InternalError, MalformedMessageError
from cryptable_protocol.schemes.levelled.batch import LevelledBatch, RowsTogether
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


class Evaluation(Protocol):
    """A plan, evaluated by the kernel or by NumPy."""

    def ciphertext(self, polynomials: FloatArray, keys: ServerKeys) -> FloatArray:
        """See `NumpyEvaluation.ciphertext`."""

    def together(self, polynomial: FloatArray, parameters: RowsTogether, keys: ServerKeys) -> Iterator[FloatArray]:
        """See `NumpyEvaluation.together`."""


class RowEvaluator:
    """Evaluates one plan. Thread-safe: each thread has memory of its own, `plan.memory_bytes` and about a megabyte.

    The same operations are done for every row, whatever it holds.

    Args:
        plan: made ready.
        kernel: that evaluates; None for NumPy.
        together: how rows travel together, with the plan of a row that does; None where none do.
    """

    def __init__(
        self, plan: Plan, kernel: Kernel | None = None, together: tuple[LevelledBatch, Plan] | None = None
    ) -> None:
        self.plan = plan
        self._ring = None if kernel is None else _ring(kernel)
        self._evaluation = self._evaluation_of(plan)
        self._together = together

    def make_ready(self, data: memoryview) -> ServerKeys:
        """A client's evaluation keys; raises MalformedMessageError for another length."""
        return ServerKeys(data, self._ring)

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        """An answer's canonical bytes for a row's.

        Raises:
            MalformedMessageError: a row of another form than the plan's parameters fix.
        """
        tensor = RingTensor.from_bytes(row)
        if tensor.rows:
            return self._evaluate_together(tensor, keys)
        parameters = self.plan.parameters
        parameters.check_input(tensor.to_message())
        keys, seed = self._ready(keys, tensor)
        layout = self.plan.layout
        bits = [ROW_WORD_BITS] * len(layout.runs) + [PLACED_WORD_BITS] * layout.placed_polynomials
        ciphertext = self.ciphertext(_ciphertexts(seed, tensor.polynomials, bits), keys)
        return answer_bytes([ciphertext], parameters)

    def ciphertext(self, polynomials: FloatArray, keys: ServerKeys) -> FloatArray:
        """The answer's ciphertext, hidden, shape (2, N), on the torus.

        Args:
            polynomials: of the row, expanded ones first: shape (count, 2, N), mask and body, on the torus.
            keys: of the client.
        """
        return _hidden(self._evaluation.ciphertext(polynomials, keys), keys)

    def _evaluate_together(self, tensor: RingTensor, keys: object) -> bytes:
        """Answers to several rows that travel together."""
        if self._together is None:
            raise MalformedMessageError(f"{tensor.rows} rows together, of a model whose rows travel alone")
        parameters = self._together[0].of(tensor.rows)
        parameters.check_input(tensor.to_message())
        keys, seed = self._ready(keys, tensor)
        polynomial = _ciphertexts(seed, tensor.polynomials, [ROW_WORD_BITS])[0]
        answers = self._evaluation_together.together(polynomial, parameters, keys)
        return answer_bytes((_hidden(answer, keys) for answer in answers), parameters.row, rows=parameters.rows)

    @cached_property
    def _evaluation_together(self) -> Evaluation:
        """Made with the first rows that travel together."""
        if self._together is None:
            raise InternalError("no plan of rows together")
        return self._evaluation_of(self._together[1])

    def _evaluation_of(self, plan: Plan) -> Evaluation:
        if self._ring is None:
            return NumpyEvaluation(plan)
        from cryptable_engine.schemes.levelled.evaluation.kernel_evaluation import KernelEvaluation

        return KernelEvaluation(plan, self._ring)

    def _ready(self, keys: object, tensor: RingTensor) -> tuple[ServerKeys, bytes]:
        if not isinstance(keys, ServerKeys) or keys.ring is not self._ring or tensor.seed is None:
            raise InternalError("keys made ready for another evaluator, or a row without a seed that was let through")
        return keys, tensor.seed


def _ring(kernel: Kernel) -> Ring:
    from cryptable_engine.schemes.levelled.evaluation.kernel_evaluation import ring_of

    return ring_of(kernel)


def _hidden(answer: FloatArray, keys: ServerKeys) -> FloatArray:
    answer += encryption_of_zero(keys)
    centre(answer, np.empty_like(answer))
    return answer


def _ciphertexts(seed: bytes, data: bytes, word_bits: list[int]) -> FloatArray:
    """Masks and bodies of polynomials in words of so many bits each, shape (count, 2, N), on the torus."""
    words: Words = np.empty((len(word_bits), 2, RING_SIZE), np.uint64)
    words[:, 0] = masks(seed, 0, len(word_bits))
    start = 0
    for index, bits in enumerate(word_bits):
        end = start + packed_bytes(RING_SIZE, bits)
        words[index, 1] = unpack(data[start:end], RING_SIZE, bits) << np.uint64(GRID_BITS - bits)
        start = end
    return torus(words)
