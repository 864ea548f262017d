"""Coefficients of leaves beside the constant one, of which forms of several slots read some: how quiet they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import LOG2_RING_SIZE, RING_SIZE
from cryptable_protocol.schemes.levelled.layout import Run

from cryptable_engine.schemes.levelled.plans.automorphisms import targets

FloatArray = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NORMS = {
    2: (9.46, 9.45, 7.69, 4.17, 2.68, 2.60, 1.46, 1.31, 1.31, 1.31, 1.00),
    4: (17.73, 18.01, 13.68, 8.87, 4.87, 4.72, 2.55, 2.21, 1.94, 1.94, 1.00),
    6: (20.81, 23.35, 17.18, 9.33, 6.60, 5.90, 3.20, 2.67, 2.41, 1.94, 1.00),
    8: (28.04, 24.84, 25.96, 17.18, 7.90, 6.44, 3.55, 2.77, 2.41, 1.94, 1.00),
    12: (35.61, 33.79, 29.44, 20.70, 10.35, 7.87, 4.21, 3.41, 2.50, 2.19, 1.00),
    16: (38.88, 40.33, 32.08, 21.85, 12.38, 8.82, 4.86, 3.99, 3.04, 2.19, 1.00),
    24: (53.15, 58.66, 39.73, 28.68, 13.51, 10.51, 5.91, 4.09, 3.05, 2.19, 1.00),
    32: (65.46, 67.89, 44.50, 33.84, 15.72, 12.21, 6.68, 4.87, 3.19, 2.30, 1.00),
    48: (86.79, 94.82, 62.18, 40.81, 20.40, 13.69, 8.80, 5.91, 3.46, 2.30, 1.00),
    64: (109.58, 124.91, 73.22, 42.25, 23.88, 15.10, 9.23, 5.91, 3.56, 2.30, 1.00),
    96: (156.14, 175.90, 101.66, 53.10, 29.76, 18.42, 12.39, 6.76, 3.86, 2.36, 1.00),
    128: (206.72, 226.41, 134.07, 73.74, 38.09, 22.10, 16.09, 8.84, 4.09, 2.36, 1.00),
}
"""Of forms of coefficients within so many places of the constant one, which they do not read, of all leaves of a full
tree: by key v of a key switch, the greatest squared norm, over that of the weights and over 2^(10 - v), of what they
read of its noise (docs/decisions/0060-packed-answers.md; tools/bench/levelled_quiet.py computes them)."""

PLACES = tuple(_NORMS)


def other_coefficients(run: Run, slots: int, read: int) -> FloatArray:
    """For each of them and each source of noise, at most what a form's variance has of the source's, for a weight of 1.

    It holds for every form of these coefficients of leaves together: the variance is at most the sum over reads of this
    times the squared weight (docs/decisions/0054).

    Args:
        run: of the leaves.
        slots: that forms have weights in.
        read: leaves that a form reads at most, one after the other.

    Returns:
        Shape (2 · (slots − 1), 1 + run.depth): coefficients 1 … slots − 1 and their negatives; the polynomial that is
        expanded, and the key switches of each level.
    """
    offsets = np.concatenate([np.arange(1, slots), RING_SIZE - np.arange(1, slots)])
    if not len(offsets):
        return np.zeros((0, run.depth + 1))
    supports = _supports(run, offsets)
    found = []
    for source in range(run.depth + 1):
        price = np.full(RING_SIZE, float(source == 0))
        for level in range(max(0, source - 1), run.depth):
            is_source, is_one = source == level + 1, 1 << level >= read
            price = _below(run, level, price, supports[level], is_source=is_source, is_one=is_one)
        found.append(price[offsets])
    return np.stack(found, axis=1)


def _supports(run: Run, offsets: npt.NDArray[np.int64]) -> list[Bools]:
    """For each level, which coefficients of its results forms may read, from the first level on."""
    support = np.zeros(RING_SIZE, np.bool_)
    support[offsets] = True
    found = []
    for level in range(run.depth - 1, -1, -1):
        found.append(support)
        both = support | np.roll(support, 1 << (run.shift + level))
        support = both | both[targets(run.shift + level)[0]]
    return found[::-1]


def _below(run: Run, level: int, price: FloatArray, read: Bools, *, is_source: bool, is_one: bool) -> FloatArray:
    """Prices of the coefficients of a level's results, from those of what it splits.

    A form g, h of e + τ(e) + η and (e − τ(e) − η) X^-p is the form a + τ'(b) of e and b of η, with a = g + X^p h and
    b = g − X^p h. Coefficients that τ fixes are in one of g and h, twice, and not in the other. Where a and τ'(b), or g
    and X^p h, have none in common, squares add up; else, (x + y)² ≤ 2 (x² + y²).

    Args:
        run: of the leaves.
        level: of its tree.
        price: of coefficients of e.
        read: which coefficients of the results forms read.
        is_source: η has variance 1, and e none.
        is_one: of the two results, no form reads both.
    """
    shift = 1 << (run.shift + level)
    turned, is_same = targets(run.shift + level)
    fixed = turned == np.arange(RING_SIZE)
    moved = np.roll(read, shift)
    common = np.zeros(RING_SIZE, np.bool_) if is_one else read & moved
    results = []
    for support, sign in ((read, True), (moved, False)):
        if is_source:
            results.append(np.where(common, 2.0, 1.0))
            continue
        first = (support if is_one else read | moved) & ~fixed
        second = first[turned]
        times = np.where(first & second, 2.0, 1.0) * price
        ahead, behind = np.where(first, times, 0.0), np.zeros(RING_SIZE)
        behind[turned] = np.where(second, times, 0.0)
        found = np.where(common, 2 * np.maximum(ahead, behind), ahead + behind)
        results.append(found + np.where(fixed & (is_same == sign), 4 * price, 0.0))
    below = np.maximum(results[0], np.roll(results[1], -shift))
    if run.count < 1 << run.depth and not is_source:  # some leaf is not split there
        below = np.maximum(below, price)
    return np.where(read, below, 0.0)


def quiet_norm(places: int, key: int) -> float:
    """For a weight of 1, at most what the variance of forms has of a key switch's noise, by this key, of 1.

    Args:
        places: forms read coefficients less than so many from the constant one, and not that one.
        key: number of the key.
    """
    norms = next(norms for most, norms in _NORMS.items() if most >= places)
    return norms[key] * 2.0 ** (LOG2_RING_SIZE - 1 - key)
