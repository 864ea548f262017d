"""Rounds the weights of a sum together, so that their errors cancel on the data that the sum is made of."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky  # type: ignore[import-untyped]
from scipy.sparse import coo_array, csr_array  # type: ignore[import-untyped]

from cryptable.graphs.graph import FloatArray, IntArray

_MAX_TOGETHER = 1024
"""Weights of a sum; with more of them, each is rounded to the nearest."""
_DAMPING = 0.01
"""Of the mean variance, is added to each: data that were never seen differ."""
_NEXT_TO_NOTHING = 1e-3
"""Weights below are zero, and stay that: a lookup that a sum does not need would be paid for to mend others' errors."""


def rounded_together(weights: csr_array, integers: IntArray) -> csr_array:
    """Integers near real weights, such that sums of calibration data err little.

    One weight after the other is rounded, and those still to come make up for its error as far as their values go along
    with its own: Frantar, Ashkboos, Hoefler and Alistarh, "GPTQ" (2022), section 3, on the covariance of the data.

    Args:
        weights: shape (sums, variables).
        integers: calibration data, shape (rows, variables); means do not matter, since sums have a constant.
    """
    variables = np.unique(weights.indices)
    if 1 < variables.size <= _MAX_TOGETHER:
        found = _compensated(weights[:, variables].toarray(), integers[:, variables].astype(np.float64))
        sums, places = np.nonzero(found)
        entries = (found[sums, places].astype(np.int64), (sums, variables[places]))
        result = csr_array(coo_array(entries, shape=weights.shape))
    else:
        nearest = np.rint(weights.data).astype(np.int64)
        result = csr_array((nearest, weights.indices, weights.indptr), shape=weights.shape)
        result.eliminate_zeros()
    result.sort_indices()
    return result


def _compensated(weights: FloatArray, data: FloatArray) -> FloatArray:
    centred = data - data.mean(axis=0)
    covariance = centred.T @ centred / max(1, len(data))
    damping = _DAMPING * max(float(np.diag(covariance).mean()), 1e-9)
    # Those that vary most are rounded first: the others can then make up for them.
    order = np.argsort(-np.diag(covariance), kind="stable")
    inverse = np.linalg.inv(covariance[np.ix_(order, order)] + damping * np.eye(order.size))
    factor = cholesky(inverse)
    left, found = weights[:, order].copy(), np.zeros_like(weights)
    there = np.abs(left) > _NEXT_TO_NOTHING  # what a sum does not have stays out of it
    for place, variable in enumerate(order.tolist()):
        found[:, variable] = np.rint(left[:, place])
        error = (left[:, place] - found[:, variable]) / factor[place, place]
        later = left[:, place + 1 :]
        later -= np.where(there[:, place + 1 :], error[:, None] * factor[place, place + 1 :], 0.0)
    return found
