"""LevelledParameters: layout, moduli and words of a model that is evaluated without bootstrapping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

from cryptable_protocol import limits
from cryptable_protocol.messages import client_spec as pb
from cryptable_protocol.schemes.levelled.answers import (
    MAX_SLOTS,
    check_residues,
    check_slots,
    deviations_needed,
    require,
    word_rounding,
)
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE, UNIVERSAL, Gadget, LevelledKeyset
from cryptable_protocol.schemes.levelled.layout import Layout
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.packing import packed_bytes
from cryptable_protocol.schemes.ring_tensor import RingParameters
from cryptable_protocol.schemes.scheme import LEVELLED, SchemeParameters, scheme_parameters

GADGETS = tuple(Gadget(*pair) for pair in ((2, 8), (2, 9), (3, 6), (3, 7), (4, 5), (4, 6)))
MODULI = (3, 4, 5, 7, 8, 9, 11, 13, 16)
MAX_MODULI = 8
ROW_WORD_BITS, PLACED_WORD_BITS = 36, 28
LEAST_ANSWER_BITS, MOST_ANSWER_BITS = 12, 20


@scheme_parameters
@dataclass(frozen=True)
class LevelledParameters(RingParameters):
    """What a client needs to lay out and encrypt its bits, and to read residues. All inputs are bits.

    Attributes:
        keyset: of the keys.
        inputs: elements that the encoders make.
        selectors: those that products multiply by.
        leaves: those with a leaf of their own.
        placed: those in polynomials that are not expanded.
        gadget: of external products.
        moduli: that outputs are computed modulo.
        outputs: number of them.
        maximum: highest value of any.
        answer_word_bits: of an answer's word.
        p_error: probability that an answer is wrong, for any honest row.
    """

    keyset: LevelledKeyset
    inputs: int
    selectors: tuple[int, ...]
    leaves: tuple[int, ...]
    placed: tuple[int, ...]
    gadget: Gadget
    moduli: tuple[int, ...]
    outputs: int
    maximum: int
    answer_word_bits: int
    p_error: float

    scheme: ClassVar[str] = LEVELLED

    def __post_init__(self) -> None:
        require(self.keyset == UNIVERSAL, f"keyset {self.keyset.number}, which is for linear models alone")
        self._check_elements()
        require(self.gadget in GADGETS, f"a gadget of {self.gadget.levels} digits of {self.gadget.base_log} bits")
        self._check_moduli()
        require(self.outputs > 0 and self.slots <= MAX_SLOTS, f"{self.slots} slots, expected 1 .. {MAX_SLOTS}")
        layout = self.layout
        require(
            layout.finest_scale <= ROW_WORD_BITS,
            f"leaves down to 2^-{layout.finest_scale}, words of a row have {ROW_WORD_BITS} bits",
        )
        polynomials = len(layout.runs) + layout.placed_polynomials
        require(
            1 <= polynomials <= limits.MAX_LEVELLED_POLYNOMIALS,
            f"{polynomials} polynomials in a row, expected 1 .. {limits.MAX_LEVELLED_POLYNOMIALS}",
        )
        require(0.0 < self.p_error < 1.0, f"p_error {self.p_error} is not in (0, 1)")
        self._check_answer_bits()

    def _check_elements(self) -> None:
        require(
            1 <= self.inputs <= limits.MAX_VECTOR_SIZE, f"{self.inputs} inputs, expected 1 .. {limits.MAX_VECTOR_SIZE}"
        )
        for what, elements in (("selectors", self.selectors), ("leaves", self.leaves)):
            require(
                all(one < other for one, other in pairwise(elements)),
                f"{what} do not strictly increase",
            )
        require(len(set(self.placed)) == len(self.placed), "an element is placed twice")
        require(not set(self.selectors) & set(self.leaves), "an element is both a selector and a leaf")
        highest = max((*self.selectors, *self.leaves, *self.placed), default=-1)
        require(0 <= highest < self.inputs, f"element {highest} of {self.inputs} inputs")

    def _check_moduli(self) -> None:
        require(
            1 <= len(self.moduli) <= MAX_MODULI and set(self.moduli) <= set(MODULI),
            f"moduli {self.moduli}, expected up to {MAX_MODULI} of {MODULI}",
        )
        check_residues(self.moduli, self.maximum)

    def _check_answer_bits(self) -> None:
        bits = self.answer_word_bits
        require(
            LEAST_ANSWER_BITS <= bits <= MOST_ANSWER_BITS,
            f"answers in words of {bits} bits, expected {LEAST_ANSWER_BITS} .. {MOST_ANSWER_BITS}",
        )
        check_slots(self.slots, bits)
        needed = deviations_needed(self.slots, self.p_error)
        require(
            1 / (2 * self.moduli[-1]) >= needed * math.sqrt(word_rounding(bits)),
            f"answers in words of {bits} bits: rounding alone is misread more often than p_error allows",
        )

    @property
    def modulus(self) -> int:
        """Product of the moduli."""
        return math.prod(self.moduli)

    @property
    def slots(self) -> int:
        """Coefficients of an answer: output o modulo moduli[r] stands in slot r · outputs + o."""
        return self.outputs * len(self.moduli)

    @property
    def parts(self) -> int:
        """Ciphertexts of an answer."""
        return 1

    @property
    def outputs_per_part(self) -> int:
        """All of them."""
        return self.outputs

    @property
    def slot_places(self) -> list[int]:
        """Coefficient of each slot."""
        return list(range(self.slots))

    @cached_property
    def layout(self) -> Layout:
        """Where each bit stands in a row."""
        return Layout(self.selectors, self.leaves, self.placed, self.gadget, self.slots)

    @property
    def key_memory_bytes(self) -> int:
        """Of a client's keys in a worker."""
        return self.keyset.memory_bytes

    @property
    def input_bits(self) -> int:
        """Every input is a bit."""
        return 1

    @property
    def row_bytes(self) -> int:
        """Packed bodies of all polynomials."""
        layout = self.layout
        return len(layout.runs) * packed_bytes(RING_SIZE, ROW_WORD_BITS) + layout.placed_polynomials * packed_bytes(
            RING_SIZE, PLACED_WORD_BITS
        )

    @property
    def answer_bytes(self) -> int:
        """A packed mask, and the body at the slots."""
        return packed_bytes(RING_SIZE, self.answer_word_bits) + packed_bytes(self.slots, self.answer_word_bits)

    def pinned_facts(self) -> Mapping[str, object]:
        """Which keys, how rarely an answer is wrong, and the form of answers."""
        return {
            "scheme": self.scheme,
            "keyset": self.keyset.name.hex(),
            "gadget": list(self.gadget),
            "moduli": list(self.moduli),
            "outputs": self.outputs,
            "maximum": self.maximum,
            "answer word bits": self.answer_word_bits,
            "p_error": self.p_error,
        }

    def write(self, message: pb.ClientSpec) -> None:
        """Fill the scheme's own message."""
        message.p_error = self.p_error
        message.levelled.CopyFrom(
            pb.LevelledParameters(
                keyset=self.keyset.number,
                inputs=self.inputs,
                selectors=self.selectors,
                leaves=self.leaves,
                placed=self.placed,
                gadget_levels=self.gadget.levels,
                gadget_base_log=self.gadget.base_log,
                moduli=self.moduli,
                outputs=self.outputs,
                maximum=self.maximum,
                answer_word_bits=self.answer_word_bits,
            )
        )

    @classmethod
    def read(cls, message: pb.ClientSpec) -> SchemeParameters | None:
        """From the scheme's own message; None where there is none."""
        if not message.HasField("levelled"):
            return None
        for part in ("keyset", "input", "output"):
            require(not message.HasField(part), f"beside a {part}, which is the scheme bootstrapped's")
        require(not message.HasField("squares"), "beside parameters of the scheme squares")
        _check_lengths(message.levelled)
        if message.levelled.HasField("linear"):
            return LinearParameters.read(message)
        return cls.of_message(message.levelled, message.p_error)

    @classmethod
    def of_message(cls, own: pb.LevelledParameters, p_error: float) -> LevelledParameters:
        """From the scheme's own message, of a model that is not linear."""
        _check_lengths(own)
        return cls(
            LevelledKeyset(own.keyset),
            own.inputs,
            tuple(own.selectors),
            tuple(own.leaves),
            tuple(own.placed),
            Gadget(own.gadget_levels, own.gadget_base_log),
            tuple(own.moduli),
            own.outputs,
            own.maximum,
            own.answer_word_bits,
            p_error,
        )


def _check_lengths(own: pb.LevelledParameters) -> None:
    """Before lists are copied: a byte of a packed one may become thirty of memory."""
    for what, elements in (("selectors", own.selectors), ("leaves", own.leaves), ("placed", own.placed)):
        require(len(elements) <= limits.MAX_VECTOR_SIZE, f"{len(elements)} {what}")
    require(len(own.moduli) <= MAX_MODULI, f"{len(own.moduli)} moduli, at most {MAX_MODULI}")
