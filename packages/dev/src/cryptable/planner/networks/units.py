"""The unit that numbers are whole multiples of: how the steps of quantizers are found in weights and values."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray

MOST_LEVELS = 1 << 12
_TOLERANCE = 1e-3
"""Of a unit: single precision is off by 2^-24 of a number of up to MOST_LEVELS units."""


def unit_of(numbers: FloatArray) -> float | None:
    """The largest number that all are whole multiples of; None where there is none of fewer than MOST_LEVELS levels."""
    sizes = np.unique(np.abs(numbers[numbers != 0]))
    if not sizes.size:
        return 1.0
    candidates = sizes[-1] / np.arange(1, MOST_LEVELS + 1)
    good = np.ones(MOST_LEVELS, np.bool_)
    for size in sizes:
        levels = size / candidates
        good &= np.abs(levels - np.rint(levels)) <= _TOLERANCE
        good &= np.rint(levels) >= 1
    first = np.flatnonzero(good)
    if not first.size:
        return None
    levels = np.rint(sizes / candidates[first[0]])
    return float((sizes * levels).sum() / (levels * levels).sum())  # least squares, against single precision
