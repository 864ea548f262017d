"""Levels of the features: the numbers that the data lie on, where there are such, else evenly spaced ones."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integers import Grid

_OFF = 1e-3
"""Of a step: data in single precision lie so near the numbers that they stand for."""
_LEAST_SEEN = 8
"""Distinct numbers that tell a step that is one column's own, half of whose levels must be seen."""


def input_grid(rows: FloatArray, levels: FloatArray, margin: FloatArray) -> Grid:
    """Steps of each feature's encoder, from calibration data.

    Whole numbers, and multiples of another step that all columns or one column have, as pixels do, stay as they are
    where the levels suffice for them: then nothing is lost by rounding them.

    Args:
        rows: calibration data, shape (rows, features).
        levels: of each feature, at most.
        margin: how far its range reaches beyond the data on both sides, as a part of it.
    """
    low, high = rows.min(axis=0), rows.max(axis=0)
    span = high - low
    varies = span > 0
    steps = natural_steps(rows, np.where(varies, levels, 0))
    spaced = steps > 0
    wide = np.where(spaced, np.ceil(margin * span / np.where(spaced, steps, 1.0)), 0.0)
    fits = spaced & (np.rint(span / np.where(spaced, steps, 1.0)) + 2 * wide < levels)
    wide = np.where(fits, wide, 0.0)
    reach = np.where(spaced, wide * steps, margin * span)
    low, span = low - reach, span + 2 * reach
    step = np.where(spaced, steps, span / np.maximum(levels - 1, 1))
    maximum = np.where(varies, np.rint(span / np.where(varies, step, 1.0)), 0).astype(np.int64)
    return Grid(low, np.where(varies, step, 1.0), maximum)


def natural_steps(rows: FloatArray, levels: FloatArray) -> FloatArray:
    """The step of the numbers that each column consists of; 0 where there is none of so few levels.

    Args:
        rows: calibration data, shape (rows, features).
        levels: of each feature, at most; columns of none are left out.
    """
    low, high = rows.min(axis=0), rows.max(axis=0)
    found = np.zeros(rows.shape[1])
    looked_at = np.flatnonzero(levels > 0)
    distinct = {column: np.unique(rows[:, column]) for column in looked_at.tolist()}
    own = {column: _common_step(np.diff(numbers), levels[column]) for column, numbers in distinct.items()}
    shared = 0.0
    if own and all(own.values()):
        widest = float((high - low)[looked_at].max())
        shared = _common_step(np.array(list(own.values())), float(levels[looked_at].min()), widest)
    for column, numbers in distinct.items():
        span = float(high[column] - low[column])
        if (numbers == np.rint(numbers)).all() and span < levels[column]:
            found[column] = 1.0
        elif shared and span / shared < levels[column] and _are_multiples(numbers - low[column], shared):
            found[column] = shared
        elif own[column] and numbers.size >= max(_LEAST_SEEN, 0.5 * span / own[column]):
            found[column] = own[column] if _are_multiples(numbers - low[column], own[column]) else 0.0
    return found


def _are_multiples(numbers: FloatArray, step: float) -> bool:
    multiples = numbers / step
    return bool((np.abs(multiples - np.rint(multiples)) <= 10 * _OFF).all())


def _common_step(numbers: FloatArray, levels: float, span: float | None = None) -> float:
    """The largest number that all are multiples of, nearly; 0 where their sum has too many levels of it."""
    positive = np.unique(numbers[numbers > 0])
    if not positive.size:
        return 0.0
    least = (float(numbers.sum()) if span is None else span) / levels
    step = float(positive[0])
    for number in positive[1:].tolist():
        larger = number
        while step > least:
            rest = abs(larger - step * round(larger / step))
            if rest <= _OFF * max(step, 1e-300):
                break
            larger, step = step, rest
        else:
            return 0.0
    if step <= least:
        return 0.0
    multiples = np.rint(positive / step)
    return float((positive * multiples).sum() / (multiples * multiples).sum())  # against single precision
