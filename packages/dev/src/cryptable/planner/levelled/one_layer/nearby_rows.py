"""Rows like those of calibration data, as many as are wanted: what is fitted to them holds for others, too."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray

_SHARE = 0.2
"""Of the difference of two rows, what is added to a third: the same correlations, near what occurs."""
_FEW_VALUES = 64
"""Distinct ones of a column, up to which numbers between them are none of its own."""


def nearby_rows(rows: FloatArray, count: int, seed: int) -> FloatArray:
    """Rows to each of which a part of the difference of two others is added.

    Args:
        rows: calibration data, shape (rows, features).
        count: of the rows returned.
        seed: the same ones for the same seed.

    Returns:
        shape (count, features); columns of few distinct values keep to these.
    """
    random = np.random.default_rng(seed)
    start, first, second = random.integers(len(rows), size=(3, count))
    found: FloatArray = rows[start] + _SHARE * (rows[first] - rows[second])
    for feature, column in enumerate(rows.T):
        known = np.unique(column)
        if len(known) <= _FEW_VALUES:
            between = (known[1:] + known[:-1]) / 2
            found[:, feature] = known[np.searchsorted(between, found[:, feature])]
    return found
