"""Keysets of the scheme `levelled`: one for every model, and one for linear models (SPEC-LEVELLED.md, "Keyset")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.schemes.ring_tensor import SEED_BYTES
from cryptable_protocol.schemes.scheme import LEVELLED

RING_SIZE = 2048
"""N: coefficients of a polynomial."""
LOG2_RING_SIZE = 11
GRID_BITS = 52
"""Torus elements are integers modulo 2^52."""
LOG2_DEVIATION = -0.025696778711484593 * RING_SIZE + 2.675931372549016
"""σ of fresh noise: on the 128-bit curve at N."""

FINE_KEYS = 3
"""Keys of automorphisms, from the first on, that a server keeps as words too, for levels that it computes exactly."""


class Gadget(NamedTuple):
    """Digits of a decomposition, most significant first, and bits of each."""

    levels: int
    base_log: int


@dataclass(frozen=True)
class LevelledKeyset:
    """Keyset 1 has keys for the automorphisms X → X^(N/2^i + 1), i = 0 … 10, the switch and a public pair; 2 the pair.

    Gadgets are those of the former's keys.
    """

    number: int

    scheme: ClassVar[str] = LEVELLED
    is_universal: ClassVar[bool] = True
    automorphisms: ClassVar[tuple[Gadget, ...]] = (
        *(Gadget(7, 6),) * 4,
        *(Gadget(6, 7),) * 2,
        *(Gadget(5, 8),) * 2,
        *(Gadget(4, 10),) * 3,
    )
    switch: ClassVar[Gadget] = Gadget(3, 13)

    def __post_init__(self) -> None:
        if self.number not in (1, 2):
            raise MalformedMessageError(
                f"levelled parameters: keyset {self.number} is not known, only 1 and 2 are; upgrade Cryptable"
            )

    @property
    def name(self) -> bytes:
        """SHA-256 that stores and key files know it by."""
        return hashlib.sha256(b"cryptable levelled keyset %d" % self.number).digest()

    @property
    def rows(self) -> int:
        """Ciphertexts in the evaluation keys, the public pair's among them."""
        if self.number == 2:
            return 1
        return sum(gadget.levels for gadget in self.automorphisms) + self.switch.levels + 1

    @property
    def evaluation_keys_bytes(self) -> int:
        """A seed, and one packed body a row."""
        return SEED_BYTES + self.rows * RING_SIZE * GRID_BITS // 8

    @property
    def memory_bytes(self) -> int:
        """In a worker: two polynomials a row, as the transforms of their doubles; of `FINE_KEYS`, as words too."""
        as_words = sum(gadget.levels for gadget in self.automorphisms[:FINE_KEYS]) if self.number == 1 else 0
        return (self.rows + as_words) * 2 * RING_SIZE * 8


UNIVERSAL = LevelledKeyset(1)
PUBLIC_PAIR = LevelledKeyset(2)
"""Of linear models, whose answers need nothing but what hides them."""
