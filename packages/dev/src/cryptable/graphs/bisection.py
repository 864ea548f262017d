"""Bisection over doubles, of many numbers at once: where a rounding takes the next level, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cryptable.graphs.graph import FloatArray

_STEPS = 80
"""More than halve any bracket to two neighbouring doubles."""


def least_doubles(
    below: FloatArray, above: FloatArray, reached: Callable[[FloatArray], npt.NDArray[np.bool_]]
) -> FloatArray:
    """The least doubles that reach what they are to, which those of `above` do and those of `below` do not.

    Args:
        below: one end of each bracket.
        above: the other ends, of the same shape.
        reached: of numbers of that shape, which of them do.
    """
    for _ in range(_STEPS):
        tried = (below + above) / 2
        if not ((tried > below) & (tried < above)).any():
            break
        hit = reached(tried)
        below, above = np.where(hit, below, tried), np.where(hit, tried, above)
    return above
