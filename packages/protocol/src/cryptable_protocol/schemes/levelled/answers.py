"""Answers of the scheme levelled: which residues and words tell outputs apart, and how many slots stay hidden."""

from __future__ import annotations

import math
from itertools import pairwise

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE

MAX_SLOTS = 128
"""Of an answer, whatever its words: see `most_slots`."""
SECRET_NORM = 1.02 * 2 * RING_SIZE / 3
"""Greatest ‖s‖² of a secret that clients use."""


def require(condition: bool, message: str) -> None:
    """Refuse parameters by MalformedMessageError."""
    if not condition:
        raise MalformedMessageError(f"levelled parameters: {message}")


def most_slots(word_bits: int) -> int:
    """Slots that an answer may have in words of so many bits (SPEC-LEVELLED.md, "LevelledParameters").

    A crafted public pair makes of each slot so many bits about the ternary polynomial that hides the mask: at best, its
    coefficients themselves. What is left of it is a secret of fewer dimensions, under noise of the words' rounding,
    which has to lie on the 128-bit curve.
    """
    least_dimension = (word_bits + math.log2(12.0) / 2 + 2.675931372549016) / 0.025696778711484593
    return min(MAX_SLOTS, int((RING_SIZE - least_dimension) * math.log2(3.0) / word_bits))


def check_slots(slots: int, word_bits: int) -> None:
    """Whether so many slots in such words stay hidden."""
    most = most_slots(word_bits)
    require(
        slots <= most,
        f"{slots} slots in words of {word_bits} bits, at most {most}: more would tell too much of what hides them",
    )


def check_residues(moduli: tuple[int, ...], maximum: int) -> None:
    """Whether moduli strictly increase, share no factor, and tell outputs up to `maximum` apart."""
    require(
        all(one < other for one, other in pairwise(moduli)),
        f"moduli {moduli} do not strictly increase",
    )
    require(math.lcm(*moduli) == math.prod(moduli), f"moduli {moduli} share a factor")
    require(
        0 <= maximum < min(math.prod(moduli), 1 << 52),
        f"outputs up to {maximum}, the moduli tell apart {math.prod(moduli)}",
    )


def deviations_needed(slots: int, p_error: float) -> float:
    """The t for which slots · 2 · exp(−t²/2), the sub-Gaussian tail, is p_error / 2."""
    return math.sqrt(2 * math.log(2) * (2 + math.log2(slots) - math.log2(p_error)))


def word_rounding(word_bits: int) -> float:
    """Variance that the rounding of an answer's words adds to a slot's phase, at most."""
    return (1 + SECRET_NORM) / 12 * 4.0**-word_bits
