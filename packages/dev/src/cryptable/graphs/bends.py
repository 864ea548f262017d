"""Functions of one number as knots with straight lines between: as many as they bend, and jumps to the last bit."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cryptable.graphs.graph import FloatArray, IntArray

_ROUNDS = 160
"""More than bring a jump anywhere to two neighbouring doubles."""
_NEAR = 1e-6
"""Of all that is looked at: where a gap is narrower, a jump is sought, through as many doubles on both sides."""


@dataclass(frozen=True, eq=False)
class Knots:
    """Numbers, rising, shape (knots,), and what functions are there, shape (knots, functions).

    `error` is how far from the lines between them each was at numbers that were tried, at most; shape (functions,).
    """

    numbers: FloatArray
    values: FloatArray
    error: FloatArray


Tries: TypeAlias = Generator[FloatArray, FloatArray, Knots]
"""Asks for functions at numbers, shape (numbers,), is told them, shape (numbers, functions), and ends with knots."""


def bends(start: FloatArray, seen: FloatArray, tolerance: FloatArray, most: int) -> Tries:
    """Split the gaps between knots where functions are furthest from straight, until none is by more than a tolerance.

    Args:
        start: knots to begin with, rising.
        seen: numbers that calibration data have: they are tried too.
        tolerance: of each function, shape (functions,).
        most: knots.
    """
    knots = start
    values = yield knots
    error = np.zeros(values.shape[1])
    starts, stops = knots[:-1], knots[1:]  # of the gaps to look at
    reach = float(knots[-1] - knots[0])
    for _ in range(_ROUNDS):
        gap_of = np.searchsorted(starts, seen, side="right") - 1
        within = seen[(gap_of >= 0) & (seen < stops[gap_of])]
        tried = np.setdiff1d(np.concatenate([_middles(starts, stops, reach), within]), knots)
        if not tried.size:
            break
        at_tried = yield tried
        drawn = np.stack([np.interp(tried, knots, each) for each in values.T], axis=1)
        apart = np.nan_to_num(np.abs(at_tried - drawn), nan=0.0)
        off = (apart / tolerance).max(axis=1)
        worst, gap_of = worst_of_gaps(knots, tried, off)
        fine = off <= 1
        error = np.maximum(error, apart[fine].max(axis=0, initial=0.0))
        worst = worst[off[worst] > 1]
        width = np.diff(knots)[gap_of]
        worst = np.union1d(worst, np.flatnonzero(np.isin(gap_of, gap_of[worst]) & (width < _NEAR * reach)))
        if worst.size > most - knots.size:
            error = np.maximum(error, apart.max(axis=0))
            break
        if not worst.size:
            break
        knots, values, gaps = with_knots(knots, values, tried[worst], at_tried[worst])
        starts, stops = knots[gaps], knots[gaps + 1]
    return Knots(knots, values, error)


def worst_of_gaps(knots: FloatArray, tried: FloatArray, off: FloatArray) -> tuple[IntArray, IntArray]:
    """The number in each gap between knots that is furthest off: its neighbours may be met once that is a knot.

    Returns:
        Indices of numbers tried, one a gap that has any; and the gap of each number tried.
    """
    gap_of = np.searchsorted(knots, tried) - 1
    order = np.lexsort((-off, gap_of))
    return order[np.concatenate([[True], np.diff(gap_of[order]) > 0])], gap_of


def with_knots(
    knots: FloatArray, values: FloatArray, more: FloatArray, at_more: FloatArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """All knots in order, their values, and the gaps beside the new ones."""
    found, order = np.unique(np.concatenate([knots, more]), return_index=True)
    places = np.searchsorted(found, more)
    return found, np.concatenate([values, at_more])[order], np.unique(np.concatenate([places - 1, places]))


def _middles(starts: FloatArray, stops: FloatArray, reach: float) -> FloatArray:
    """Between both ends; of narrow gaps also in the order of doubles, which are denser towards 0."""
    narrow = stops - starts < _NEAR * reach
    low, high = _order(starts[narrow]), _order(stops[narrow])
    found = np.concatenate([starts + (stops - starts) / 2, _double(low + (high - low) // 2)])
    below, above = np.concatenate([starts, starts[narrow]]), np.concatenate([stops, stops[narrow]])
    within: FloatArray = found[(found > below) & (found < above)]
    return within


def _order(numbers: FloatArray) -> IntArray:
    """Doubles as integers in the same order, 0 as 0."""
    bits = np.abs(numbers).view(np.int64)
    return np.where(numbers < 0, -bits, bits)


def _double(order: IntArray) -> FloatArray:
    numbers = np.abs(order).view(np.float64)
    return np.where(order < 0, -numbers, numbers)


def straightened(numbers: FloatArray, values: FloatArray, tolerance: float) -> IntArray:
    """The knots, by index, that are enough for a line through all knots of one function to within a tolerance.

    From each knot that is kept, lines to the next knots are held against the cone of slopes in which they pass by all
    knots between.
    """
    x, y = numbers.tolist(), values.tolist()
    kept, last = [0], len(x) - 1
    while kept[-1] < last:
        kept.append(_furthest(x, y, kept[-1], tolerance))
    return np.asarray(kept, np.int64)


def _furthest(x: Sequence[float], y: Sequence[float], start: int, tolerance: float) -> int:
    low, high, found = -math.inf, math.inf, start + 1
    for index in range(start + 1, len(x)):
        width, rise = x[index] - x[start], y[index] - y[start]
        if low <= rise / width <= high:
            found = index
        low, high = max(low, (rise - tolerance) / width), min(high, (rise + tolerance) / width)
        if low > high:
            break
    return found
