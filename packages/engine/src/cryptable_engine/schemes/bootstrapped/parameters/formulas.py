"""Published formulas of TFHE: the noise that operations add, the least that is secure, and what a lookup costs.

Noise is a variance on the torus of circumference 1, of binary keys and a modulus of 2^64. Its formulas are those of
Chillotti, Ligier, Orfila and Tap, "Improved programmable bootstrapping with larger precision and efficient arithmetic
circuits for TFHE" (2021), section 2 and appendix A; that of a compensated modulus switch is of eprint 2025/809, that of
the transform is measured. The cost is what Concrete's optimizer counts, operation by operation, or what was measured.
Formulas and the former cost are compared with what the optimizer says of its own choices in tests/test_formulas.py.

Three things are reckoned of what a bootstrapping gives: what it typically is (`bootstrap_variance`), what it is at most
(`bootstrap_variance_bound`, by which parameters are chosen), and what Concrete's optimizer takes it for
(`optimizers_bootstrap_variance`), which is too low from a GLWE dimension of 3 on.
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
MAX_GLWE_DIMENSION = 2
"""Of keysets for new models: of larger ones the optimizer takes the noise for less than it is, and the cost too.

A lookup with 4 polynomials of 512 takes 1.4 times the CPU of one with 2 of 1024, which it takes for more expensive.
"""
PRODUCT_WEIGHT = 6.5
"""Of a product of a bootstrapping, beside an operation of its transforms: measured with Concrete's functions."""
_PRICE_SCALE = 163840 / 253952
LEAST_P_ERROR = 2.0**-1000
"""Half of much less is nothing to a double."""
MINIMUM_DIMENSION = 450
"""Of a secret key: the line above holds from there on."""
ROUNDED_VARIANCE = 1 - 3e-5
"""Of `minimal_variance`, what Concrete's numbers, which it rounds up, may be."""
_DOUBLE_BITS = 53
FOURIER_WEIGHT, FOURIER_WEIGHT_BOUND = 0.06, 0.08
"""Of what the Fourier transform in doubles adds to one external product: typically, and at most.

Measured by tools/bench/lookup_noise.py for all keysets that are shipped (docs/decisions/0024-noise-as-a-bound.md)."""
_OPTIMIZERS_FOURIER_WEIGHT = 2.0**-2.57722494
"""Of Concrete's optimizer, which has no factor of the GLWE dimension beside it."""
KEY_DEVIATIONS = 3.0
"""By how many standard deviations a secret key may have more ones than half. In a key of 450 bits one is 4.7 %; that is
as much more variance of inexact decomposition, and at 2^-128 much more often an error. Keyswitch keys, whose rows are
noisy once and for all, are reckoned as far from their mean (docs/decisions/0049-several-keys-of-a-kind.md)."""
HALF_WORDS = 1e-3
"""Of a keyswitch key's variance, what rounding its words to 32 bits may add: others are not evaluated by such words."""


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


def noise_deviation(p_error: float) -> float:
    """The most that the standard deviation of what is read can be, in steps of the lowest bit that is exact.

    Half a step is as many deviations of a Gaussian as leave `p_error` outside.
    """
    return 0.5 / deviations(p_error)


def tolerated_variance(bits: int, p_error: float) -> float:
    """Of the noise of a value of `bits` bits below the padding bit, which is misread with probability `p_error`."""
    return (half_step(bits) / deviations(p_error)) ** 2


def half_step(bits: int) -> float:
    """How far off a value of `bits` bits below the padding bit may be, as a fraction of the torus."""
    return 2.0 ** -(bits + 2)


def misread_probability(variance: float, bits: int) -> float:
    """That noise of this variance makes a value of `bits` bits below the padding bit another one."""
    return math.erfc(half_step(bits) / math.sqrt(2 * variance))


def rounding_variance(input_dimension: int, polynomial_size: int, *, compensated: bool) -> float:
    """Of switching a ciphertext to the modulus 2N: each word is rounded to a multiple of 1 / 2N.

    A word's error counts where the key has a one, which is one half of it and as much in deviation. Where half of all
    errors are taken off the body before (`bootstrapping.compensate`), the deviation alone is left.
    """
    return (1 / 12 + input_dimension / (48 if compensated else 24)) / (2 * polynomial_size) ** 2


def keyswitch_variance(key: KeyswitchKeyParameters, input_dimension: int) -> float:
    """What a keyswitch adds, in the mean over keys: words are decomposed inexactly, and key rows are noisy."""
    base = 2.0**key.base_log
    rows = key.level_count * key.variance * (base**2 + 2) / 12
    return input_dimension * (_inexact(key) + rows)


def keyswitch_variance_bound(key: KeyswitchKeyParameters, input_dimension: int) -> float:
    """The most that it adds under one key, around its offset: `keyswitch_offset_bound`.

    The secret key has more ones than half, and the rows more noise than their variance says, by `KEY_DEVIATIONS`. The
    digits that rows are multiplied by have a variance of (B^2 - 1) / 12.
    """
    base, rows = 2.0**key.base_log, input_dimension * key.level_count
    noise = key.variance * (1 + HALF_WORDS) * (1 + KEY_DEVIATIONS * math.sqrt(2 / rows))
    many_ones = 1 + KEY_DEVIATIONS / math.sqrt(input_dimension)
    return input_dimension * many_ones * _inexact(key) + rows * noise * (base**2 - 1) / 12


def keyswitch_offset_bound(key: KeyswitchKeyParameters, input_dimension: int) -> float:
    """The most that all phases are off by alike that one key switches: as a fraction of the torus, to either side.

    Digits have the mean -1/2, so that every ciphertext has half of the sum of all rows' noise taken off. Another key
    has another offset; in the mean over keys it is a part of `keyswitch_variance`, 3 / (B^2 + 2) of that of rows.
    """
    return KEY_DEVIATIONS * math.sqrt(input_dimension * key.level_count * key.variance * (1 + HALF_WORDS)) / 2


def _inexact(key: KeyswitchKeyParameters) -> float:
    """Of one word, half of which count."""
    return 1 / (24 * 2.0 ** (2 * key.base_log * key.level_count))


def bootstrap_variance(key: BootstrapKeyParameters, input_dimension: int) -> float:
    """Of a freshly bootstrapped ciphertext, whatever went in: typically, and in the mean over keys."""
    rows, inexact = _external_product(key)
    return input_dimension * (rows + inexact + _fourier(key, FOURIER_WEIGHT))


def bootstrap_variance_bound(
    key: BootstrapKeyParameters, input_dimension: int, *, key_deviations: float = KEY_DEVIATIONS
) -> float:
    """The most that it is, under a secret key that has more ones than half by so many standard deviations."""
    rows, inexact = _external_product(key)
    many_ones = [1 + key_deviations / math.sqrt(bits) for bits in (input_dimension, _large_dimension(key))]
    return input_dimension * (rows + math.prod(many_ones) * inexact + _fourier(key, FOURIER_WEIGHT_BOUND))


def optimizers_bootstrap_variance(key: BootstrapKeyParameters, input_dimension: int) -> float:
    """What Concrete's optimizer takes it for, and what parameters were chosen by before there was a bound."""
    rows, inexact = _external_product(key)
    fourier = _fourier(key, _OPTIMIZERS_FOURIER_WEIGHT) / key.glwe_dimension
    return input_dimension * (rows + inexact + fourier)


def _large_dimension(key: BootstrapKeyParameters) -> int:
    return key.glwe_dimension * key.polynomial_size


def _external_product(key: BootstrapKeyParameters) -> tuple[float, float]:
    """What one adds, computed without error: of noisy key rows, and of words that are decomposed inexactly."""
    base, large = 2.0**key.base_log, _large_dimension(key)
    rows = key.level_count * (large + key.polynomial_size) * (base**2 + 2) / 12 * key.variance
    return rows, (1 + large / 2) / (24 * base ** (2 * key.level_count))


def _fourier(key: BootstrapKeyParameters, weight: float) -> float:
    """What doubles add: each of a product's `levels * (k + 1)` terms is rounded to 53 bits.

    Errors of the mask's k polynomials are then multiplied by the secret key's, half of whose k N bits are ones. They
    have to be as large at all frequencies, for 0.4 of the key's transform squared is at the lowest one: digits of mean
    -1/2 would add up to N / 2B² of this there, so those that we evaluate with have no such mean (decision 31).
    """
    base, dimension = 2.0**key.base_log, key.glwe_dimension
    lost = 2.0 ** (-2 * _DOUBLE_BITS)
    return weight * lost * key.level_count * base**2 * dimension * (dimension + 1) * key.polynomial_size**2


def bootstrap_price(key: BootstrapKeyParameters, input_dimension: int) -> float:
    """What one bootstrapping costs as measured, in the optimizer's operations of one of 2048 coefficients, two levels.

    Within 7 % for GLWE dimensions of 1 and 2, polynomials of 1024 to 8192, and 1 to 4 levels.
    """
    transforms, products = _operations(key)
    return input_dimension * _PRICE_SCALE * (transforms + PRODUCT_WEIGHT * products)


def keyswitch_complexity(key: KeyswitchKeyParameters, input_dimension: int, output_dimension: int) -> float:
    """What the optimizer counts: each decomposed word times a row of the key, and their sum."""
    words = input_dimension * key.level_count
    return float(words + (2 * words - 1) * (output_dimension + 1) + 1)


def bootstrap_complexity(key: BootstrapKeyParameters, input_dimension: int) -> float:
    """What the optimizer counts."""
    return input_dimension * sum(_operations(key))


def _operations(key: BootstrapKeyParameters) -> tuple[float, float]:
    """Of one key bit: of transforms there and back, and of products in between."""
    rows, size = key.glwe_dimension + 1, key.polynomial_size
    transform = size * math.log2(size) + size
    return rows * (key.level_count + 1) * transform, float(rows**2 * key.level_count * size)
