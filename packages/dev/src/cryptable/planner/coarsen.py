"""Makes additive models smaller: neighbouring bins whose values lie close together become one, then values integers.

Fewer bins are fewer bits to send and, for functions of two features, fewer lookups. Each function may be off by its
share of the tolerance: half of it goes to merging bins, half to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cryptable.graphs.additive import AdditiveModel, PairFunction, StepFunction
from cryptable.graphs.graph import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Coarsened:
    """score[j] = graph's score[j] * step + base[j], to within error[j]; the values of `graph` are integers.

    `constants` and `errors` are what each function, then each pair, of `graph` has of both, shape (functions + pairs,
    outputs).
    """

    graph: AdditiveModel
    step: float
    base: FloatArray
    error: FloatArray
    constants: FloatArray
    errors: FloatArray


def coarsen(graph: AdditiveModel, *, tolerance: float) -> Coarsened:
    """Merge bins and round values such that no score is off by more than the tolerance."""
    functions = _one_a_feature(graph.functions)
    kinds = (len(functions) > 0) + (len(graph.pairs) > 0)
    share = tolerance / max(1, kinds)
    of_function, of_pair = share / max(1, len(functions)), share / max(1, len(graph.pairs))
    step = min([of_function] * bool(functions) + [of_pair] * bool(graph.pairs), default=tolerance)
    base, error = graph.base.copy(), np.zeros(graph.outputs)
    small_functions, small_pairs = [], []
    constants, errors = [], []
    for function in functions:
        starts, low, high = _merge(function.values, function.values, of_function)
        integers, constant, largest = _round((low + high) / 2, function.values, [starts], step)
        base, error = base + constant, error + largest
        constants.append(constant)
        errors.append(largest)
        small_functions.append(StepFunction(function.feature, function.edges[starts[1:] - 1], integers))
    for pair in graph.pairs:
        first, low, high = _merge(pair.values, pair.values, of_pair)
        second, low, high = _merge(low.swapaxes(0, 1), high.swapaxes(0, 1), of_pair)
        middle = ((low + high) / 2).swapaxes(0, 1)
        integers, constant, largest = _round(middle, pair.values, [first, second], step)
        base, error = base + constant, error + largest
        constants.append(constant)
        errors.append(largest)
        edges = (pair.edges[0][first[1:] - 1], pair.edges[1][second[1:] - 1])
        small_pairs.append(PairFunction(pair.features, edges, integers))
    integral = AdditiveModel(
        graph.feature_names,
        tuple(small_functions),
        tuple(small_pairs),
        np.zeros(graph.outputs),
        graph.link,
        graph.labels,
        graph.as_float32,
    )
    by_part = (len(constants), graph.outputs)
    return Coarsened(
        integral, step, base, error, np.array(constants).reshape(by_part), np.array(errors).reshape(by_part)
    )


def _one_a_feature(functions: Sequence[StepFunction]) -> list[StepFunction]:
    """The sum of all functions of one feature, for each feature."""
    by_feature: dict[int, list[StepFunction]] = {}
    for function in functions:
        by_feature.setdefault(function.feature, []).append(function)
    result = []
    for feature, parts in sorted(by_feature.items()):
        edges = np.unique(np.concatenate([part.edges for part in parts]))
        below = np.r_[-np.inf, edges]
        values = np.add.reduce([part.values[np.searchsorted(part.edges, below, side="right")] for part in parts])
        result.append(StepFunction(feature, edges, values))
    return result


def _merge(low: FloatArray, high: FloatArray, width: float) -> tuple[IntArray, FloatArray, FloatArray]:
    """Runs along the first axis, as long as can be, over which no value varies by more than `width`.

    Returns:
        The index at which each run starts, and the lowest and highest values of each.
    """
    starts, lows, highs = [0], [low[0]], [high[0]]
    for index in range(1, low.shape[0]):
        lowest, highest = np.minimum(lows[-1], low[index]), np.maximum(highs[-1], high[index])
        if (highest - lowest <= width).all():
            lows[-1], highs[-1] = lowest, highest
        else:
            starts.append(index)
            lows.append(low[index])
            highs.append(high[index])
    return np.array(starts, np.int64), np.array(lows), np.array(highs)


def _round(
    middle: FloatArray, values: FloatArray, starts: Sequence[IntArray], step: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Integers, a constant by output, and the largest error by output: values = constant + step * integers."""
    axes = tuple(range(middle.ndim - 1))
    constant = middle.min(axis=axes)
    integers = np.rint((middle - constant) / step)
    spread = integers
    for axis, each in enumerate(starts):
        spread = spread.repeat(np.diff(np.r_[each, values.shape[axis]]), axis=axis)
    difference = values - (constant + step * spread)
    low, high = difference.min(axis=axes), difference.max(axis=axes)
    return integers, constant + (low + high) / 2, (high - low) / 2
