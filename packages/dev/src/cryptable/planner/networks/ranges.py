"""Where the sums of a layer lie: over all inputs, or on calibration data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cryptable.graphs.graph import FloatArray
from cryptable.graphs.integers import Grid
from cryptable.graphs.network import Layer
from cryptable.graphs.symbols import widened
from cryptable.planner.settings import RangeChoice

RANGES: tuple[RangeChoice, ...] = ("sound", "minmax", "percentile", "mse")
_PERCENTILE = 0.1
"""Of the calibration data, as much is left out on each side."""
_MARGIN = 0.02
"""Of its width, a range is wider on each side than what was seen."""
_SHRUNK = np.linspace(0.0, 0.45, 10)
"""Parts of a range that "mse" tries to cut off, on each side."""
_MAX_ROWS = 1000


class Ranges(NamedTuple):
    """Lowest and highest sum that has an entry of its own, shape (size,) each."""

    low: FloatArray
    high: FloatArray


def sound(layer: Layer, grid: Grid) -> Ranges:
    """What no input within the encoders' ranges exceeds, with variables taken as independent of each other."""
    matrix = widened(layer.matrix, grid.size)
    ends = matrix.multiply(grid.step * grid.maximum)
    base = matrix @ grid.zero + layer.offset
    low = base + np.asarray(ends.minimum(0).sum(axis=1)).ravel()
    high = base + np.asarray(ends.maximum(0).sum(axis=1)).ravel()
    return Ranges(low, high)


def calibrated(layer: Layer, sums: FloatArray, width: int, choice: RangeChoice) -> Ranges:
    """From the sums of calibration data, shape (rows, size)."""
    if choice == "percentile":
        low, high = np.percentile(sums, [_PERCENTILE, 100 - _PERCENTILE], axis=0)
    else:
        low, high = sums.min(axis=0), sums.max(axis=0)
    margin = _MARGIN * (high - low)
    found = Ranges(low - margin, high + margin)
    return _least_squares(layer, sums[:_MAX_ROWS], width, found) if choice == "mse" else found


def _least_squares(layer: Layer, sums: FloatArray, width: int, widest: Ranges) -> Ranges:
    """Of ranges cut off on either side, for each element the one whose table errs least on the calibration data."""
    exact = layer.values(sums)
    span = widest.high - widest.low
    best = np.full(layer.size, np.inf)
    low, high = widest.low.copy(), widest.high.copy()
    for below in _SHRUNK:
        for above in _SHRUNK:
            tried = Ranges(widest.low + below * span, widest.high - above * span)
            error = np.square(_approximated(layer, sums, width, tried) - exact).mean(axis=0)
            better = error < best * (1 - 1e-9)
            best = np.where(better, error, best)
            low, high = np.where(better, tried.low, low), np.where(better, tried.high, high)
    return Ranges(low, high)


def _approximated(layer: Layer, sums: FloatArray, width: int, ranges: Ranges) -> FloatArray:
    """What a table over these ranges gives, with its ends wrapped around the torus."""
    entries = 1 << width
    box = np.maximum(ranges.high - ranges.low, 1e-30) / entries
    table = layer.values(ranges.low + (np.arange(entries)[:, None] + 0.5) * box)
    position = np.floor((sums - ranges.low) / box).astype(np.int64) & (2 * entries - 1)
    found = np.take_along_axis(table, position & (entries - 1), axis=0)
    result: FloatArray = np.where(position < entries, found, table[0] + table[-1] - found)
    return result
