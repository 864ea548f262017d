"""BulkParameters: of a model whose rows are evaluated many at once, one in each slot (SPEC-SQUARES.md, "Bulk")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from cryptable_protocol import limits
from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.packing import packed_bytes
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES, RingParameters
from cryptable_protocol.schemes.scheme import SQUARES
from cryptable_protocol.schemes.squares.answers import (
    MOST_BULK_ANSWER_BITS,
    MOST_BULK_MODULUS_BITS,
    MOST_INPUT_BITS,
    check_answer_bits,
    check_modulus,
    deviations,
    require,
    word_deviation,
)
from cryptable_protocol.schemes.squares.keyset import Chain, SquaresKeyset, packed_polynomial_bytes
from cryptable_protocol.schemes.squares.lattice import DEGREES, dimension

_FRAME_BYTES = 64
"""More than a message has beside its polynomials."""


@dataclass(frozen=True)
class BulkParameters(RingParameters):
    """What a client needs to encrypt its integers a column at a time, and to read answers.

    Attributes:
        chain: number of the chain of primes.
        inputs: integers that the encoders make of a row; each has a ciphertext of its own.
        input_bits: of each.
        modulus: that outputs are computed modulo.
        outputs: number of them.
        maximum: highest value of any.
        answer_word_bits: of an answer's word.
        p_error: probability that any output of any row of an answer is wrong.
        thermometers: how many inputs, one after the other, are a thermometer each; where there are any, all inputs are.
        degree: of the lattice on which each is a point, whose coordinates are sent instead of it (`lattice`).
        level: primes of the chain that columns are encrypted modulo, from the first on; 0 for all but the special one.
    """

    chain: int
    inputs: int
    input_bits: int
    modulus: int
    outputs: int
    maximum: int
    answer_word_bits: int
    p_error: float
    thermometers: tuple[int, ...] = ()
    degree: int = 0
    level: int = 0

    scheme: ClassVar[str] = SQUARES

    def __post_init__(self) -> None:
        require(self.inputs > 0 and self.outputs > 0, f"{self.inputs} inputs, {self.outputs} outputs")
        require(
            1 <= self.input_bits <= MOST_INPUT_BITS,
            f"inputs of {self.input_bits} bits, expected 1 .. {MOST_INPUT_BITS}",
        )
        if self.thermometers or self.degree:
            require(self.degree in DEGREES, f"a lattice of degree {self.degree}, expected one of {DEGREES}")
            require(self.input_bits == 1, f"thermometers of inputs of {self.input_bits} bits, expected 1")
            require(
                min(self.thermometers, default=0) > 0 and sum(self.thermometers) == self.inputs,
                f"thermometers of {sum(self.thermometers)} bits, of {self.inputs} inputs",
            )
        primes = len(self.keyset.chain.data)
        require(0 <= self.level < primes, f"columns modulo {self.level} primes, expected fewer than {primes}, or 0")
        check_modulus(self.modulus, self.keyset.ring_size, MOST_BULK_MODULUS_BITS)
        require(0 <= self.maximum < self.modulus, f"outputs up to {self.maximum}, modulo {self.modulus}")
        require(0.0 < self.p_error < 1.0, f"p_error {self.p_error} is not in (0, 1)")
        check_answer_bits(
            self.answer_word_bits, self.modulus, self.keyset.ring_size, self.deviations, MOST_BULK_ANSWER_BITS
        )
        require(
            self.row_bytes <= limits.MAX_BULK_BYTES,
            f"{self.columns} columns of {self.rows} rows take {self.row_bytes} bytes, a tensor has "
            f"{limits.MAX_BULK_BYTES}",
        )
        require(
            self.answer_bytes + _FRAME_BYTES <= limits.MAX_MESSAGE_BYTES,
            f"{self.outputs} outputs of {self.rows} rows take {self.answer_bytes} bytes, a message has "
            f"{limits.MAX_MESSAGE_BYTES}",
        )

    @cached_property
    def keyset(self) -> SquaresKeyset:
        """Of the keys: rows in bulk are not rotated."""
        return SquaresKeyset(self.chain, 0)

    @cached_property
    def fresh(self) -> Chain:
        """The ring and the primes of columns as they are sent, and the special one."""
        chain = self.keyset.chain
        return Chain(chain.ring_size, (*chain.data[: self.level or None], chain.primes[-1]))

    @property
    def deviations(self) -> float:
        """How many standard deviations of noise an answer must bear: all words, at both ends, within `P_ERROR`."""
        return deviations(self.outputs * self.keyset.ring_size, self.p_error)

    @property
    def word_deviation(self) -> float:
        """Of what rounding to words does to a phase, in units of their last bit."""
        return word_deviation(self.keyset.ring_size)

    @property
    def rows(self) -> int:
        """Of a tensor: its slots. How many of them are used, the server is not told."""
        return self.keyset.ring_size

    @property
    def key_memory_bytes(self) -> int:
        """Of a client's keys in a worker."""
        return self.keyset.memory_bytes(1)

    @cached_property
    def columns(self) -> int:
        """Ciphertexts of a tensor: one for each input, or for each coordinate of the points that thermometers are."""
        if not self.thermometers:
            return self.inputs
        return sum(dimension(bits, self.degree) for bits in self.thermometers)

    @property
    def column_bytes(self) -> int:
        """Of one column's packed body."""
        return packed_polynomial_bytes(self.keyset.ring_size, self.fresh.data)

    @property
    def row_bytes(self) -> int:
        """Packed bodies of all columns, whatever the number of rows."""
        return self.columns * self.column_bytes

    @property
    def answer_bytes(self) -> int:
        """For each output a packed mask and a packed body."""
        return 2 * self.outputs * packed_bytes(self.keyset.ring_size, self.answer_word_bits)

    @property
    def row_message_bytes(self) -> int:
        """With the seed, framed; reckoned, since a message of zeros would take tens of megabytes."""
        return _framed(self.row_bytes) + _framed(SEED_BYTES)

    @property
    def answer_message_bytes(self) -> int:
        """Framed."""
        return _framed(self.answer_bytes)

    def pinned_facts(self) -> Mapping[str, object]:
        """Which keys, how rarely an answer is wrong, and the form of rows and answers."""
        return {
            "scheme": self.scheme,
            "keyset": self.keyset.name.hex(),
            "input bits": self.input_bits,
            "modulus": self.modulus,
            "outputs": self.outputs,
            "maximum": self.maximum,
            "answer word bits": self.answer_word_bits,
            "p_error": self.p_error,
            "degree": self.degree,
            "level": self.level,
        }

    def write(self, message: pb.ClientSpec) -> None:
        """Fill the message's own fields."""
        message.p_error = self.p_error
        message.bulk.CopyFrom(self.to_message())

    @classmethod
    def read(cls, message: pb.ClientSpec) -> BulkParameters | None:
        """From a client specification that has no other scheme's parameters; None where it has not these."""
        if not message.HasField("bulk"):
            return None
        if any(message.HasField(name) for name in ("keyset", "input", "output", "levelled", "squares")):
            raise MalformedMessageError("client spec: parameters of two schemes")
        return cls.from_message(message.bulk, message.p_error)

    def to_message(self) -> pb.BulkParameters:
        """As protobuf, which p_error is no part of."""
        return pb.BulkParameters(
            chain=self.chain,
            inputs=self.inputs,
            input_bits=self.input_bits,
            modulus=self.modulus,
            outputs=self.outputs,
            maximum=self.maximum,
            answer_word_bits=self.answer_word_bits,
            thermometers=self.thermometers,
            degree=self.degree,
            level=self.level,
        )

    @classmethod
    def from_message(cls, message: pb.BulkParameters, p_error: float) -> BulkParameters:
        """From protobuf; raises MalformedMessageError where damaged."""
        return cls(
            chain=message.chain,
            inputs=message.inputs,
            input_bits=message.input_bits,
            modulus=message.modulus,
            outputs=message.outputs,
            maximum=message.maximum,
            answer_word_bits=message.answer_word_bits,
            p_error=p_error,
            thermometers=tuple(message.thermometers),
            degree=message.degree,
            level=message.level,
        )


def _framed(size: int) -> int:
    """Of a field of bytes: its number, its length in groups of seven bits, and so many bytes."""
    return 1 + -(-size.bit_length() // 7) + size
