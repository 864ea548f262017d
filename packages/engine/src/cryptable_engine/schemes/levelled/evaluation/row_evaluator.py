"""RowEvaluator: one plan, evaluated on encrypted rows as they travel, by the kernel or by NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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

from cryptable_engine.schemes.levelled.evaluation.answer import added_up, answer_bytes, answers_bytes
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


@dataclass(frozen=True)
class _Way:
    """How rows travel together."""

    batch: LevelledBatch
    plan: Plan
    ring: Ring | None

    @cached_property
    def evaluation(self) -> Evaluation:
        """Made with the first of these rows."""
        return _evaluation_of(self.plan, self.ring)


class RowEvaluator:
    """Evaluates one plan. Thread-safe: each thread has memory of its own, `plan.memory_bytes` and about a megabyte.

    The same operations are done for every row, whatever it holds.

    Args:
        plan: made ready.
        kernel: that evaluates; None for NumPy.
        together: how rows travel together, with the plan of a row that does; None where none do.
        packed: the same of rows whose answers are packed.
    """

    def __init__(
        self,
        plan: Plan,
        kernel: Kernel | None = None,
        together: tuple[LevelledBatch, Plan] | None = None,
        packed: tuple[LevelledBatch, Plan] | None = None,
    ) -> None:
        self.plan = plan
        self._ring = None if kernel is None else _ring(kernel)
        self._evaluation = _evaluation_of(plan, self._ring)
        self._together, self._packed = (None if way is None else _Way(*way, self._ring) for way in (together, packed))

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
        way = self._packed if tensor.rows_per_answer else self._together
        if way is None:
            alone = "have answers of their own" if tensor.rows_per_answer else "travel alone"
            raise MalformedMessageError(f"{tensor.rows} rows together, of a model whose rows {alone}")
        parameters = way.batch.of(tensor.rows)
        parameters.check_input(tensor.to_message())
        keys, seed = self._ready(keys, tensor)
        polynomial = _ciphertexts(seed, tensor.polynomials, [ROW_WORD_BITS])[0]
        answers = added_up(way.evaluation.together(polynomial, parameters, keys), parameters)
        return answers_bytes((_hidden(answer, keys) for answer in answers), parameters)

    def _ready(self, keys: object, tensor: RingTensor) -> tuple[ServerKeys, bytes]:
        if not isinstance(keys, ServerKeys) or keys.ring is not self._ring or tensor.seed is None:
            raise InternalError("keys made ready for another evaluator, or a row without a seed that was let through")
        return keys, tensor.seed


def _evaluation_of(plan: Plan, ring: Ring | None) -> Evaluation:
    if ring is None:
        return NumpyEvaluation(plan)
    from cryptable_engine.schemes.levelled.evaluation.kernel_evaluation import KernelEvaluation

    return KernelEvaluation(plan, ring)


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
