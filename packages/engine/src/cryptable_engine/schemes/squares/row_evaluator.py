"""RowEvaluator: one plan, evaluated on encrypted rows as they travel, modulus after modulus."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import numpy as np
from cryptable_protocol import InternalError
from cryptable_protocol.schemes.packing import pack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.squares.mask_stream import masks

from cryptable_engine.circuit.circuit import IntArray
from cryptable_engine.errors import EvaluationError
from cryptable_engine.schemes.squares.plan import Gather, Plan
from cryptable_engine.schemes.squares.rings.choice import Ciphertext, Keys, Plaintext, make_ring
from cryptable_engine.schemes.squares.wire import ReadyKeys, residues, rounded
from cryptable_engine.schemes.trimming import trimming

Watch = Callable[[str, Ciphertext], None]
"""Told of each step and what is there then: for tests of noise."""


class RowEvaluator:
    """Evaluates one plan. The same operations are done for every row, whatever it holds.

    Raises:
        SchemeUnavailableError: there is neither a kernel with vector instructions nor TenSEAL.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.programs = tuple(ModulusProgram(plan, modulus) for modulus in plan.parameters.moduli)

    def make_ready(self, data: memoryview) -> ReadyKeys:
        """A client's evaluation keys; raises MalformedMessageError for words that are no residues."""
        return ReadyKeys(self.plan.parameters.keyset, data)

    def prepare(self, keys: object, part: int | None) -> bool:
        """See PartedEvaluator: keys for one modulus, or for all; raises EvaluationError where they cannot be taken."""
        made = [_own(keys).make(program.ring) for program in self._of(part)]
        return any(made)

    def evaluate_row(self, row: bytes, keys: object) -> bytes:
        """An answer's canonical bytes for a row's.

        Raises:
            MalformedMessageError: a row of another form than the plan's parameters fix, or words that are no residues.
            EvaluationError: native code failed.
        """
        return self._evaluated(row, keys, None)

    def evaluate_part(self, row: bytes, part: int, keys: object) -> bytes:
        """See PartedEvaluator: the answer modulo one of the moduli."""
        return self._evaluated(row, keys, part)

    def _of(self, part: int | None) -> tuple[ModulusProgram, ...]:
        return self.programs if part is None else self.programs[part : part + 1]

    def _evaluated(self, row: bytes, keys: object, part: int | None) -> bytes:
        parameters = self.plan.parameters
        tensor = RingTensor.from_bytes(row)
        parameters.check_input(tensor.to_message())
        if tensor.seed is None:
            raise InternalError("a row without a seed that was let through")
        chain = parameters.keyset.chain
        each = parameters.row_bytes // len(self.programs)
        answers = []
        for index, program in enumerate(self._of(part), part or 0):
            own = _own(keys).under(program.ring)
            body = residues(tensor.polynomials[index * each : (index + 1) * each], chain.data, chain.ring_size, "row")
            mask = masks(tensor.seed, index * len(chain.data), chain.data, chain.ring_size)
            try:
                answer = program.evaluate(program.ring.ciphertext(body, mask), own)
                with trimming():
                    answers.append(self._packed(program, answer))
            except (RuntimeError, ValueError) as error:
                raise EvaluationError(f"squares: native code failed: {error}") from error
        with trimming():
            return RingTensor(b"".join(answers)).to_bytes()

    def _packed(self, program: ModulusProgram, answer: Ciphertext) -> bytes:
        """Rounded words of the mask, and of the body at the classes' coefficients."""
        parameters = self.plan.parameters
        size, bits = parameters.keyset.ring_size, parameters.answer_word_bits
        body = program.ring.words(answer, range(0, size, size // parameters.classes))
        mask = program.ring.words(answer, range(size, 2 * size))
        prime = parameters.keyset.chain.data[0]
        return b"".join(pack(rounded(words, prime, bits), bits) for words in (mask, body))


def _own(keys: object) -> ReadyKeys:
    if not isinstance(keys, ReadyKeys):
        raise InternalError("keys that another scheme made ready")
    return keys


class ModulusProgram:
    """A plan's plaintexts modulo one modulus, and the steps on ciphertexts."""

    def __init__(self, plan: Plan, modulus: int) -> None:
        self.plan, self.modulus = plan, modulus
        keyset = plan.parameters.keyset
        self.ring = make_ring(keyset.chain, modulus)
        size = keyset.ring_size
        self._elements = {1 << bit: pow(3, 1 << bit, 2 * size) for bit in range(size.bit_length() - 2)}
        self._swap = 2 * size - 1
        self._masks: list[dict[tuple[int, int], Plaintext]] = []
        self._biases = []
        for index in range(len(plan.gathers)):
            level = plan.levels[index]
            self._masks.append(
                {(giant, baby): self.ring.plaintext(slots, level) for giant, baby, slots in plan.masks(index, modulus)}
            )
            self._biases.append(self.ring.plaintext(plan.bias(index, modulus)))
        self._last = self.ring.plaintext(plan.last_mask(modulus), plan.levels[-1])

    def evaluate(self, ciphertext: Ciphertext, keys: Keys, watch: Watch | None = None) -> Ciphertext:
        """The answer modulo the first prime, hidden."""
        tell = watch or (lambda step, value: None)  # noqa: ARG005
        ring, value = self.ring, ciphertext
        tell("fresh", value)
        for index, gather in enumerate(self.plan.gathers):
            value = self._gathered(value, gather, self._masks[index], keys)
            ring.add_plaintext(value, self._biases[index])
            tell(f"layer {index + 1}", value)
            ring.square(value, self.plan.levels[index + 1], keys)
            tell(f"square {index + 1}", value)
        value = ring.product(ring.transformed(value), self._last)
        ring.untransform(value)
        tell("last layer", value)
        flood = self.plan.flood(self.modulus)
        if flood is None:
            ring.switch(value, 1)
        ring.add_plaintext(value, ring.plaintext(self._shares()))
        ring.add_zero(value, keys)
        if flood is not None:
            tell("hidden", value)
            ring.add(value, self._flood(flood, ring.level(value)))
            tell("flooded", value)
            ring.switch(value, 1)  # of what tells nothing more by now
        tell("answer", value)
        return value

    def _flood(self, magnitude: int, level: int) -> Ciphertext:
        """Numbers from -2^magnitude to below 2^magnitude, from the system's generator, at coefficients that return."""
        size, classes = self.plan.parameters.keyset.ring_size, self.plan.parameters.classes
        drawn = [secrets.randbits(magnitude + 1) - (1 << magnitude) for _ in range(classes)]
        body = np.zeros((level, size), np.int64)
        for row, prime in zip(body, self.ring.chain.data[:level], strict=True):
            row[:: size // classes] = [number % prime for number in drawn]
        return self.ring.ciphertext(body, np.zeros_like(body))

    def _gathered(
        self, value: Ciphertext, gather: Gather, masks: dict[tuple[int, int], Plaintext], keys: Keys
    ) -> Ciphertext:
        ring = self.ring
        rotated = [value]
        for baby in range(1, gather.babies):
            top = 1 << (baby.bit_length() - 1)
            rotated.append(ring.rotated(rotated[baby ^ top], self._elements[top * gather.unit], keys))
        babies = [ring.transformed(each) for each in rotated]
        plaintexts: dict[int, dict[int, Plaintext]] = {}
        for (giant, baby), mask in masks.items():
            plaintexts.setdefault(giant, {})[baby] = mask
        sums = ring.sums_of_products(babies, plaintexts)
        for total in sums.values():
            ring.untransform(total)
        sums = {giant: ring.loosened(total) for giant, total in sums.items()}
        # Giants by halves: each sum of the upper half is rotated once, and added to one of the lower half.
        step = gather.giants // 2
        while step:
            for giant in range(step, 2 * step):
                if giant in sums:
                    turned = ring.rotated(sums.pop(giant), self._elements[step * gather.babies * gather.unit], keys)
                    if giant - step in sums:
                        ring.add(sums[giant - step], turned)
                    else:
                        sums[giant - step] = turned
            step //= 2
        total = sums[0]
        elements = [self._elements[fold] for fold in gather.folds] + [self._swap] * gather.swaps
        for element in elements:
            ring.add(total, ring.rotated(total, element, keys))
        return ring.tightened(total)

    def _shares(self) -> IntArray:
        """Random numbers that add up, over each output's window, to its offset: a client learns sums alone."""
        parameters, modulus = self.plan.parameters, self.modulus
        half = parameters.classes // 2
        shares = _uniform(parameters.classes, modulus).reshape(-1, parameters.window)
        wanted = np.zeros(len(shares), np.int64)
        wanted[: parameters.outputs] = self.plan.network.layers[-1].offset % modulus
        shares[:, 0] = (shares[:, 0] + wanted - shares.sum(axis=1)) % modulus
        slots = np.zeros((2, parameters.keyset.ring_size // 2), np.int64)
        slots[:, :half] = shares.reshape(2, half)
        return slots.reshape(-1)


def _uniform(count: int, modulus: int) -> IntArray:
    """From the system's generator, by rejection: of as many bits as the modulus has, those that are residues."""
    bits, found = modulus.bit_length(), np.empty(0, np.int64)
    while found.size < count:
        words = np.frombuffer(secrets.token_bytes(8 * count), "<u4").astype(np.int64) >> (32 - bits)
        found = np.concatenate([found, words[words < modulus]])
    return found[:count]
