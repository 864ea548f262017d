"""The cheapest keyset for a circuit of several levels: all shapes that our evaluation knows are tried.

A shape is a GLWE dimension, a polynomial size, and the levels of both keys. The base of each key is the one that adds
the least noise, and of small keys, whose length prices grow with, the shortest that is exact enough is taken. That is
the search of Concrete's optimizer (Bergerat et al., "Parameter optimization and larger precision for (T)FHE", 2022),
with our bounds on noise in the place of its formulas, and its count of operations as the price.
"""

from __future__ import annotations

import numpy as np
from cryptable_protocol import KeysetParameters, MalformedMessageError, SecretKeyParameters

from cryptable_engine.schemes.bootstrapped.parameters.formulas import MAX_GLWE_DIMENSION, minimal_variance
from cryptable_engine.schemes.bootstrapped.parameters.key_shapes import (
    BOOTSTRAP_LEVELS,
    KEYSWITCH_LEVELS,
    LARGE_DIMENSIONS,
    LARGE_KEY,
    POLYNOMIAL_SIZES,
    SMALL_DIMENSIONS,
    SMALL_KEY,
    bootstrap_key,
    bootstraps,
    keyswitch_key,
    rounding,
    switches,
)
from cryptable_engine.schemes.bootstrapped.parameters.several_levels import Demands, complexity, room


def cheapest_keyset(demands: Demands, p_error: float) -> KeysetParameters | None:
    """The cheapest keyset for several levels that is exact enough; None where none is.

    Args:
        demands: of a circuit.
        p_error: the largest probability that a lookup, or an output, is misread.
    """
    found = [
        keyset
        for size in POLYNOMIAL_SIZES
        for glwe_dimension in range(1, MAX_GLWE_DIMENSION + 1)
        if size >= 2 << demands.widest and glwe_dimension * size in LARGE_DIMENSIONS
        for keyset in _of_sizes(demands, p_error, glwe_dimension, size)
    ]
    return min(found, key=lambda keyset: (complexity(keyset, 1), keyset.evaluation_keys_bytes), default=None)


def _of_sizes(demands: Demands, p_error: float, glwe_dimension: int, size: int) -> list[KeysetParameters]:
    """For each number of levels of both keys, the one of the shortest small key."""
    found: list[KeysetParameters] = []
    large = glwe_dimension * size
    errors, fresh = rounding(size), minimal_variance(large)
    for levels in BOOTSTRAP_LEVELS:
        keys = bootstraps(glwe_dimension, size, levels)
        left = room(demands.inputs, fresh, keys.variance, p_error) - errors
        left[room(demands.outputs, fresh, keys.variance, p_error) < 0] = -1.0
        if not (left > 0).any():
            continue
        for switch_levels in KEYSWITCH_LEVELS:
            switching = switches(large, switch_levels)
            enough = switching.variance <= left
            if enough.any():
                at_most = room(demands.inputs, fresh, keys.variance, p_error, offset=switching.offset)
                enough &= switching.variance <= at_most - errors
            if enough.any():
                place = int(np.argmax(enough))
                small = SMALL_DIMENSIONS[place]
                key = bootstrap_key(glwe_dimension, size, levels, keys.base_log[place])
                switch = keyswitch_key(small, switch_levels, switching.base_log[place])
                secret_keys = (SecretKeyParameters(LARGE_KEY, large), SecretKeyParameters(SMALL_KEY, small))
                try:
                    found.append(KeysetParameters(secret_keys, (key,), (switch,)))
                except MalformedMessageError:  # its evaluation keys are larger than any reader accepts
                    continue
    return found
