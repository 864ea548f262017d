"""Exact products with the secret in Z[X] / (X^N + 1).

A product is computed by transforms of doubles on pieces so small that rounding to the nearest integer makes it exact: a
result whose rounding depended on the secret would tell of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import GRID_BITS, RING_SIZE

Words = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]
Spectrum = npt.NDArray[np.complex128]

_HALF = RING_SIZE // 2
_TWIST = np.exp(1j * np.pi * np.arange(_HALF) / RING_SIZE)
_PIECE_BITS = GRID_BITS // 2
"""Pieces are at most 2^25 in magnitude: a coefficient of their product with a ternary polynomial is at most 2^36, and
errors of double transforms are below 2^-10 there."""
GRID_MASK = np.uint64((1 << GRID_BITS) - 1)


def transform(polynomials: npt.NDArray[np.float64]) -> Spectrum:
    """Values at half of the odd powers of a 2N-th root of unity: (…, N) → (…, N/2); the others are their conjugates."""
    folded = polynomials[..., :_HALF] + 1j * polynomials[..., _HALF:]
    folded *= _TWIST
    return np.fft.fft(folded, axis=-1)


def inverse(spectrum: Spectrum) -> npt.NDArray[np.float64]:
    """The polynomials of these values: (…, N/2) → (…, N)."""
    folded = np.fft.ifft(spectrum, axis=-1) * np.conj(_TWIST)
    return np.concatenate([folded.real, folded.imag], axis=-1)


def times(polynomials: Integers, secret: Spectrum) -> Integers:
    """Exact products of integers below 2^26 in magnitude with a ternary polynomial, given by its transform."""
    product: Integers = np.rint(inverse(transform(polynomials.astype(np.float64)) * secret)).astype(np.int64)
    return product


def torus_times(torus: Words, secret: Spectrum) -> Words:
    """Products modulo 2^52 of torus elements, of shape (…, N), with a ternary polynomial."""
    low = (torus & np.uint64((1 << _PIECE_BITS) - 1)).astype(np.int64) - (1 << (_PIECE_BITS - 1))
    high = (torus >> np.uint64(_PIECE_BITS)).astype(np.int64) - (1 << (_PIECE_BITS - 1))
    # What was subtracted from both pieces, to halve them, is a constant polynomial's share.
    constant = np.full(RING_SIZE, (1 << (_PIECE_BITS - 1)) * ((1 << _PIECE_BITS) + 1), np.uint64) & GRID_MASK
    pieces = times(low, secret).view(np.uint64) + (times(high, secret).view(np.uint64) << np.uint64(_PIECE_BITS))
    return (pieces + _constant_times(constant, secret)) & GRID_MASK


def _constant_times(constant: Words, secret: Spectrum) -> Words:
    """The product of c · (1 + X + … + X^(N−1)) with the secret, c being every element of `constant`."""
    ones = times(np.ones(RING_SIZE, np.int64), secret)
    product: Words = ones.view(np.uint64) * constant
    return product


def automorphism(polynomial: Integers, exponent: int) -> Integers:
    """The polynomial in X^exponent, for an odd exponent."""
    target = np.arange(RING_SIZE) * exponent % (2 * RING_SIZE)
    result = np.empty_like(polynomial)
    result[target % RING_SIZE] = np.where(target < RING_SIZE, polynomial, -polynomial)
    return result
