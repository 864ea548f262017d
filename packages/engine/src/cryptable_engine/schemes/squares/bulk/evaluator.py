"""BulkEvaluator: one plan, evaluated on tensors of many rows as they travel, a column after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.packing import pack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.mask_stream import masks

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.errors import EvaluationError
from cryptable_engine.schemes.squares.bulk.columns import Step, Sum, is_square
from cryptable_engine.schemes.squares.bulk.first_sums import FirstSums
from cryptable_engine.schemes.squares.bulk.plan import BulkPlan
from cryptable_engine.schemes.squares.bulk.sources import FileSource, Source, TensorSource
from cryptable_engine.schemes.squares.rings.seal import Ciphertext, Keys, SealRing
from cryptable_engine.schemes.squares.wire import ReadyKeys, residues, rounded
from cryptable_engine.schemes.trimming import trimming

Watch = Callable[[str, Ciphertext], None]
"""Told of each step and what is there then: for tests of noise."""


class BulkEvaluator:
    """Evaluates one plan. The same operations are done for every tensor, whatever its rows hold, and however many.

    Raises:
        SchemeUnavailableError: TenSEAL is not installed.
    """

    def __init__(self, plan: BulkPlan) -> None:
        self.plan = plan
        self.ring = SealRing(plan.parameters.keyset.chain, plan.parameters.modulus)
        self._levels = plan.levels
        self._reads = plan.columns.reads
        self.first_sums = FirstSums(plan.columns, plan.parameters.fresh)

    def make_ready(self, data: memoryview) -> ReadyKeys:
        """A client's evaluation keys; raises MalformedMessageError for words that are no residues."""
        ready = ReadyKeys(self.plan.parameters.keyset, data)
        ready.under(self.ring)  # what SEAL refuses it is to refuse now
        return ready

    def evaluate_row(self, row: bytes, keys: object, watch: Watch | None = None) -> bytes:
        """An answer's canonical bytes for a tensor's.

        Raises:
            MalformedMessageError: a tensor of another form than the plan's parameters fix, or words that are no
                residues.
            EvaluationError: SEAL failed.
        """
        tensor = RingTensor.from_bytes(row)
        self.plan.parameters.check_input(tensor.to_message())
        return self._evaluated(TensorSource(tensor, self.plan.parameters), keys, watch)

    def evaluate_file(self, path: Path, keys: object) -> bytes:
        """The same of a tensor in a file: its seed, then its polynomials; raises OSError where it cannot be read."""
        with FileSource(path, self.plan.parameters) as source:
            return self._evaluated(source, keys, None)

    def _evaluated(self, source: Source, keys: object, watch: Watch | None) -> bytes:
        if not isinstance(keys, ReadyKeys):
            raise InternalError("keys that another scheme made ready")
        own = keys.under(self.ring)
        columns = _Columns(self, source, watch or (lambda step, value: None))  # noqa: ARG005
        try:
            for index, step in enumerate(self.plan.columns.steps):
                columns.make(index, step, own)
            answers = [self._packed(columns.answer(each, own)) for each in self.plan.columns.outputs]
        except (RuntimeError, ValueError) as error:
            raise EvaluationError(f"squares: SEAL failed: {error}") from error
        with trimming():
            return RingTensor(b"".join(answers)).to_bytes()

    @property
    def levels(self) -> tuple[int, ...]:
        """Of each step, how many primes it is left with."""
        return self._levels

    @property
    def reads(self) -> Counter[int]:
        """How often each column is read."""
        return self._reads.copy()

    def _packed(self, answer: Ciphertext) -> bytes:
        """Rounded words of the mask and of the body."""
        parameters = self.plan.parameters
        size, bits, prime = parameters.keyset.ring_size, parameters.answer_word_bits, parameters.keyset.chain.data[0]
        with trimming():
            halves = (self.ring.words(answer, range(start, start + size)) for start in (size, 0))
            return b"".join(pack(rounded(words, prime, bits), bits) for words in halves)


class _Columns:
    """Ciphertexts of one evaluation: those of the input are made when first read, and all dropped after use."""

    def __init__(self, evaluator: BulkEvaluator, source: Source, tell: Watch) -> None:
        self._evaluator, self._source, self._tell = evaluator, source, tell
        self._ring, self._plan = evaluator.ring, evaluator.plan
        self._left = evaluator.reads
        self._kept: dict[int, Ciphertext] = {}
        self._first_squares = frozenset(self._plan.columns.first_squares)
        self._first_sums = evaluator.first_sums.words(self._words)

    def make(self, index: int, step: Step, keys: Keys) -> None:
        """The sum of a step, or the product of its two, which becomes a column."""
        ring, left = self._ring, self._evaluator.levels[index]
        if index in self._first_squares:
            made = ring.squared(self._first_sum(step[0]), left, keys)
        else:
            level = min(map(self._level_of, step))
            one, *other = (self._summed(each, level) for each in (step[:1] if is_square(step) else step))
            if other:
                made = ring.multiplied(one, other[0], left, keys)
            elif is_square(step):
                made = ring.squared(one, left, keys)
            else:
                made = one if left == level else ring.switched(one, left)
        self._kept[self._plan.columns.inputs + index] = made
        self._tell(f"step {index + 1}", made)

    def answer(self, each: Sum, keys: Keys) -> Ciphertext:
        """A sum modulo the first prime, hidden by a fresh encryption of zero."""
        ring, hidden = self._ring, self._ring.zero(keys)
        if not each.weights:
            ring.add_plaintext(hidden, ring.constant(each.constant))
        else:
            taken = self._summed(each, self._level_of(each))
            ring.add(hidden, taken if ring.level(taken) == 1 else ring.switched(taken, 1))
        self._tell("answer", hidden)
        return hidden

    def _first_sum(self, each: Sum) -> Ciphertext:
        """The sum that the next of a network's first squares reads."""
        total = self._ring.ciphertext(*next(self._first_sums))
        if each.constant:
            self._ring.add_plaintext(total, self._ring.constant(each.constant))
        return total

    def _level_of(self, each: Sum) -> int:
        return min(self._ring.level(self._column(column)) for column, _ in each.weights)

    def _summed(self, each: Sum, level: int) -> Ciphertext:
        ring, total = self._ring, None
        for column, weight in each.weights:
            read = self._column(column)
            if ring.level(read) != level:
                read = ring.switched(read, level)
            self._left[column] -= 1
            if not self._left[column]:
                del self._kept[column]
            if each.is_one_column:
                return read
            if total is None:
                total = ring.scaled(read, weight)
                continue
            term = read if abs(weight) == 1 else ring.scaled(read, abs(weight))
            (ring.add if weight > 0 else ring.subtract)(total, term)
        if each.constant:
            ring.add_plaintext(total, ring.constant(each.constant))
        return total

    def _column(self, column: int) -> Ciphertext:
        if column not in self._kept:
            self._kept[column] = self._input(column)
        return self._kept[column]

    def _input(self, column: int) -> Ciphertext:
        return self._ring.ciphertext(*self._words(column))

    def _words(self, column: int) -> IntArray:
        """A column of the input: body and mask, shape (2, primes, N)."""
        chain = self._plan.parameters.fresh
        body = residues(self._source.column(column), chain.data, chain.ring_size, "row")
        mask = masks(self._source.seed, column * len(chain.data), chain.data, chain.ring_size)
        return np.stack([body, mask])
