"""What rounding explains: how far the integers of a small network may be from its floats, row by row.

The bound knows what the quantizer is to do, not how it does it: inputs of 12 bits, sums that are rounded to one of 2^6
entries, entries that hold the mean of a function over their width, values of 8 bits, and constants that are moved by
what all that is off by on average over the calibration rows.
"""

from __future__ import annotations

import math

import numpy as np
from cryptable.graphs.network import Layer, SegmentedNetwork
from onnx_node_wrapping import Array

BITS, INPUT_BITS, VALUE_BITS = 6, 12, 8
_MARGIN = 1.04
"""A table is as much wider than what its sums reach on the calibration rows."""
_POINTS = 129
"""Where a function is looked at, around a sum."""


def allowed(segments: SegmentedNetwork, rows: Array, step: float) -> Array:
    """The most that scores may be off, shape (rows, outputs).

    Args:
        segments: the network.
        rows: calibration rows.
        step: of the scores.
    """
    spread = np.ptp(rows, axis=0) / ((1 << INPUT_BITS) - 1) / 2
    known, error = rows, np.broadcast_to(spread, rows.shape)
    for layer in segments.layers:
        sums, matrix = layer.sums(known), abs(layer.matrix)
        summed = _with_mean((matrix @ error[:, : matrix.shape[1]].T).T)
        entry = np.ptp(sums, axis=0) * _MARGIN / (1 << BITS)
        exact = layer.values(sums)
        values = _around(layer, sums, exact, summed + 1.5 * entry) + _value_step(layer, sums) / 2
        known, error = np.concatenate([known, exact], axis=1), np.concatenate([error, values], axis=1)
    total = _with_mean((abs(segments.matrix) @ error[:, : segments.matrix.shape[1]].T).T)
    terms = math.sqrt(float(np.diff(segments.matrix.indptr).max(initial=1)))
    result: Array = total + 2 * step * (1 + terms)
    return result


def _with_mean(error: Array) -> Array:
    """A constant makes up for what all rows are off by on average, and moves each by as much."""
    found: Array = error + error.mean(axis=0)
    return found


def _around(layer: Layer, sums: Array, exact: Array, reach: Array) -> Array:
    """How far a function may move within `reach` of each sum; where it has no value, it does not count."""
    found = np.zeros_like(exact)
    for part in np.linspace(-1, 1, _POINTS):
        moved = np.abs(layer.values(sums + part * reach) - exact)
        found = np.fmax(found, np.where(np.isfinite(moved), moved, 0.0))
    return found


def _value_step(layer: Layer, sums: Array) -> Array:
    """The highest minus the lowest value of each table, in as many steps as there are."""
    margin = (_MARGIN - 1) / 2 * np.ptp(sums, axis=0)
    points = np.linspace(sums.min(axis=0) - margin, sums.max(axis=0) + margin, 8 << BITS)
    values = layer.values(points)
    values = np.where(np.isfinite(values), values, np.nan)
    found: Array = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
    return found / ((1 << VALUE_BITS) - 2)
