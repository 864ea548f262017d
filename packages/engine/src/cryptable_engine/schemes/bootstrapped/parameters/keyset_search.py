"""The cheapest keyset for a circuit of several levels: all shapes that our evaluation knows are tried.

A shape is a GLWE dimension, a polynomial size, and the levels of both keys. The base of each key is the one that adds
the least noise, and of small keys, whose length prices grow with, the shortest that is exact enough is taken. That is
the search of Concrete's optimizer (Bergerat et al., "Parameter optimization and larger precision for (T)FHE", 2022),
with our bounds on noise in the place of its formulas, and its count of operations as the price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from cryptable_protocol import (
    BootstrapKeyParameters,
    KeysetParameters,
    KeyswitchKeyParameters,
    MalformedMessageError,
    SecretKeyParameters,
)

from cryptable_engine.schemes.bootstrapped.parameters.formulas import (
    MAX_GLWE_DIMENSION,
    MINIMUM_DIMENSION,
    bootstrap_variance_bound,
    keyswitch_variance_bound,
    minimal_variance,
    rounding_variance,
)
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import Demands, complexity, room
from cryptable_engine.schemes.bootstrapped.parameters.variances import FloatArray

LARGE_KEY, SMALL_KEY = 0, 1
"""Ids of the secret keys: of inputs and looked-up values, and of what bootstrappings read."""
_POLYNOMIAL_SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768)
_LARGE_DIMENSIONS = range(1024, 32768 + 1)
_SMALL_DIMENSIONS = range(MINIMUM_DIMENSION, 1050)
"""Up to where the words of a keyswitch key may be rounded to 32 bits, as evaluation has them: see `kernel_lookups`."""
_BOOTSTRAP_LEVELS, _KEYSWITCH_LEVELS = range(1, 9), range(1, 17)
_MOST_DIGIT_BITS, _WORD_BITS = 52, 31
"""Of all digits of a word: what doubles hold, and of a keyswitch key the words, but for their sign."""


class _Bases(NamedTuple):
    """Of keys of one shape, for each small dimension: the base that adds the least noise, and that noise."""

    base_log: list[int]
    variance: FloatArray


def cheapest_keyset(demands: Demands, p_error: float) -> KeysetParameters | None:
    """The cheapest keyset for several levels that is exact enough; None where none is.

    Args:
        demands: of a circuit.
        p_error: the largest probability that a lookup, or an output, is misread.
    """
    found = [
        keyset
        for size in _POLYNOMIAL_SIZES
        for glwe_dimension in range(1, MAX_GLWE_DIMENSION + 1)
        if size >= 2 << demands.widest and glwe_dimension * size in _LARGE_DIMENSIONS
        for keyset in _of_sizes(demands, p_error, glwe_dimension, size)
    ]
    return min(found, key=lambda keyset: (complexity(keyset, 1), keyset.evaluation_keys_bytes), default=None)


def _of_sizes(demands: Demands, p_error: float, glwe_dimension: int, size: int) -> list[KeysetParameters]:
    """For each number of levels of both keys, the one of the shortest small key."""
    found: list[KeysetParameters] = []
    large = glwe_dimension * size
    rounding = _rounding(size)
    for levels in _BOOTSTRAP_LEVELS:
        bootstraps = _bootstraps(glwe_dimension, size, levels)
        left = room(demands.inputs, minimal_variance(large), bootstraps.variance, p_error) - rounding
        left[room(demands.outputs, minimal_variance(large), bootstraps.variance, p_error) < 0] = -1.0
        if not (left > 0).any():
            continue
        for switch_levels in _KEYSWITCH_LEVELS:
            switches = _switches(large, switch_levels)
            enough = switches.variance <= left
            if enough.any():
                place = int(np.argmax(enough))
                small = _SMALL_DIMENSIONS[place]
                key = _bootstrap_key(glwe_dimension, size, levels, bootstraps.base_log[place])
                switch = _keyswitch_key(small, switch_levels, switches.base_log[place])
                secret_keys = (SecretKeyParameters(LARGE_KEY, large), SecretKeyParameters(SMALL_KEY, small))
                try:
                    found.append(KeysetParameters(secret_keys, (key,), (switch,)))
                except MalformedMessageError:  # its evaluation keys are larger than any reader accepts
                    continue
    return found


def _bootstrap_key(glwe_dimension: int, size: int, levels: int, base_log: int) -> BootstrapKeyParameters:
    variance = minimal_variance(glwe_dimension * size)
    return BootstrapKeyParameters(0, SMALL_KEY, LARGE_KEY, levels, base_log, glwe_dimension, size, variance)


def _keyswitch_key(small: int, levels: int, base_log: int) -> KeyswitchKeyParameters:
    return KeyswitchKeyParameters(0, LARGE_KEY, SMALL_KEY, levels, base_log, minimal_variance(small))


@cache
def _bootstraps(glwe_dimension: int, size: int, levels: int) -> _Bases:
    """Of bootstrap keys. Long small keys ask for the bases that short ones do, or for those in between."""
    bases = range(1, _MOST_DIGIT_BITS // levels + 1)
    keys = {base_log: _bootstrap_key(glwe_dimension, size, levels, base_log) for base_log in bases}
    shortest, longest = (
        min(bases, key=lambda base_log: bootstrap_variance_bound(keys[base_log], small))
        for small in (_SMALL_DIMENSIONS[0], _SMALL_DIMENSIONS[-1])
    )
    between = range(min(shortest, longest), max(shortest, longest) + 1)
    return _least({at: [bootstrap_variance_bound(keys[at], small) for small in _SMALL_DIMENSIONS] for at in between})


@cache
def _switches(large: int, levels: int) -> _Bases:
    """Of keyswitch keys, whose noise is in proportion to that of their rows, but for what it is without any."""
    table = {}
    for base_log in range(1, _WORD_BITS // levels + 1):
        key = replace(_keyswitch_key(MINIMUM_DIMENSION, levels, base_log), variance=0.0)
        inexact = keyswitch_variance_bound(key, large)
        rows = keyswitch_variance_bound(replace(key, variance=0.5), large) - inexact
        table[base_log] = inexact + 2 * rows * _small_variances()
    return _least(table)


def _least(variances: Mapping[int, npt.ArrayLike]) -> _Bases:
    """Of keys by the bits of their bases; of two that are as good, the first."""
    bases, table = list(variances), np.array(list(variances.values()))
    return _Bases([bases[place] for place in np.argmin(table, axis=0).tolist()], table.min(axis=0))


@cache
def _small_variances() -> FloatArray:
    return np.array([minimal_variance(small) for small in _SMALL_DIMENSIONS])


@cache
def _rounding(size: int) -> FloatArray:
    return np.array([rounding_variance(small, size, compensated=True) for small in _SMALL_DIMENSIONS])
