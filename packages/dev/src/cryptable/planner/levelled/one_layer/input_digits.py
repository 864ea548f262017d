"""Which bits stand for the features: binary digits of their levels, and of the squares of these where they are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from cryptable_protocol import DigitsEncoder, FeatureEncoder, UnusedFeature

from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.integers import Grid
from cryptable.planner.levelled.one_layer.hidden_layer import HiddenLayer

_MARGIN = 0.1
"""Of the range that a column has in calibration data, what its digits reach beyond it on both sides."""
_FARTHEST = 0.25
"""Percent of a column's values, at each end, that are clipped where values are."""
_OFF = 1e-6
"""Of a step: as far as numbers may lie beside the grid that they are taken to be of."""


@dataclass(frozen=True, eq=False)
class InputDigits:
    """Encoders, and what each bit adds: to neurons' sums `sums`, shape (bits, neurons), and to scores `scores`.

    `offset` and `base` are what they start from, with all bits off.
    """

    encoders: tuple[FeatureEncoder, ...]
    sums: FloatArray
    scores: FloatArray
    offset: FloatArray
    base: FloatArray

    @property
    def bits(self) -> int:
        """Elements of the input."""
        return len(self.sums)


def input_digits(
    layer: HiddenLayer,
    names: tuple[str, ...],
    rows: FloatArray,
    digits: int,
    *,
    is_clipped: bool = False,
    grid: Grid | None = None,
) -> InputDigits:
    """At most so many digits a feature, over about its range in the rows; as many as it needs where it has few levels.

    Args:
        layer: the network.
        names: of the features.
        rows: calibration data, shape (rows, features).
        digits: most of one feature.
        is_clipped: the few rows that are farthest off have the ends of a range that is all others'.
        grid: integers that the features are, of 2^bits levels each, instead of all of that.
    """
    reads = layer.reads
    lower = rows.min(axis=0)
    encoders: list[FeatureEncoder] = []
    sums, scores = [np.empty((0, layer.neurons))], [np.empty((0, layer.outputs))]
    for feature, name in enumerate(names):
        column = rows[:, feature]
        if not reads[feature] or column.max() == lower[feature]:
            encoders.append(UnusedFeature(name))
            continue
        if grid is None:
            lower[feature], step, count = _grid(column, digits, is_clipped)
        else:
            lower[feature], step = grid.zero[feature], float(grid.step[feature])
            count = int(grid.maximum[feature]).bit_length()
        encoder = DigitsEncoder(name, float(lower[feature]), step, count, squared=bool(layer.curvatures[feature]))
        encoders.append(encoder)
        # (lower + step u)² = lower² + 2 lower step u + step² u².
        powers = step * 2.0 ** np.arange(count)[:, None]
        slopes = layer.slopes[feature] + 2 * lower[feature] * layer.curvatures[feature]
        sums.append(powers * slopes)
        scores.append(powers * layer.skips[feature])
        if encoder.squared:
            squares = step**2 * 2.0 ** np.arange(2 * count)[:, None] * layer.curvatures[feature]
            sums.append(np.repeat(squares, layer.neurons, axis=1))
            scores.append(np.zeros((2 * count, layer.outputs)))
    return InputDigits(
        tuple(encoders),
        np.concatenate(sums),
        np.concatenate(scores),
        layer.sums(lower[None])[0],
        lower @ layer.skips + layer.base,
    )


def _grid(column: FloatArray, digits: int, is_clipped: bool) -> tuple[float, float, int]:
    """Lowest number, step and digits: those of the evenly spaced numbers that a column consists of, if of so few."""
    distinct = np.unique(column)
    span = float(distinct[-1] - distinct[0])
    step = float(np.diff(distinct).min())
    levels = (distinct - distinct[0]) / step
    if levels[-1] < 2**digits and np.abs(levels - np.rint(levels)).max() <= _OFF * levels[-1]:
        return float(distinct[0]), span / round(levels[-1]), max(1, round(levels[-1]).bit_length())
    if is_clipped:
        low, high = np.percentile(column, [_FARTHEST, 100 - _FARTHEST])
        if high > low:
            return float(low), float(high - low) / (2**digits - 1), digits
    wide = (1 + 2 * _MARGIN) * span
    return float(distinct[0]) - _MARGIN * span, wide / (2**digits - 1), digits


def encoded(digits: InputDigits, rows: FloatArray) -> IntArray:
    """Bits of rows, shape (rows, bits)."""
    parts = [encoder.encode(rows[:, feature]) for feature, encoder in enumerate(digits.encoders)]
    found: IntArray = np.concatenate(parts, axis=1)
    return found
