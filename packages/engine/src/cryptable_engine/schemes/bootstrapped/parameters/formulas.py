"""Published formulas of TFHE: the noise that operations add, the least that is secure, and what a lookup costs.

Noise is a variance on the torus of circumference 1, of binary keys and a modulus of 2^64. Its formulas are those of
Chillotti, Ligier, Orfila and Tap, "Improved programmable bootstrapping with larger precision and efficient arithmetic
circuits for TFHE" (2021), section 2 and appendix A. The cost is what Concrete's optimizer counts, operation by
operation. Both are compared with what the optimizer says of its own choices in tests/test_formulas.py.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

from cryptable_protocol import BootstrapKeyParameters, KeyswitchKeyParameters

SECURITY_SLOPE, _SECURITY_CONSTANT = 0.025696778711484593, 2.675931372549016
"""By how much the base-2 logarithm of the least secure standard deviation falls with each bit of the key, and what it
would be without any, at 128 bits of security (protos/SPEC.md)."""
_LEAST_LOG2_DEVIATION = -62.0
LEAST_P_ERROR = 2.0**-1000
"""Half of much less is nothing to a double."""
MINIMUM_DIMENSION = 450
"""Of a secret key: the line above holds from there on."""
_MODULUS_BITS = 64
_DOUBLE_BITS = 53
FOURIER_WEIGHT = 0.04
"""Of what the Fourier transform in doubles adds to one external product, which grows as Concrete's optimizer has it.

Measured by tools/bench/rounding_noise.py: 0.047 at one level, 0.025 at two (N = 2048). It was fitted to those two; on a
third keyset (N = 4096, two levels) the variance of 400 looked-up phases is 0.98 of all that is modelled, a third of
which is this."""
CAREFUL_FOURIER_WEIGHT = 2.0**-2.57722494
"""The optimizer's own: parameters are chosen by it."""


def minimal_variance(dimension: int) -> float:
    """The least variance of a secure encryption under a key of `dimension` bits, rounded up to six digits.

    Rounded, so that all machines get the same number, whatever their mathematical library makes of the last bit.
    """
    log2_deviation = max(_SECURITY_CONSTANT - SECURITY_SLOPE * dimension, _LEAST_LOG2_DEVIATION)
    return float(f"{(1 + 1e-5) * 4.0**log2_deviation:.5e}")


@cache
def deviations(p_error: float) -> float:
    """How many standard deviations of a Gaussian leave `p_error` outside, on both sides together."""
    return -NormalDist().inv_cdf(p_error / 2)


def tolerated_variance(bits: int, p_error: float) -> float:
    """Of the noise of a value of `bits` bits below the padding bit, which is misread with probability `p_error`."""
    return (2.0 ** -(bits + 2) / deviations(p_error)) ** 2


def rounding_variance(input_dimension: int, polynomial_size: int) -> float:
    """Of switching a ciphertext to the modulus 2N: each word is rounded to a multiple of 1 / 2N."""
    return (1 / 12 + input_dimension / 24) / (2 * polynomial_size) ** 2


def keyswitch_variance(key: KeyswitchKeyParameters, input_dimension: int) -> float:
    """What a keyswitch adds: words are decomposed inexactly, and key rows are noisy."""
    base = 2.0**key.base_log
    inexact = 1 / (24 * base ** (2 * key.level_count))
    rows = key.level_count * key.variance * (base**2 + 2) / 12
    return input_dimension * (inexact + rows)


def bootstrap_variance(
    key: BootstrapKeyParameters, input_dimension: int, *, fourier_weight: float = FOURIER_WEIGHT
) -> float:
    """Of a freshly bootstrapped ciphertext, whatever went in."""
    base, size, dimension = 2.0**key.base_log, key.polynomial_size, key.glwe_dimension
    rows = key.level_count * (dimension + 1) * size * (base**2 + 2) / 12 * key.variance
    inexact = (1 + dimension * size / 2) / (24 * base ** (2 * key.level_count))
    lost = 2.0 ** (2 * (_MODULUS_BITS - _DOUBLE_BITS) - 2 * _MODULUS_BITS)
    fourier = fourier_weight * lost * key.level_count * base**2 * size**2 * (dimension + 1)
    return input_dimension * (rows + inexact + fourier)


def bootstrap_complexity(key: BootstrapKeyParameters, input_dimension: int) -> float:
    """Operations of one bootstrapping: of each key bit, transforms there and back, and products in between."""
    rows, size = key.glwe_dimension + 1, key.polynomial_size
    transform = size * math.log2(size) + size
    return input_dimension * (rows * (key.level_count + 1) * transform + rows**2 * key.level_count * size)
