"""What a blind rotation begins with: the compensated switch of the modulus, and the table as a polynomial."""

from __future__ import annotations

import numpy as np

from cryptable_engine.schemes.bootstrapped.bootstrapping.seeded_keys import Words

_TORUS_BITS = 64
_ERROR_BITS = 12
"""Left out of each rounding error: 2^-52 of the torus, beside errors of 2^-18 at least."""


def compensate(ciphertexts: Words, polynomial_size: int) -> Words:
    """Ciphertexts whose rounding to multiples of 1 / 2N errs by half the variance: see `formulas.rounding_variance`.

    What rounding a word of the mask errs by reaches the phase where the key has a one. Keys have as many ones as
    zeros, so half of the sum of all errors is expected there, which the server can compute; it goes off the body.
    (eprint 2025/809, "mean compensation". Bootstrapping itself, keys and messages are as they were.)

    Args:
        ciphertexts: the body last, shape (..., dimension + 1).
        polynomial_size: N.
    """
    step = np.uint64((1 << _TORUS_BITS) // (2 * polynomial_size))
    half = step >> np.uint64(1)
    errors = ((ciphertexts[..., :-1] + half) & (step - np.uint64(1))).view(np.int64) - half.view(np.int64)
    # Without their lowest bits, so that a sum of thousands fits 64 bits.
    half_of_all = (errors >> _ERROR_BITS).sum(axis=-1, keepdims=True) << (_ERROR_BITS - 1)
    result = ciphertexts.copy()
    result[..., -1:] -= half_of_all.view(np.uint64)  # an array's difference wraps around
    return result


def switched_modulus(ciphertexts: Words, polynomial_size: int) -> Words:
    """Compensated ciphertexts as the nearest multiples of 1 / 2N, 0 … 2N − 1, of the same shape."""
    step = (1 << _TORUS_BITS) // (2 * polynomial_size)
    rounded = compensate(ciphertexts, polynomial_size) + np.uint64(step // 2)
    switched: Words = rounded >> np.uint64(step.bit_length() - 1)
    return switched


def lookup_polynomial(entries: Words, size: int) -> Words:
    """Coefficients that a blind rotation turns so that the constant one is the entry: each stands around its position.

    The first entry's lower half lies before 0, which is at the end, negated: a whole turn goes through the polynomial
    twice.

    Args:
        entries: of tables, shape (..., entries).
        size: N, which is a multiple of the number of entries.

    Returns:
        Shape (..., N).
    """
    count = entries.shape[-1]
    boxes = np.repeat(entries, size // count, axis=-1)
    half = size // count // 2
    return np.concatenate((boxes[..., half:], np.negative(boxes[..., :half])), axis=-1)
