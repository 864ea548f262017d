"""SquaresParameters: layout, moduli and words of a model whose only steps that are not linear are squares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.packing import packed_bytes
from cryptable_protocol.schemes.ring_tensor import RingParameters, RingTensor, check_answer
from cryptable_protocol.schemes.scheme import SQUARES, SchemeParameters, scheme_parameters
from cryptable_protocol.schemes.squares.answers import (
    MOST_INPUT_BITS,
    check_answer_bits,
    check_modulus,
    deviations,
    require,
    word_deviation,
)
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters
from cryptable_protocol.schemes.squares.keyset import SquaresKeyset, packed_polynomial_bytes
from cryptable_protocol.schemes.squares.layout import Layout
from cryptable_protocol.schemes.squares.windows import Windows

MAX_MODULI = 6
MOST_OUTPUT_BITS = 60


@scheme_parameters
@dataclass(frozen=True)
class SquaresParameters(RingParameters):
    """What a client needs to lay out and encrypt its integers, and to read answers.

    Attributes:
        keyset: of the keys.
        inputs: integers that the encoders make.
        input_bits: of each.
        block: slots of a block of the layout.
        copies: blocks that begin at different inputs.
        stride: inputs between their beginnings.
        window: classes of slots that make one output.
        moduli: that outputs are computed modulo: plaintext moduli, each in ciphertexts of its own.
        outputs: number of them.
        maximum: highest value of any.
        answer_word_bits: of an answer's word.
        p_error: probability that an answer is wrong, for any honest row.
        windows: of a convolution, of which each copy holds a tap.
    """

    keyset: SquaresKeyset
    inputs: int
    input_bits: int
    block: int
    copies: int
    stride: int
    window: int
    moduli: tuple[int, ...]
    outputs: int
    maximum: int
    answer_word_bits: int
    p_error: float
    windows: Windows | None = None

    scheme: ClassVar[str] = SQUARES

    def __post_init__(self) -> None:
        size = self.keyset.ring_size
        for what, value, most in (
            ("a block of {} slots", self.block, size // 2),
            ("{} copies", self.copies, size),
            ("a window of {} classes", self.window, size // 2),
        ):
            require(
                1 <= value <= most and not value & (value - 1),
                f"{what.format(value)}, expected a power of two up to {most}",
            )
        require(self.block * self.copies <= size, f"{self.copies} blocks of {self.block} slots, the ring has {size}")
        if self.windows is None:
            require(
                1 <= self.inputs <= self.block, f"{self.inputs} inputs, expected 1 .. {self.block}, those of a block"
            )
            require(1 <= self.stride <= self.block, f"a stride of {self.stride}, expected 1 .. {self.block}")
        else:
            self._check_windows(self.windows)
        require(
            1 <= self.input_bits <= MOST_INPUT_BITS,
            f"inputs of {self.input_bits} bits, expected 1 .. {MOST_INPUT_BITS}",
        )
        require(
            self.outputs > 0 and self.classes <= size,
            f"{self.outputs} outputs of {self.window} classes, the ring has room for {size // self.window}",
        )
        self._check_moduli()
        require(0.0 < self.p_error < 1.0, f"p_error {self.p_error} is not in (0, 1)")
        check_answer_bits(self.answer_word_bits, self.moduli[-1], self.keyset.ring_size, self.deviations)

    def _check_windows(self, windows: Windows) -> None:
        require(self.stride == 1, f"windows with a stride of {self.stride} between copies, expected 1")
        require(self.inputs == windows.inputs, f"{self.inputs} inputs, windows on a grid of {windows.inputs}")
        require(
            windows.places <= self.block and windows.taps <= self.copies,
            f"windows of {windows.taps} taps at {windows.places} places in {self.copies} blocks of {self.block} slots",
        )
        require(
            self.block * self.copies <= self.keyset.ring_size // 2,
            f"{self.copies} blocks of {self.block} slots, a row of slots has {self.keyset.ring_size // 2}",
        )

    def _check_moduli(self) -> None:
        require(1 <= len(self.moduli) <= MAX_MODULI, f"{len(self.moduli)} moduli, expected 1 .. {MAX_MODULI}")
        require(
            all(one < other for one, other in pairwise(self.moduli)), f"moduli {self.moduli} do not strictly increase"
        )
        for modulus in self.moduli:
            check_modulus(modulus, self.keyset.ring_size)
        require(
            0 <= self.maximum < min(self.modulus, 1 << MOST_OUTPUT_BITS),
            f"outputs up to {self.maximum}, the moduli tell apart {self.modulus}",
        )

    @property
    def modulus(self) -> int:
        """Product of the moduli."""
        return math.prod(self.moduli)

    @property
    def deviations(self) -> float:
        """How many standard deviations of noise an answer must bear: all words, at both ends, within `P_ERROR`."""
        return deviations(self.classes * len(self.moduli), self.p_error)

    @property
    def word_deviation(self) -> float:
        """Of what rounding to words does to a phase, in units of their last bit."""
        return word_deviation(self.keyset.ring_size)

    @cached_property
    def layout(self) -> Layout:
        """Where each input stands in a row, and each output in an answer."""
        size = self.keyset.ring_size
        return Layout(size, self.inputs, self.block, self.copies, self.stride, self.window, self.outputs, self.windows)

    @property
    def classes(self) -> int:
        """Coefficients of an answer's body."""
        return self.window * max(2, 1 << (self.outputs - 1).bit_length())

    @property
    def key_memory_bytes(self) -> int:
        """Of a client's keys in a worker."""
        return self.keyset.memory_bytes(len(self.moduli))

    @property
    def row_bytes(self) -> int:
        """Packed bodies of all moduli's ciphertexts."""
        return len(self.moduli) * packed_polynomial_bytes(self.keyset.ring_size, self.keyset.chain.data)

    @property
    def answer_bytes(self) -> int:
        """For each modulus a packed mask, and the body at its classes."""
        one = packed_bytes(self.keyset.ring_size, self.answer_word_bits) + packed_bytes(
            self.classes, self.answer_word_bits
        )
        return len(self.moduli) * one

    @property
    def parts(self) -> int:
        """One for each modulus: see `Parted`."""
        return len(self.moduli)

    def whole_answer(self, answers: Sequence[bytes]) -> bytes:
        """See `Parted`: the words of all moduli, one after the other."""
        found = [RingTensor.from_bytes(answer) for answer in answers]
        for each in found:
            check_answer(each.to_message(), self.answer_bytes // self.parts)
        return RingTensor(b"".join(each.polynomials for each in found)).to_bytes()

    def pinned_facts(self) -> Mapping[str, object]:
        """Which keys, how rarely an answer is wrong, and the form of rows and answers."""
        facts: dict[str, object] = {
            "scheme": self.scheme,
            "keyset": self.keyset.name.hex(),
            "input bits": self.input_bits,
            "layout": [self.block, self.copies, self.stride, self.window],
            "moduli": list(self.moduli),
            "outputs": self.outputs,
            "maximum": self.maximum,
            "answer word bits": self.answer_word_bits,
            "p_error": self.p_error,
        }
        if self.windows is not None:
            facts["windows"] = [self.windows.channels, [list(astuple(axis)) for axis in self.windows.axes]]
        return facts

    def write(self, message: pb.ClientSpec) -> None:
        """Fill the scheme's own message."""
        message.p_error = self.p_error
        message.squares.CopyFrom(
            pb.SquaresParameters(
                chain=self.keyset.number,
                rotations=self.keyset.rotations,
                inputs=self.inputs,
                input_bits=self.input_bits,
                block=self.block,
                copies=self.copies,
                stride=self.stride,
                window=self.window,
                moduli=self.moduli,
                outputs=self.outputs,
                maximum=self.maximum,
                answer_word_bits=self.answer_word_bits,
                windows=None if self.windows is None else self.windows.to_message(),
            )
        )

    @classmethod
    def read(cls, message: pb.ClientSpec) -> SchemeParameters | None:
        """From a client specification that has no other scheme's parameters: these, or BulkParameters; else None."""
        if not message.HasField("squares") or message.HasField("bulk"):
            return BulkParameters.read(message)
        if any(message.HasField(name) for name in ("keyset", "input", "output", "levelled")):
            raise MalformedMessageError("client spec: parameters of two schemes")
        own = message.squares
        return cls(
            keyset=SquaresKeyset(own.chain, own.rotations),
            inputs=own.inputs,
            input_bits=own.input_bits,
            block=own.block,
            copies=own.copies,
            stride=own.stride,
            window=own.window,
            moduli=tuple(own.moduli),
            outputs=own.outputs,
            maximum=own.maximum,
            answer_word_bits=own.answer_word_bits,
            p_error=message.p_error,
            windows=Windows.from_message(own.windows) if own.HasField("windows") else None,
        )
