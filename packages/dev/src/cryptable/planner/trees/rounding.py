"""Rounding values to a grid: where the error of a whole part counts, a constant is free, so it is chosen well."""

from __future__ import annotations

import numpy as np

from cryptable.graphs.graph import FloatArray, IntArray

_PHASES = 16


def round_values(values: FloatArray, step: float) -> tuple[IntArray, float, float]:
    """Non-negative integers q, a constant and the largest error: values = constant + step * q, to within the error.

    Several constants are tried: few different values can often all be met closely.
    """
    lowest = float(values.min())
    scaled = (values - lowest) / step
    phases = np.arange(_PHASES)[:, None] / _PHASES
    rounded = np.rint(scaled + phases)
    errors = scaled - rounded
    ranges = np.ptp(errors, axis=1)
    best = int(np.argmin(ranges))
    integers = rounded[best].astype(np.int64)
    middle = float(errors[best].max() + errors[best].min()) / 2
    constant = lowest + step * (middle + int(integers.min()))
    return integers - integers.min(), constant, step * float(ranges[best]) / 2


def largest_errors(values: FloatArray, first: IntArray, step: float) -> FloatArray:
    """The largest error of `round_values` for each run of values, by the places where runs begin."""
    sizes = np.diff(np.append(first, values.size))
    scaled = (values - np.repeat(np.minimum.reduceat(values, first), sizes)) / step
    least = np.full(first.size, np.inf)
    for phase in np.arange(_PHASES) / _PHASES:
        errors = scaled - np.rint(scaled + phase)
        ranges = np.maximum.reduceat(errors, first) - np.minimum.reduceat(errors, first)
        np.minimum(least, ranges, out=least)
    largest: FloatArray = step * least / 2
    return largest
