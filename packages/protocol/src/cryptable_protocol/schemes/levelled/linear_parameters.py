"""LinearParameters: of a levelled model that is linear in integers, whose answers are flooded with noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from cryptable_protocol import limits
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.levelled.answers import (
    MAX_SLOTS,
    SECRET_NORM,
    check_residues,
    check_slots,
    deviations_needed,
    require,
    word_rounding,
)
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, LOG2_DEVIATION, PUBLIC_PAIR, RING_SIZE, LevelledKeyset
from cryptable_protocol.schemes.levelled.linear_layout import MAX_LINEAR_MODULI, LinearLayout
from cryptable_protocol.schemes.packing import packed_bytes
from cryptable_protocol.schemes.ring_tensor import RingParameters
from cryptable_protocol.schemes.scheme import LEVELLED

MAX_INPUT_BITS = 30
LEAST_MODULUS, MOST_MODULUS = 3, 1 << 17
LEAST_ROW_BITS, MOST_ROW_BITS = 24, 51
LEAST_ANSWER_BITS, MOST_ANSWER_BITS = 12, 26
MOST_PRODUCTS = 4096
"""Of a part of an answer and a polynomial of a row: 64 MiB of weights, twice that with their transforms."""
MOST_TOLD = 2.0**-22
"""Nats that an answer may tell of any one weight, beside its outputs."""
_FRESH = 4.0**LOG2_DEVIATION + 4.0**-GRID_BITS / 12
"""Variance of fresh noise, with its rounding to the grid."""


@dataclass(frozen=True)
class LinearParameters(RingParameters):
    """What a client needs to lay out and encrypt its integers, and to read residues.

    Attributes:
        inputs: elements that the encoders make.
        input_bits: of the greatest value of any.
        row_word_bits: of a word of a row.
        moduli: that outputs are computed modulo.
        outputs: number of them.
        outputs_per_part: of one ciphertext of an answer; what the last one has more is of no output.
        maximum: highest value of any.
        answer_word_bits: of an answer's word.
        p_error: probability that an answer is wrong, for any honest row.
        interleaved: whether three moduli are laid out with room for more inputs.
    """

    inputs: int
    input_bits: int
    row_word_bits: int
    moduli: tuple[int, ...]
    outputs: int
    outputs_per_part: int
    maximum: int
    answer_word_bits: int
    p_error: float
    interleaved: bool = False

    scheme: ClassVar[str] = LEVELLED

    def __post_init__(self) -> None:
        require(
            1 <= self.inputs <= limits.MAX_VECTOR_SIZE, f"{self.inputs} inputs, expected 1 .. {limits.MAX_VECTOR_SIZE}"
        )
        for what, bits, least, most in (
            ("integers", self.input_bits, 1, MAX_INPUT_BITS),
            ("a row in words", self.row_word_bits, LEAST_ROW_BITS, MOST_ROW_BITS),
            ("answers in words", self.answer_word_bits, LEAST_ANSWER_BITS, MOST_ANSWER_BITS),
        ):
            require(least <= bits <= most, f"{what} of {bits} bits, expected {least} .. {most}")
        require(
            1 <= len(self.moduli) <= MAX_LINEAR_MODULI
            and min(self.moduli) >= LEAST_MODULUS
            and max(self.moduli) <= MOST_MODULUS,
            f"moduli {self.moduli[: MAX_LINEAR_MODULI + 1]}, expected up to {MAX_LINEAR_MODULI} of "
            f"{LEAST_MODULUS} .. {MOST_MODULUS}",
        )
        check_residues(self.moduli, self.maximum)
        require(not self.interleaved or len(self.moduli) == 3, f"{len(self.moduli)} moduli interleaved, expected 3")
        require(
            1 <= self.outputs_per_part <= self.outputs <= limits.MAX_VECTOR_SIZE,
            f"{self.outputs} outputs in parts of {self.outputs_per_part}",
        )
        require(self.slots <= MAX_SLOTS, f"{self.slots} slots, expected 1 .. {MAX_SLOTS}")
        check_slots(self.slots, self.answer_word_bits)
        require(self.layout.run > 0, f"{self.outputs_per_part} outputs leave no room for an input")
        polynomials = self.layout.polynomials
        require(
            polynomials <= limits.MAX_LEVELLED_POLYNOMIALS,
            f"{polynomials} polynomials in a row, expected 1 .. {limits.MAX_LEVELLED_POLYNOMIALS}",
        )
        require(
            self.parts * polynomials <= MOST_PRODUCTS,
            f"{self.parts} parts of an answer by {polynomials} polynomials, at most {MOST_PRODUCTS} products are made",
        )
        require(0.0 < self.p_error < 1.0, f"p_error {self.p_error} is not in (0, 1)")
        require(
            min(self.floods) > 0,
            "noise: an answer is misread more often than p_error allows, with nothing added to hide weights",
        )
        require(
            self.told <= MOST_TOLD,
            f"noise: an answer tells 2^{math.log2(self.told):.1f} nats of a weight, at most "
            f"2^{math.log2(MOST_TOLD):.0f} are allowed",
        )

    @property
    def keyset(self) -> LevelledKeyset:
        """A public pair: answers need nothing but what hides them."""
        return PUBLIC_PAIR

    @property
    def modulus(self) -> int:
        """Product of the moduli."""
        return math.prod(self.moduli)

    @property
    def parts(self) -> int:
        """Ciphertexts of an answer."""
        return -(-self.outputs // self.outputs_per_part)

    @property
    def slots(self) -> int:
        """Coefficients of a part of an answer that return."""
        return self.outputs_per_part * len(self.moduli)

    @cached_property
    def layout(self) -> LinearLayout:
        """Where each residue stands."""
        return LinearLayout(self.inputs, self.outputs_per_part, len(self.moduli), self.interleaved)

    @property
    def slot_places(self) -> list[int]:
        """Coefficient of each slot."""
        return [int(place) for place in self.layout.slots]

    @property
    def _uploaded(self) -> float:
        """Variance of a coefficient of a row, with the rounding of its words."""
        return float(_FRESH + 4.0**-self.row_word_bits / 12)

    @property
    def _square(self) -> float:
        """The greatest square of a weight, added up over its residues."""
        return sum(modulus * modulus / 4 for modulus in self.moduli)

    @cached_property
    def variances(self) -> tuple[float, ...]:
        """For each modulus, the greatest variance of a slot's phase that p_error allows; negative where none is."""
        needed = deviations_needed(self.parts * self.slots, self.p_error)
        tolerances = [
            1 / (2 * modulus) - self.inputs * modulus / 2 * 2.0 ** -(GRID_BITS + 1) for modulus in self.moduli
        ]
        return tuple(math.copysign((tolerance / needed) ** 2, tolerance) for tolerance in tolerances)

    @cached_property
    def floods(self) -> tuple[float, ...]:
        """For each modulus, the variance of the noise that hides what a slot tells beside its residue.

        What other noise leaves of `variances` (docs/decisions/0035-hidden-linear-models.md); negative where there is
        none.
        """
        row = self.inputs * self.outputs_per_part * self._square * self._uploaded
        answer = word_rounding(self.answer_word_bits) + (1 + RING_SIZE + SECRET_NORM) * _FRESH
        return tuple(variance - row - answer for variance in self.variances)

    @cached_property
    def told(self) -> float:
        """Nats that an answer tells of any one weight, to who knows all others, beside its outputs."""
        return self.outputs_per_part * sum(self._square * self._uploaded / (2 * flood) for flood in self.floods)

    @property
    def key_memory_bytes(self) -> int:
        """Of a client's keys in a worker."""
        return self.keyset.memory_bytes

    @property
    def row_bytes(self) -> int:
        """Packed bodies of all polynomials."""
        return self.layout.polynomials * packed_bytes(RING_SIZE, self.row_word_bits)

    @property
    def answer_bytes(self) -> int:
        """Of each part a packed mask, and the body at the slots."""
        bits = self.answer_word_bits
        return self.parts * (packed_bytes(RING_SIZE, bits) + packed_bytes(self.slots, bits))

    def pinned_facts(self) -> Mapping[str, object]:
        """What decides over a user's keys and the meaning of an answer."""
        return {
            "scheme": LEVELLED,
            "keyset": self.keyset.name.hex(),
            "row word bits": self.row_word_bits,
            "moduli": list(self.moduli),
            "outputs": self.outputs,
            "outputs in a part": self.outputs_per_part,
            "maximum": self.maximum,
            "answer word bits": self.answer_word_bits,
            "p_error": self.p_error,
            **({"interleaved": True} if self.interleaved else {}),
        }

    def write(self, message: pb.ClientSpec) -> None:
        """Fill the scheme's own message."""
        message.p_error = self.p_error
        message.levelled.CopyFrom(
            pb.LevelledParameters(
                keyset=self.keyset.number,
                inputs=self.inputs,
                moduli=self.moduli,
                outputs=self.outputs,
                maximum=self.maximum,
                answer_word_bits=self.answer_word_bits,
                linear=pb.LinearRow(
                    input_bits=self.input_bits,
                    word_bits=self.row_word_bits,
                    outputs_per_part=self.outputs_per_part,
                    interleaved=self.interleaved,
                ),
            )
        )

    @classmethod
    def read(cls, message: pb.ClientSpec) -> LinearParameters | None:
        """From the scheme's own message; None where `linear` is not set."""
        own = message.levelled
        if not own.HasField("linear"):
            return None
        LevelledKeyset(own.keyset)
        require(own.keyset == PUBLIC_PAIR.number, f"keyset {own.keyset} of a linear model, expected 2")
        others = (len(own.selectors), len(own.leaves), len(own.placed), own.gadget_levels, own.gadget_base_log)
        require(not any(others), "a linear model with selectors, leaves, places or a gadget")
        return cls(
            own.inputs,
            own.linear.input_bits,
            own.linear.word_bits,
            tuple(own.moduli),
            own.outputs,
            own.linear.outputs_per_part,
            own.maximum,
            own.answer_word_bits,
            message.p_error,
            own.linear.interleaved,
        )
