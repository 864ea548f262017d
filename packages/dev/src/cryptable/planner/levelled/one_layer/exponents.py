"""By how many positions each bit turns each table: weights rounded, the error of one bit made up for by the next."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray, IntArray

_RIDGE = 0.05
"""Of a bit's variance: how little its correlation with others is trusted."""


def shares_of(bits: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """What part of another bit's error each bit can make up for, by how they occur: shape (bits, bits).

    Args:
        bits: of calibration data, shape (rows, bits).
        weights: of the rows, shape (rows,); all alike without any.
    """
    share = np.full(len(bits), 1.0 / len(bits)) if weights is None else weights / weights.sum()
    centred = bits - share @ bits
    covariance = centred.T @ (share[:, None] * centred)
    variance = np.diagonal(covariance).copy()
    shares: FloatArray = covariance / np.where(variance > 0, (1 + _RIDGE) * variance, 1.0)[:, None]
    shares[variance <= 0] = 0.0
    np.fill_diagonal(shares, 0.0)
    return shares


def rounded_exponents(
    turns: FloatArray, shares: FloatArray, least: FloatArray | float, *, keep_common: bool
) -> IntArray:
    """Whole numbers near `turns`, such that sums over bits as they occur are near, too.

    From the bit that turns most to the one that turns least, each takes over what those before it err, as far as it
    goes with them: rounding to the nearest plane (Babai 1986), with the bits' covariance.

    Args:
        turns: exact ones, shape (bits, neurons).
        shares: of the bits, shape (bits, bits), or of each neuron's own, shape (neurons, bits, bits).
        least: exponents of no more than this are 0, since each one costs a product; below 1/2, none but those that
            are rounded to 0. Of the shape of `turns`, or one that goes with it.
        keep_common: bits that turn all tables alike go first, and stay so: they cost one product then.
    """
    found = np.zeros(turns.shape, np.int64)
    error = np.zeros(turns.shape)
    leasts = np.broadcast_to(least, turns.shape)
    is_own = np.ptp(turns, axis=1) > 0 if keep_common else np.ones(len(turns), np.bool_)
    for bit in np.lexsort([-np.abs(turns).mean(axis=1), is_own]):
        if shares.ndim == 2:
            made_up = shares[bit] @ error
        else:
            # Common bits stay common: they go by what neurons have in common.
            each = shares[:, bit] if is_own[bit] else shares[:, bit].mean(axis=0, keepdims=True)
            made_up = np.sum(each * error.T, axis=1)
        wanted = turns[bit] - made_up
        found[bit] = np.where(np.abs(wanted) <= leasts[bit], 0, np.rint(wanted))
        error[bit] = found[bit] - turns[bit]
    return found
