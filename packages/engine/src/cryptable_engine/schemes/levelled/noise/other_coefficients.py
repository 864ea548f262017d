"""Coefficients of leaves beside the constant one, of which forms of several slots read some: how quiet they are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptable_protocol.schemes.levelled.keyset import RING_SIZE
from cryptable_protocol.schemes.levelled.layout import Run

from cryptable_engine.schemes.levelled.plans.automorphisms import targets

FloatArray = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


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
