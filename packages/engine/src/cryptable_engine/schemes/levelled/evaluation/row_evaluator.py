"""RowEvaluator: one plan, evaluated on encrypted rows as they travel."""

from __future__ import annotations

import threading

import numpy as np
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE
from cryptable_protocol.schemes.levelled.mask_stream import masks
from cryptable_protocol.schemes.levelled.packing import Words, pack, packed_bytes, unpack
from cryptable_protocol.schemes.levelled.parameters import PLACED_WORD_BITS, ROW_WORD_BITS
from cryptable_protocol.schemes.levelled.tensor import RingTensor

from cryptable_engine.schemes.levelled.evaluation.expansion import expand, switch_all, transform
from cryptable_engine.schemes.levelled.evaluation.hiding import encryption_of_zero
from cryptable_engine.schemes.levelled.evaluation.products import Products
from cryptable_engine.schemes.levelled.evaluation.rotations import Rotations
from cryptable_engine.schemes.levelled.evaluation.server_keys import ServerKeys
from cryptable_engine.schemes.levelled.evaluation.transforms import (
    ComplexArray,
    FloatArray,
    centre,
    doubles,
    fold,
    torus,
    unfold,
)
from cryptable_engine.schemes.levelled.evaluation.workspace import Workspace
from cryptable_engine.schemes.levelled.plans.plan import Plan


class RowEvaluator:
    """Evaluates one plan. Thread-safe: each thread has memory of its own, `plan.memory_bytes` and about a megabyte.

    The same operations are done for every row, whatever it holds.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._products = Products(plan)
        self._rotations = None if plan.turns is None else Rotations(plan.turns)
        self._own = threading.local()

    def make_ready(self, data: memoryview) -> ServerKeys:
        """A client's evaluation keys; raises MalformedMessageError for another length."""
        return ServerKeys(data)

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        """An answer's canonical bytes for a row's.

        Raises:
            MalformedMessageError: a row of another form than the plan's parameters fix.
        """
        parameters = self.plan.parameters
        tensor = RingTensor.from_bytes(row)
        parameters.check_input(tensor.to_message())
        if not isinstance(keys, ServerKeys) or tensor.seed is None:
            raise InternalError("keys that another scheme made ready, or a row without a seed that was let through")
        ciphertext = self.ciphertext(self._ciphertexts(tensor.seed, tensor.polynomials), keys)
        bits = parameters.answer_word_bits
        words = (np.floor(ciphertext * 2.0**bits + 0.5).astype(np.int64) & ((1 << bits) - 1)).astype(np.uint64)
        packed = pack(words[0], bits) + pack(words[1, : parameters.slots], bits)
        return RingTensor(packed).to_bytes()

    def ciphertext(self, polynomials: FloatArray, keys: ServerKeys) -> FloatArray:
        """The answer's ciphertext, hidden, shape (2, N), on the torus.

        Args:
            polynomials: of the row, expanded ones first: shape (count, 2, N), mask and body, on the torus.
            keys: of the client.
        """
        space = self._space()
        layout = self.plan.layout
        folded = fold(polynomials)
        for run, ciphertext in zip(layout.runs, folded, strict=False):
            leaves = space.leaves[run.first : run.first + run.count]
            leaves[0] = ciphertext
            expand(run, keys, leaves, space)
        space.leaves[len(layout.leaf_bits) :] = folded[len(layout.runs) :]
        if self.plan.is_streamed:
            transform(space.leaves[len(layout.leaf_bits) :])
        else:
            switch_all(layout, keys, space)
        answer: ComplexArray = self._products.evaluate(space, keys)
        if self._rotations is not None:
            answer += self._rotations.evaluate(space)
        answer += encryption_of_zero(keys.public_pair)
        centre(doubles(answer), np.empty_like(doubles(answer)))
        return unfold(answer)

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

    def _space(self) -> Workspace:
        space: Workspace | None = getattr(self._own, "space", None)
        if space is None:
            space = self._own.space = Workspace(self.plan, self._products.places)
        return space
