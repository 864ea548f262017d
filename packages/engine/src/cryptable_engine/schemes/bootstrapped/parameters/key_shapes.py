"""Keys of each shape that our evaluation knows: of every length of small keys, the base that adds the least noise.

The searches take their keys from here (`keyset_search`, `several_keys_search`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from cryptable_protocol import BootstrapKeyParameters, KeyswitchKeyParameters

from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MINIMUM_DIMENSION,
    bootstrap_variance_bound,
    keyswitch_offset_bound,
    keyswitch_variance_bound,
    minimal_variance,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.variances import FloatArray

LARGE_KEY, SMALL_KEY = 0, 1
"""Ids of the secret keys: of inputs and looked-up values, and of what bootstrappings read."""
POLYNOMIAL_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768)
LARGE_DIMENSIONS = range(1024, 32768 + 1)
SMALL_DIMENSIONS = range(MINIMUM_DIMENSION, 1050)
"""Up to where the words of a keyswitch key may be rounded to 32 bits, as evaluation has them: see `kernel_lookups`."""
BOOTSTRAP_LEVELS, KEYSWITCH_LEVELS = range(1, 9), range(1, 17)
_MOST_DIGIT_BITS, _WORD_BITS = 52, 31
"""Of all digits of a word: what doubles hold, and of a keyswitch key the words, but for their sign."""
_NOISY = 0.5
"""A variance to take noise in proportion to."""


class Bases(NamedTuple):
    """Of keys of one shape, for each small dimension: the base that adds the least noise, and that noise.

    The offset of keyswitch keys is the same for all bases.
    """

    base_log: list[int]
    variance: FloatArray
    offset: FloatArray | float = 0.0


def bootstrap_key(glwe_dimension: int, size: int, levels: int, base_log: int) -> BootstrapKeyParameters:
    """From the usual small key to the usual large one, of the least noise that is secure."""
    variance = minimal_variance(glwe_dimension * size)
    return BootstrapKeyParameters(0, SMALL_KEY, LARGE_KEY, levels, base_log, glwe_dimension, size, variance)


def keyswitch_key(small: int, levels: int, base_log: int) -> KeyswitchKeyParameters:
    """From the usual large key to the usual small one, of so many bits, and of the least noise that is secure."""
    return KeyswitchKeyParameters(0, LARGE_KEY, SMALL_KEY, levels, base_log, minimal_variance(small))


@cache
def bootstraps(glwe_dimension: int, size: int, levels: int) -> Bases:
    """Of bootstrap keys. Long small keys ask for the bases that short ones do, or for those in between."""
    bases = range(1, _MOST_DIGIT_BITS // levels + 1)
    keys = {base_log: bootstrap_key(glwe_dimension, size, levels, base_log) for base_log in bases}
    shortest, longest = (
        min(bases, key=lambda base_log: bootstrap_variance_bound(keys[base_log], small))
        for small in (SMALL_DIMENSIONS[0], SMALL_DIMENSIONS[-1])
    )
    between = range(min(shortest, longest), max(shortest, longest) + 1)
    return _least({at: [bootstrap_variance_bound(keys[at], small) for small in SMALL_DIMENSIONS] for at in between})


@cache
def switches(large: int, levels: int) -> Bases:
    """Of keyswitch keys, whose noise is in proportion to that of their rows, but for what it is without any."""
    table, offset = {}, 0.0
    for base_log in range(1, _WORD_BITS // levels + 1):
        key = replace(keyswitch_key(MINIMUM_DIMENSION, levels, base_log), variance=0.0)
        noisy = replace(key, variance=_NOISY)
        inexact, offset = keyswitch_variance_bound(key, large), keyswitch_offset_bound(noisy, large)
        rows = keyswitch_variance_bound(noisy, large) - inexact
        table[base_log] = inexact + rows / _NOISY * _small_variances()
    return _least(table)._replace(offset=offset * np.sqrt(_small_variances() / _NOISY))


@cache
def rounding(size: int) -> FloatArray:
    """Variance of compensated modulus switches to 2N, for each small dimension."""
    return np.array([rounding_variance(small, size, compensated=True) for small in SMALL_DIMENSIONS])


def _least(variances: Mapping[int, npt.ArrayLike]) -> Bases:
    """Of keys by the bits of their bases; of two that are as good, the first."""
    bases, table = list(variances), np.array(list(variances.values()))
    return Bases([bases[place] for place in np.argmin(table, axis=0).tolist()], table.min(axis=0))


@cache
def _small_variances() -> FloatArray:
    return np.array([minimal_variance(small) for small in SMALL_DIMENSIONS])
