"""What rows and answers of the scheme `squares` have in common, however they are laid out: moduli, words, failures."""

from __future__ import annotations

import math

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.schemes.squares.keyset import NORM_FACTOR

LEAST_MODULUS_BITS, MOST_MODULUS_BITS = 15, 26
LEAST_ANSWER_BITS, MOST_ANSWER_BITS = 20, 36
"""Twice a word times a modulus stays below 2^63."""
MOST_BULK_MODULUS_BITS, MOST_BULK_ANSWER_BITS = 45, 57
"""Of rows in bulk, which have one modulus: as much as the longest first prime bears, and what a packed word holds."""
MOST_INPUT_BITS = 24
_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
P_ERROR = 2.0**-128
"""What the scheme keeps, whatever larger probability is asked for."""


def deviations(words: int, p_error: float) -> float:
    """How many standard deviations of noise so many words must bear, at both ends, within `P_ERROR` for all of them."""
    return math.sqrt(2 * math.log(2) * (2 + math.log2(words) - math.log2(min(p_error, P_ERROR))))


def word_deviation(ring_size: int) -> float:
    """Of what rounding to words does to a phase, in units of their last bit."""
    return math.sqrt((1 + NORM_FACTOR * 2 * ring_size / 3) / 12)


def is_prime(number: int) -> bool:
    """Of numbers of up to 64 bits: by Miller and Rabin's test, for which these bases are enough there."""
    if number < 2 or any(number % base == 0 for base in _BASES):
        return number in _BASES
    odd, halvings = number - 1, 0
    while not odd % 2:
        odd, halvings = odd // 2, halvings + 1
    for base in _BASES:
        power = pow(base, odd, number)
        passes = power in (1, number - 1)
        for _ in range(halvings - 1):
            power = power * power % number
            passes |= power == number - 1
        if not passes:
            return False
    return True


def check_modulus(modulus: int, ring_size: int, most: int = MOST_MODULUS_BITS) -> None:
    """Of plaintexts: a prime of which the ring has slots, of so many bits at most."""
    require(
        LEAST_MODULUS_BITS <= modulus.bit_length() <= most,
        f"modulus {modulus}, expected {LEAST_MODULUS_BITS} .. {most} bits",
    )
    require(
        modulus % (2 * ring_size) == 1 and is_prime(modulus),
        f"modulus {modulus} is no prime of the form {2 * ring_size} k + 1",
    )


def check_answer_bits(bits: int, modulus: int, ring_size: int, needed: float, most: int = MOST_ANSWER_BITS) -> None:
    """That the rounding of words alone is borne, so many deviations of it, under the largest modulus."""
    require(
        LEAST_ANSWER_BITS <= bits <= most, f"answers in words of {bits} bits, expected {LEAST_ANSWER_BITS} .. {most}"
    )
    require(
        2.0**bits / (2 * modulus) >= needed * word_deviation(ring_size),
        f"answers in words of {bits} bits: rounding alone is misread more often than 2^-128",
    )


def require(condition: bool, message: str) -> None:
    """Raise MalformedMessageError unless the condition holds."""
    if not condition:
        raise MalformedMessageError(f"squares parameters: {message}")
