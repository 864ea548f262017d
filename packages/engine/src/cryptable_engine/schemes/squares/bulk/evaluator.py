"""BulkEvaluator: one plan, evaluated on tensors of many rows as they travel, a column after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.packing import pack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.mask_stream import masks

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.errors import EvaluationError
from cryptable_engine.schemes.squares.bulk.columns import Sum, is_square
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
            for index in self.plan.schedule.order:
                columns.make(index, own)
            answers = [self._packed(each) for each in columns.answers(own)]
        except (RuntimeError, ValueError) as error:
            raise EvaluationError(f"squares: SEAL failed: {error}") from error
        with trimming():
            return RingTensor(b"".join(answers)).to_bytes()

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
        self._source, self._tell = source, tell
        self._ring, self._plan = evaluator.ring, evaluator.plan
        self._columns, self._levels = self._plan.columns, self._plan.levels
        self._left = self._plan.schedule.uses.copy()
        self._kept: dict[int, Ciphertext] = {}
        self._first_squares = frozenset(self._columns.first_squares)
        self._first_sums = evaluator.first_sums.words(self._words)
        self._totals: dict[int, Ciphertext] = {}
        self._awaited = self._outputs_by_column()
        self._output_levels = [self._level_of(each) for each in self._columns.outputs]

    def _outputs_by_column(self) -> dict[int, list[tuple[int, int]]]:
        """Of each column, which outputs read it, with which weight."""
        found: dict[int, list[tuple[int, int]]] = {}
        for output, each in enumerate(self._columns.outputs):
            for column, weight in each.weights:
                found.setdefault(column, []).append((output, weight))
        return found

    def make(self, index: int, keys: Keys) -> None:
        """The sum of a step, or the product of its two, which becomes a column."""
        ring, left, step = self._ring, self._levels[index], self._columns.steps[index]
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
            del one, other
            self._drop_read(index)
        self._keep(self._columns.inputs + index, made)
        self._tell(f"step {index + 1}", made)

    def answers(self, keys: Keys) -> Iterator[Ciphertext]:
        """Each output modulo the first prime, hidden by a fresh encryption of zero."""
        for column in sorted(self._awaited):  # of the input, that no step has read
            self._keep(column, self._input(column))
        for output, each in enumerate(self._columns.outputs):
            ring, hidden = self._ring, self._ring.zero(keys)
            if not each.weights:
                ring.add_plaintext(hidden, ring.constant(each.constant))
            else:
                total = self._totals.pop(output)
                if each.constant and not each.is_one_column:
                    ring.add_plaintext(total, ring.constant(each.constant))
                ring.add(hidden, total if ring.level(total) == 1 else ring.switched(total, 1))
            self._tell("answer", hidden)
            yield hidden

    def _first_sum(self, each: Sum) -> Ciphertext:
        """The sum that the next of a network's first squares reads."""
        total = self._ring.ciphertext(*next(self._first_sums))
        if each.constant:
            self._ring.add_plaintext(total, self._ring.constant(each.constant))
        return total

    def _level_of(self, each: Sum) -> int:
        return self._plan.noise.level_of(each)

    def _summed(self, each: Sum, level: int) -> Ciphertext:
        ring, total = self._ring, None
        for column, weight in each.weights:
            read = self._at(self._column(column), level)
            if each.is_one_column:
                return read
            total = self._added(total, read, weight)
        if each.constant:
            ring.add_plaintext(total, ring.constant(each.constant))
        return total

    def _added(self, total: Ciphertext | None, read: Ciphertext, weight: int) -> Ciphertext:
        """Into the total, which is None at first."""
        if total is None:
            return self._ring.scaled(read, weight)
        term = read if abs(weight) == 1 else self._ring.scaled(read, abs(weight))
        (self._ring.add if weight > 0 else self._ring.subtract)(total, term)
        return total

    def _at(self, read: Ciphertext, level: int) -> Ciphertext:
        return read if self._ring.level(read) == level else self._ring.switched(read, level)

    def _column(self, column: int) -> Ciphertext:
        if column not in self._kept:
            self._keep(column, self._input(column))
        return self._kept[column]

    def _keep(self, column: int, made: Ciphertext) -> None:
        """For the steps that read it; outputs have it at once."""
        if self._left[column]:
            self._ring.fit(made)
            self._kept[column] = made
        for output, weight in self._awaited.pop(column, ()):
            read = self._at(made, self._output_levels[output])
            self._totals[output] = self._added(self._totals.get(output), read, weight)

    def _drop_read(self, index: int) -> None:
        """After the last step that reads it."""
        for column in self._plan.schedule.reads[index]:
            self._left[column] -= 1
            if not self._left[column]:
                del self._kept[column]

    def _input(self, column: int) -> Ciphertext:
        return self._ring.ciphertext(*self._words(column))

    def _words(self, column: int) -> IntArray:
        """A column of the input: body and mask, shape (2, primes, N)."""
        chain = self._plan.parameters.fresh
        body = residues(self._source.column(column), chain.data, chain.ring_size, "row")
        mask = masks(self._source.seed, column * len(chain.data), chain.data, chain.ring_size)
        return np.stack([body, mask])
